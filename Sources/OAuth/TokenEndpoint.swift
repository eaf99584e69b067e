import Base
import HTTP

/// The requests in which the client authenticates: token request, introspection, revocation.
///
/// They need no cached document, because the caller passes the server's metadata.
struct TokenEndpoint: Sendable {
  let server: ServerConnection

  // MARK: Token request

  /// Requests a token (RFC 6749, 4.4), by each client authentication in turn until the server accepts one.
  func requestToken(
    _ request: TokenRequest, at metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> TokenAnswer {
    var rejection: AcquisitionFailure?
    for clientAuthentication in request.credentials.clientAuthentications(
      supported: metadata.tokenEndpointAuthMethodsSupported, clientID: request.clientID)
    {
      do throws(PostFailure) {
        return try await submitTokenRequest(request, by: clientAuthentication, at: metadata, attempt)
      } catch {
        guard error.concernsClientAuthentication(isOneOfSeveralMethods: request.credentials.method == .auto) else {
          throw error.failure
        }
        // The first rejection is reported, because the other secret may be not yet valid.
        rejection = rejection ?? error.failure
      }
    }
    guard let rejection else {
      throw AcquisitionFailure(.credentials, "there is no client secret, key or certificate to ask with")
    }
    throw rejection.adding(request.credentials.lacksThumbprint ? SettingAdvice.assertionCertificate : nil)
  }

  private func submitTokenRequest(
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
      fields, to: url, "token", of: request.client, by: clientAuthentication, at: metadata, timeout: timeout)
    let answer: TokenAnswer
    let status = posted.response.status
    do throws(AcquisitionFailure) {
      try server.requireContent(of: posted.response, "token", url)
      answer = TokenAnswer(
        response: try TokenResponse(
          parsing: posted.response.body, status: status, tokenTypes: request.tokenTypes), sentAt: posted.sentAt,
        receivedAt: posted.receivedAt, serverTime: ClockSkew.serverTime(of: posted.response),
        clientAuthentication: clientAuthentication)
    } catch {
      // Some servers reject with 200. RFC 6749, 5.2 requires 400. A response with a token is no error response. Its
      // other texts could quote the token.
      let hasToken = (try? StrictJSON(document: posted.response.body))?["access_token"] != nil
      if !hasToken, let rejection = TokenErrorResponse(parsing: posted.response.body) {
        let failure = rejection.failure(status: status, retryAfter: nil, secrets: posted.sensitive)
        throw PostFailure(failure.without(posted.sensitive), status: status)
      }
      throw PostFailure(error.without(posted.sensitive))
    }
    server.observe?(.answered(AcquisitionStep.Answer(answer, from: url)))
    return answer
  }

  // MARK: Introspection

