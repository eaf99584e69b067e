public import Base
import HTTP

/// A token endpoint's good answer with its times.
struct TokenAnswer {
  var response: TokenResponse
  var sentAt: Moment
  var receivedAt: Moment
  /// The server's `Date`, seconds since 1970.
  var serverTime: Double?
  var clientAuthentication: ClientAuthentication

  /// How far the server's clock is ahead of ours.
  var skew: Duration? {
    serverTime.map { ClockSkew.of(serverTime: $0, sentAt: sentAt, receivedAt: receivedAt) }
  }

  /// How long the token lives from `sentAt`, in seconds: the smallest of what the server tells; infinite if it tells nothing.
  func lifetime(expiry: Int64?, issuedAt: Int64?) -> Double {
    var lifetime = response.expiresIn ?? .infinity
    guard let expiry else { return lifetime }
    if let issuedAt { lifetime = min(lifetime, Double(expiry - issuedAt)) }
    // A server that hands out a token it made earlier: what counts is what is left of it, by its own clock if it tells that.
    return min(lifetime, Double(expiry) - (serverTime ?? receivedAt.unix))
  }
}

extension AuthorizationServer {
  /// Fetches a JSON document.
  func get(
    _ url: String, _ what: String, _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> HTTPResponse {
    let request = HTTPRequest(
      method: .get, url: url, timeout: try attempt.allowance(at: Moment.now().boot, longest: longest),
      transport: transport,
      collectsCertificates: observe != nil && what == "discovery")
    let sentAt = Moment.now()
    let response = try await send(request, what)
    if let observe {
      let receivedAt = Moment.now()
      let skew = ClockSkew.serverTime(of: response).map {
        ClockSkew.of(serverTime: $0, sentAt: sentAt, receivedAt: receivedAt)
      }
      observe(.fetched(AcquisitionStep.Document(url: url, response: response, skew: skew)))
    }
    guard response.status == 200 else { throw Self.failure(of: response, what, url, isDocument: true) }
    return response
  }

  /// Asks for a token by each proof of the client in turn, until one is not called wrong.
  func exchange(
    _ request: TokenRequest, at metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> TokenAnswer {
    var refusal: AcquisitionFailure?
    for clientAuthentication in request.credentials.clientAuthentications(
      supported: metadata.tokenEndpointAuthMethodsSupported, clientID: request.clientID)
    {
      do throws(PostFailure) {
        return try await exchange(request, by: clientAuthentication, at: metadata, attempt)
      } catch {
        // The first proof's refusal is the one to tell: the other secret may not be valid yet.
        guard error.concernsClientAuthentication(isOneOfSeveralMethods: request.credentials.method == .auto) else {
          throw error.failure
        }
        refusal = refusal ?? error.failure
      }
    }
    throw refusal ?? AcquisitionFailure(.credentials, "there is no client secret, key or certificate to ask with")
  }

  private func exchange(
    _ request: TokenRequest, by clientAuthentication: ClientAuthentication, at metadata: ServerMetadata,
    _ attempt: Attempt
  ) async throws(PostFailure) -> TokenAnswer {
    var fields: [(String, FormValue)] = [("grant_type", "client_credentials")]
    if !request.scope.isEmpty { fields.append(("scope", .text(request.scope.joined(separator: " ")))) }
    fields += request.parameters.map { ($0.name, .text($0.value)) }
    let url = metadata.tokenEndpoint(byCertificate: request.credentials.hasCertificate)
    let timeout: Duration
    do throws(AcquisitionFailure) { timeout = try attempt.allowance(at: Moment.now().boot) } catch {
      throw PostFailure(error)
    }
    let posted = try await post(
      fields, to: url, "token", request, by: clientAuthentication, at: metadata, timeout: timeout)
    let answer: TokenAnswer
    do throws(AcquisitionFailure) {
      answer = TokenAnswer(
        response: try TokenResponse(parsing: posted.response.body), sentAt: posted.sentAt,
        receivedAt: posted.receivedAt,
        serverTime: ClockSkew.serverTime(of: posted.response),
        clientAuthentication: clientAuthentication)
    } catch {
      // Some servers refuse with 200 (RFC 6749, 5.2 wants 400).
      if let refusal = TokenErrorResponse(parsing: posted.response.body) {
        let failure = refusal.failure(status: 200, retryAfter: nil, secrets: posted.sensitive)
        throw PostFailure(failure.without(posted.sensitive), status: 200)
      }
      throw PostFailure(error.without(posted.sensitive))
    }
    observe?(.answered(AcquisitionStep.Answer(answer, from: url)))
    return answer
  }

  /// Sends a form with the client's proof to one of the server's endpoints.
  ///
  /// - Returns: the answer, its times, and what must not be shown should the answer quote it.
  /// - Throws: unless the answer is 200.
  func post(
    _ fields: [(String, FormValue)], to url: String, _ what: String, _ request: TokenRequest,
    by clientAuthentication: ClientAuthentication,
    at metadata: ServerMetadata, timeout: Duration
  ) async throws(PostFailure) -> (response: HTTPResponse, sentAt: Moment, receivedAt: Moment, sensitive: [Secret]) {
    let form: AuthenticatedForm
    do throws(AcquisitionFailure) {
      form = try await AuthenticatedForm(
        fields, of: request, by: clientAuthentication, at: metadata, unixTime: timeAtServer)
    } catch {
      throw PostFailure(error)
    }
    let exchange = HTTPRequest(
      method: .post, url: url, authorization: form.authorization, body: form.body, timeout: timeout,
      transport: transport)
    let sentAt = Moment.now()
    let response: HTTPResponse
    do throws(AcquisitionFailure) { response = try await send(exchange, what) } catch { throw PostFailure(error) }
    let receivedAt = Moment.now()
    guard response.status != 200 else { return (response, sentAt, receivedAt, form.sensitive) }
    let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(receivedAt.unix))
    if response.status >= 400, let refusal = TokenErrorResponse(parsing: response.body) {
      let failure = refusal.failure(
        from: what, status: response.status, retryAfter: retryAfter, secrets: form.sensitive)
      throw PostFailure(failure.without(form.sensitive), status: response.status)
    }
    throw PostFailure(Self.failure(of: response, what, url), status: response.status)
  }

  private func send(_ request: HTTPRequest, _ what: String) async throws(AcquisitionFailure) -> HTTPResponse {
    do {
      let response = try await http.send(request)
      noteTime(of: response)
      return response
    } catch {
      throw AcquisitionFailure(error, while: what)
    }
  }

  /// An answer other than 200 that carries no OAuth error.
  private static func failure(
    of response: HTTPResponse, _ what: String, _ url: String, isDocument: Bool = false
  ) -> AcquisitionFailure {
    let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(Moment.now().unix))
    let code: FailureCode =
      switch response.status {
      case 300..<400: isDocument ? .documentRejected : .redirect
      case 429: .tooManyRequests
      // Request Timeout and Too Early: the server asks for the same again.
      case 408, 425: .serverError
      case 400..<500: isDocument ? .documentRejected : .rejected
      case 500...: .serverError
      default: .malformedAnswer
      }
    return AcquisitionFailure(code, "the \(what) endpoint \(url) answered \(response.status)", retryAfter: retryAfter)
  }
}

