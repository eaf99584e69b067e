import Base
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
      let skew = ClockSkew.serverTime(of: response, receivedAt: receivedAt).map {
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
        serverTime: ClockSkew.serverTime(of: posted.response, receivedAt: posted.receivedAt),
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
      form = try AuthenticatedForm(
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
