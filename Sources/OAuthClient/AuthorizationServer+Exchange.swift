/// A token endpoint's good answer with its times.
struct TokenAnswer {
  var response: TokenResponse
  var sentAt: Moment
  var receivedAt: Moment
  /// The server's `Date`, seconds since 1970.
  var serverTime: Double?
  var secretIndex: Int

  /// How far the server's clock is ahead of ours.
  var skew: Duration? {
    serverTime.map { ClockSkew.of(serverTime: $0, sentAt: sentAt, receivedAt: receivedAt) }
  }
}

extension AuthorizationServer {
  /// Fetches a JSON document.
  func get(
    _ url: String, _ what: String, _ attempt: Attempt, haste: Bool
  ) async throws(AcquisitionFailure) -> HTTPResponse {
    let request = HTTPRequest(
      method: .get, url: url, timeout: try attempt.allowance(at: Moment.now().boot, haste: haste), transport: transport,
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
    guard response.status == 200 else { throw Self.failure(of: response, what, url) }
    return response
  }

  /// Asks for a token with each secret in turn, until one is not called wrong.
  func exchange(
    _ request: TokenRequest, at metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> TokenAnswer {
    var refusal: AcquisitionFailure?
    for index in request.secrets.indices {
      do {
        return try await exchange(request, secretIndex: index, at: metadata, attempt)
      } catch {
        // The first secret's refusal is the one to tell: the other may not be valid yet.
        guard error.suggestsOtherSecret else { throw error }
        refusal = refusal ?? error
      }
    }
    throw refusal ?? AcquisitionFailure(.credentials, "there is no client secret to ask with")
  }

  private func exchange(
    _ request: TokenRequest, secretIndex: Int, at metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> TokenAnswer {
    var fields: [(String, FormValue)] = [
      ("grant_type", "client_credentials"),
      ("client_id", .text(request.clientID)),
      ("client_secret", .secret(request.secrets[secretIndex])),
    ]
    if !request.scope.isEmpty { fields.append(("scope", .text(request.scope.joined(separator: " ")))) }
    let exchange = HTTPRequest(
      method: .post, url: metadata.tokenEndpoint, body: FormEncoding.body(fields),
      timeout: try attempt.allowance(at: Moment.now().boot), transport: transport)
    let sentAt = Moment.now()
    let response = try await send(exchange, "token")
    let receivedAt = Moment.now()
    guard response.status == 200 else {
      let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(receivedAt.unix))
      if response.status >= 400, let refusal = TokenErrorResponse(parsing: response.body) {
        throw refusal.failure(status: response.status, retryAfter: retryAfter, secrets: request.secrets)
      }
      throw Self.failure(of: response, "token", metadata.tokenEndpoint)
    }
    let answer = TokenAnswer(
      response: try TokenResponse(parsing: response.body), sentAt: sentAt, receivedAt: receivedAt,
      serverTime: ClockSkew.serverTime(of: response, receivedAt: receivedAt), secretIndex: secretIndex)
    observe?(.answered(AcquisitionStep.Answer(answer, from: metadata.tokenEndpoint)))
    return answer
  }

  private func send(_ request: HTTPRequest, _ what: String) async throws(AcquisitionFailure) -> HTTPResponse {
    do {
      return try await http.send(request)
    } catch {
      throw AcquisitionFailure(error, while: what)
    }
  }

  /// An answer other than 200 that carries no OAuth error.
  private static func failure(of response: HTTPResponse, _ what: String, _ url: String) -> AcquisitionFailure {
    let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(Moment.now().unix))
    let code: FailureCode =
      switch response.status {
      case 300..<400: .redirect
      case 429: .tooManyRequests
      // Request Timeout and Too Early: the server asks for the same again.
      case 408, 425: .serverError
      case 400..<500: .rejected
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
    secretIndex = answer.secretIndex
    skew = answer.skew
    token = try? TokenInspection(of: answer.response.accessToken.withBytes { Array($0) })
  }
}
