public import Base
import FoundationEssentials
import HTTP

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
    struct State: Decodable { var active: Bool }
    let part = "introspection"
    do throws(VerificationFailure) {
      try JSONObjectScan(ofToken: part, response.body).checkUnique(part: part)
    } catch {
      throw AcquisitionFailure(.malformedAnswer, error.message)
    }
    guard let state = try? JSONDecoder().decode(State.self, from: Data(response.body)) else {
      throw AcquisitionFailure(
        .malformedAnswer,
        "the introspection endpoint answered 200 with a body that does not say whether the token is active")
    }
    guard state.active else {
      throw AcquisitionFailure(.tokenInactive, "the introspection endpoint calls the token inactive")
    }
    let body: ClaimsBody
    do throws(VerificationFailure) { body = try ClaimsBody.decoded(from: response.body, part: part) } catch {
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
    let own = try? TokenInspection(of: answer.response.accessToken.withBytes { Array($0) })
    func time(_ name: String) -> ClaimsBody.NumericDate? {
      own?.claims.first { $0.name == name }
        .flatMap { try? JSONDecoder().decode(ClaimsBody.NumericDate.self, from: Data($0.json.utf8)) }
    }
    let body = ClaimsBody(exp: time("exp"), iat: time("iat"))
    let expiry = try end(of: answer, body)
    do throws(VerificationFailure) {
      return try request.policy.check(unverified: body, grantedScope: answer.response.scope, expiry: expiry)
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  /// When the token ends by the server's clock, seconds since 1970: as it is told, else by `expires_in`.
  private func end(of answer: TokenAnswer, _ body: ClaimsBody) throws(AcquisitionFailure) -> Int64 {
    if let expiry = body.exp?.seconds { return expiry }
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