extension AcquisitionStep.Answer {
  init(_ answer: TokenAnswer, from url: String) {
    self.url = url
    duration = answer.receivedAt.boot - answer.sentAt.boot
    expiresIn = answer.response.expiresIn
    scope = answer.response.scope
    clientAuthentication = answer.clientAuthentication
    skew = answer.skew
    token = try? TokenInspection(of: answer.response.accessToken.withBytes { Array($0) })
  }
}

extension AuthorizationServer {
  /// Has the server itself say whether its token is good (RFC 7662), for tokens that nobody else can read.
  ///
  /// - Throws: `tokenInactive` if it says no, or what else keeps the token from being what the policy wants.
  func introspect(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> AccessTokenClaims {
    let timeout = try attempt.allowance(at: Moment.now().boot)
    let asked = try await ask(
      about: answer.response.accessToken,
      at: metadata.introspectionEndpoint(byCertificate: request.credentials.hasCertificate), "introspection",
      supported: metadata.introspectionEndpointAuthMethodsSupported, like: answer.clientAuthentication, request,
      metadata, timeout)
    do throws(AcquisitionFailure) {
      return try await introspected(asked.response, answer, request)
    } catch {
      throw error.without(asked.sensitive)
    }
  }

  private func introspected(
    _ response: HTTPResponse, _ answer: TokenAnswer, _ request: TokenRequest
  ) async throws(AcquisitionFailure) -> AccessTokenClaims {
    let part: TokenPart
    do throws(VerificationFailure) {
      part = try TokenPart("introspection", response.body)
      try part.checkUnique()
    } catch {
      throw AcquisitionFailure(.malformedAnswer, error.message)
    }
    guard let isActive = part.json["active"]?.bool else {
      throw AcquisitionFailure(
        .malformedAnswer,
        "the introspection endpoint answered 200 with a body that does not say whether the token is active")
    }
    guard isActive else {
      throw AcquisitionFailure(.tokenInactive, "the introspection endpoint calls the token inactive")
    }
    let body: ClaimsBody
    do throws(VerificationFailure) { body = try ClaimsBody(part) } catch {
      throw AcquisitionFailure(.malformedAnswer, error.message)
    }
    let expiry = try end(of: answer, body)
    do throws(VerificationFailure) {
      return try await checked(answer, leeway: request.policy.leeway) { (time) throws(VerificationFailure) in
        try request.policy.check(
          introspected: body, grantedScope: answer.response.scope, expiry: expiry, unixTime: time)
      }
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  /// What is taken for granted of a token that nobody verifies: its scope as the token endpoint told it, and the nearest end that
  /// anybody names. What the token says of itself can only shorten its life.
  func unverifiedClaims(_ answer: TokenAnswer, _ request: TokenRequest) throws(AcquisitionFailure) -> AccessTokenClaims
  {
    let token = try? CompactToken(answer.response.accessToken.withBytes { Array($0) })
    let claims = token.flatMap { try? TokenPart("claims set", $0.claims) }
    var body = ClaimsBody()
    body.exp = try? claims?.time("exp")
    body.iat = try? claims?.time("iat")
    let expiry = try end(of: answer, body)
    do throws(VerificationFailure) {
      return try request.policy.check(unverified: body, grantedScope: answer.response.scope, expiry: expiry)
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  /// When the token ends by the server's clock, seconds since 1970: as it is told, else by `expires_in`.
  private func end(of answer: TokenAnswer, _ body: ClaimsBody) throws(AcquisitionFailure) -> Int64 {
    if let expiry = body.exp { return expiry }
    let lifetime = answer.lifetime(expiry: nil, issuedAt: nil)
    guard lifetime.isFinite else {
      throw AcquisitionFailure(
        .lifetime, "neither expires_in nor exp tells how long the token lives: it would be published for ever")
    }
    return Int64((answer.serverTime ?? answer.sentAt.unix) + lifetime)
  }

  /// Revokes a token (RFC 7009), as the client that got it.
  ///
  /// - Parameters:
  ///   - grant: the token, with what the server said of itself.
  ///   - request: what a token would be asked for with now.
  ///   - timeout: for the whole of it.
  /// - Throws: `AcquisitionFailure` unless the server says that it is done.
  public func revoke(
    _ verifiedToken: VerifiedToken, as request: TokenRequest, timeout: Duration
  ) async throws(AcquisitionFailure) {
    let metadata = verifiedToken.context.metadata
    do throws(AcquisitionFailure) {
      _ = try await ask(
        about: verifiedToken.accessToken,
        at: metadata.revocationEndpoint(byCertificate: request.credentials.hasCertificate),
        "revocation",
        supported: metadata.revocationEndpointAuthMethodsSupported, like: verifiedToken.clientAuthentication, request,
        metadata, timeout)
    } catch {
      throw error.without(request.sensitive + [verifiedToken.accessToken])
    }
  }

  /// Sends a token to the introspection or revocation endpoint, by each of the client's proofs until one is taken.
  private func ask(
    about token: Secret, at url: String?, _ what: String, supported: [String]?,
    like clientAuthentication: ClientAuthentication,
    _ request: TokenRequest, _ metadata: ServerMetadata, _ timeout: Duration
  ) async throws(AcquisitionFailure) -> (response: HTTPResponse, sensitive: [Secret]) {
    guard let url else {
      throw AcquisitionFailure(.discoveryIncomplete, "the discovery document of \(issuer) lacks \(what)_endpoint")
    }
    let fields: [(String, FormValue)] = [("token", .secret(token)), ("token_type_hint", "access_token")]
    let end = Moment.now().boot + timeout
    var refusal: AcquisitionFailure?
    for clientAuthentication in request.credentials.clientAuthentications(
      like: clientAuthentication, supported: supported, clientID: request.clientID)
    {
      let left = end - Moment.now().boot
      guard left > .zero else { break }
      do throws(PostFailure) {
        let posted = try await post(
          fields, to: url, what, request, by: clientAuthentication, at: metadata, timeout: left)
        return (posted.response, posted.sensitive)
      } catch {
        guard error.concernsClientAuthentication(isOneOfSeveralMethods: true) else { throw error.failure }
        refusal = refusal ?? error.failure
      }
    }
    throw refusal ?? AcquisitionFailure(.timeout, "\(what): no time was left to ask")
  }
}

/// Why a form that was sent to one of the server's endpoints brought nothing.
struct PostFailure: Error {
  var failure: AcquisitionFailure
  /// The answer's status; `nil` if there was none.
  private var status: Int?

  init(_ failure: AcquisitionFailure, status: Int? = nil) {
    self.failure = failure
    self.status = status
  }

  /// Whether the client's proof is what the server did not like, so that another may do. Some answer 400, 401 or 403 without an OAuth error.
  ///
  /// - Parameter isOneOfSeveralMethods: whether the proof's method was chosen among several: servers tell in various words that they do not take one.
  func concernsClientAuthentication(isOneOfSeveralMethods: Bool) -> Bool {
    switch failure.code {
    case .invalidClient: true
    case .rejected: [400, 401, 403].contains(status)
    case .unauthorizedClient, .oauthError: isOneOfSeveralMethods
    default: false
    }
  }
}