  /// Asks the server whether its token is active (RFC 7662), for tokens that only the server can read.
  ///
  /// - Throws: `tokenInactive` if it is not, or the reason why the token does not satisfy the policy.
  func introspect(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> AccessTokenClaims {
    let posted = try await postForIntrospection(
      answer.response.accessToken, like: answer.clientAuthentication, request, metadata, attempt)
    do throws(AcquisitionFailure) {
      return try introspectedClaims(posted.response, answer, request)
    } catch {
      throw error.without(posted.sensitive)
    }
  }

  /// Asks the server whether a held token is still active. The other members of the response are not used.
  func isActive(
    _ held: VerifiedToken, as request: TokenRequest, at metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Bool {
    let posted = try await postForIntrospection(
      held.accessToken, like: held.clientAuthentication, request, metadata, attempt)
    do throws(AcquisitionFailure) { return try Self.introspection(posted.response).isActive } catch {
      throw error.without(posted.sensitive)
    }
  }

  private func postForIntrospection(
    _ token: Secret, like clientAuthentication: ClientAuthentication, _ request: TokenRequest,
    _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Posted {
    let supported = metadata.introspectionEndpointAuthMethodsSupported
    let other = request.introspectionClient
    let clientAuthentications =
      if let other {
        other.credentials.clientAuthentications(
          supported: supported ?? metadata.tokenEndpointAuthMethodsSupported, clientID: other.id)
      } else {
        request.credentials.clientAuthentications(
          like: clientAuthentication, supported: supported, clientID: request.clientID)
      }
    let url = metadata.introspectionEndpoint(byCertificate: request.credentials.hasCertificate)
    let posted = try await postToken(
      token, to: url, "introspection", of: other ?? request.client, clientAuthentications, metadata,
      try attempt.allowance(at: Moment.now().boot), advice: other == nil ? SettingAdvice.introspectionClient : nil)
    do throws(AcquisitionFailure) {
      try server.requireContent(of: posted.response, "introspection", url ?? "")
    } catch {
      throw error.without(posted.sensitive)
    }
    return posted
  }

  /// Reads an introspection response (RFC 7662, 2.2).
  private static func introspection(
    _ response: HTTPResponse
  ) throws(AcquisitionFailure) -> (part: TokenPart, isActive: Bool) {
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
        "the introspection endpoint answered \(response.status) with a body that does not say whether the token is "
          + "active")
    }
    return (part, isActive)
  }

  private func introspectedClaims(
    _ response: HTTPResponse, _ answer: TokenAnswer, _ request: TokenRequest
  ) throws(AcquisitionFailure) -> AccessTokenClaims {
    let (part, isActive) = try Self.introspection(response)
    guard isActive else {
      throw AcquisitionFailure(.tokenInactive, "the introspection endpoint calls the token inactive")
        .adding(request.introspectionClient == nil ? SettingAdvice.introspectionPermission : nil)
    }
    let body: ClaimsBody
    do throws(VerificationFailure) { body = try ClaimsBody(part) } catch {
      throw AcquisitionFailure(.malformedAnswer, error.message)
    }
    let expiry = try answer.expiry(body)
    do throws(VerificationFailure) {
      return try answer.checkingTime(leeway: request.policy.leeway) { (time) throws(VerificationFailure) in
        try request.policy.check(
          introspected: body, grantedScope: answer.response.scope, expiry: expiry, unixTime: time)
      }
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  // MARK: Revocation

  /// Revokes a token (RFC 7009), as the client to which it was issued.
  ///
  /// - Throws: Unless the server confirms it.
  func revoke(
    _ verifiedToken: VerifiedToken, as request: TokenRequest, timeout: Duration
  ) async throws(AcquisitionFailure) {
    let metadata = verifiedToken.context.metadata
    do throws(AcquisitionFailure) {
      _ = try await postToken(
        verifiedToken.accessToken,
        to: metadata.revocationEndpoint(byCertificate: request.credentials.hasCertificate), "revocation",
        of: request.client,
        request.credentials.clientAuthentications(
          like: verifiedToken.clientAuthentication, supported: metadata.revocationEndpointAuthMethodsSupported,
          clientID: request.clientID), metadata, timeout)
    } catch {
      throw server.located(error).without(request.sensitive + [verifiedToken.accessToken])
    }
  }

  // MARK: Forms

  /// Sends a token to the introspection or revocation endpoint, by each client authentication in turn until the server
  /// accepts one.
  ///
  /// - Parameter advice: The end of the message if the server rejects them all.
  private func postToken(
    _ token: Secret, to url: String?, _ what: String, of client: AuthenticatedClient,
    _ clientAuthentications: [ClientAuthentication], _ metadata: ServerMetadata, _ timeout: Duration,
    advice: String? = nil
  ) async throws(AcquisitionFailure) -> Posted {
    guard let url else { throw .lacking("\(what)_endpoint", issuer: server.issuer) }
    let fields: [(String, FormValue)] = [("token", .secret(token)), ("token_type_hint", "access_token")]
    let end = Moment.now().boot + timeout
    var rejection: AcquisitionFailure?
    for clientAuthentication in clientAuthentications {
      let left = end - Moment.now().boot
      guard left > .zero else { break }
      do throws(PostFailure) {
        return try await post(
          fields, to: url, what, of: client, by: clientAuthentication, at: metadata, timeout: left)
      } catch {
        guard error.concernsClientAuthentication(isOneOfSeveralMethods: true) else { throw error.failure }
        rejection = rejection ?? error.failure
      }
    }
    if let rejection { throw rejection.adding(advice) }
    guard !clientAuthentications.isEmpty else {
      throw AcquisitionFailure(.credentials, "there is no client secret or key for the \(what) endpoint")
    }
    throw AcquisitionFailure(.timeout, "\(what): no time was left to ask")
  }

  /// Sends a form with one client authentication.
  ///
  /// - Throws: Unless the status is 2xx. RFC 6749, 5.1 requires 200, but some servers answer 201 (RFC 9110, 15.3.2).
  private func post(
    _ fields: [(String, FormValue)], to url: String, _ what: String, of client: AuthenticatedClient,
    by clientAuthentication: ClientAuthentication, at metadata: ServerMetadata, timeout: Duration
  ) async throws(PostFailure) -> Posted {
    let form: AuthenticatedForm
    do throws(AcquisitionFailure) {
      form = try AuthenticatedForm(
        fields, of: client, by: clientAuthentication, at: metadata, unixTime: server.clock.unixTime)
    } catch {
      throw PostFailure(error)
    }
    let exchange = HTTPRequest(
      method: .post, url: url, authorization: form.authorization, body: form.body, timeout: timeout,
      transport: server.transport)
    let sentAt = Moment.now()
    let response: HTTPResponse
    do throws(AcquisitionFailure) { response = try await server.send(exchange, what) } catch {
      throw PostFailure(error)
    }
    let receivedAt = Moment.now()
    guard !response.isSuccess else {
      return Posted(response: response, sentAt: sentAt, receivedAt: receivedAt, sensitive: form.sensitive)
    }
    let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(receivedAt.unix))
    if response.status >= 400, let rejection = TokenErrorResponse(parsing: response.body) {
      let failure = rejection.failure(
        from: what, status: response.status, retryAfter: retryAfter, secrets: form.sensitive)
      throw PostFailure(failure.without(form.sensitive), status: response.status)
    }
    throw PostFailure(server.failure(of: response, what, url).without(form.sensitive), status: response.status)
  }

  /// A successful response to a form, and its times.
  private struct Posted {
    var response: HTTPResponse
    var sentAt: Moment
    var receivedAt: Moment
    /// The secrets of the request. No message can show them if the response quotes them.
    var sensitive: [Secret]
  }
}

/// The reason why a form failed.
private struct PostFailure: Error {
  var failure: AcquisitionFailure
  /// The status of the response; nil without a response.
  private var status: Int?

  init(_ failure: AcquisitionFailure, status: Int? = nil) {
    self.failure = failure
    self.status = status
  }

  /// Whether the server rejected the client authentication, so that another one can succeed. Some servers respond with
  /// 400, 401 or 403 without an OAuth error.
  ///
  /// - Parameter isOneOfSeveralMethods: Whether the method was chosen among several. Servers use different errors for a
  ///   method that they do not accept.
  func concernsClientAuthentication(isOneOfSeveralMethods: Bool) -> Bool {
    switch failure.code {
    case .invalidClient: true
    case .rejected: [400, 401, 403].contains(status)
    case .unauthorizedClient, .oauthError: isOneOfSeveralMethods
    default: false
    }
  }
}
