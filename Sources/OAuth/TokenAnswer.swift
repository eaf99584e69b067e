import Base

/// A successful token response with its times.
struct TokenAnswer {
  var response: TokenResponse
  var sentAt: Moment
  var receivedAt: Moment
  /// The response's `Date`, seconds since 1970.
  var serverTime: Double?
  var clientAuthentication: ClientAuthentication

  /// How far the server's clock is ahead of this host's.
  var skew: Duration? {
    serverTime.map { ClockSkew.of(serverTime: $0, sentAt: sentAt, receivedAt: receivedAt) }
  }

  /// The token's lifetime from `sentAt`, in seconds. It is the smallest that the server states; infinite if it states
  /// none.
  func lifetime(expiry: Int64?, issuedAt: Int64?) -> Double {
    var lifetime = response.expiresIn ?? .infinity
    guard let expiry else { return lifetime }
    if let issuedAt { lifetime = min(lifetime, Double(expiry - issuedAt)) }
    // A server can return a token that it issued earlier. Only the remaining lifetime counts, by the server's clock if
    // known.
    return min(lifetime, Double(expiry) - presentTime(expiry, issuedAt))
  }

  /// The time by the clock of the server that issued the token. It is `Date`, unless the token agrees with this host's
  /// clock and not with `Date`. Then another host has written that, such as a proxy with a wrong clock.
  private func presentTime(_ expiry: Int64, _ issuedAt: Int64?) -> Double {
    guard let serverTime else { return receivedAt.unix }
    let stated = response.expiresIn.map { Double(expiry) - $0 } ?? issuedAt.map(Double.init)
    guard let stated else { return serverTime }
    let isByHost = abs(stated - receivedAt.unix) <= Self.tolerance && abs(stated - serverTime) > Self.tolerance
    return isByHost ? receivedAt.unix : serverTime
  }

  /// The difference of two clocks that count as the same, in seconds.
  private static let tolerance = 60.0

  /// The token's expiry by the server's clock, in seconds since 1970. It is `exp` of `body`, or else the result of
  /// `expires_in`.
  ///
  /// - Throws: `lifetime` if neither is known.
  func expiry(_ body: ClaimsBody) throws(AcquisitionFailure) -> Int64 {
    if let expiry = body.exp { return expiry }
    let lifetime = lifetime(expiry: nil, issuedAt: nil)
    guard lifetime.isFinite else {
      throw AcquisitionFailure(
        .lifetime, "the token has no lifetime: expires_in and exp are missing")
    }
    return Int64((serverTime ?? sentAt.unix) + lifetime)
  }

  /// Calls `check` with the present time.
  ///
  /// If a time claim fails and the skew exceeds the leeway, it calls `check` again with the server's time. The server
  /// issued the token by its own clock, and its `Date` came over the same TLS connection.
  func checkingTime<Result>(
    leeway: Duration, _ check: (Double) throws(VerificationFailure) -> Result
  ) throws(VerificationFailure) -> Result {
    do throws(VerificationFailure) {
      return try check(receivedAt.unix)
    } catch {
      guard error.isAboutTime, let skew, abs(skew.seconds) > leeway.seconds else { throw error }
      return try check(receivedAt.unix + skew.seconds)
    }
  }

  /// The claims for `verify = "none"`: the scope of the token response, and the earliest expiry in the response or the
  /// token. The token's own `exp` can only shorten the lifetime.
  func unverifiedClaims(_ request: TokenRequest) throws(AcquisitionFailure) -> AccessTokenClaims {
    let token = try? CompactToken(response.accessToken.withBytes { Array($0) })
    let claims = token.flatMap { try? TokenPart("claims set", $0.claims) }
    var body = ClaimsBody()
    body.exp = try? claims?.time("exp")
    body.iat = try? claims?.time("iat")
    let expiry = try expiry(body)
    do throws(VerificationFailure) {
      return try request.policy.check(unverified: body, grantedScope: response.scope, expiry: expiry)
    } catch {
      throw AcquisitionFailure(error, clockSkew: skew)
    }
  }

  /// The token with these claims, which `context` verified.
  func verifiedToken(
    _ claims: AccessTokenClaims, _ request: TokenRequest, metadata: ServerMetadata, keys: KeySet? = nil
  ) -> VerifiedToken {
    VerifiedToken(
      accessToken: response.accessToken, claims: claims, requestedAt: sentAt,
      lifetime: .seconds(lifetime(expiry: claims.expiry, issuedAt: claims.issuedAt)),
      scope: claims.scopes.isEmpty ? response.scope ?? request.scope : claims.scopes,
      skew: skew, clientAuthentication: clientAuthentication,
      context: VerificationContext(metadata: metadata, keys: keys))
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
