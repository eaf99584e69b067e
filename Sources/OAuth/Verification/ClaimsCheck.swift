import Base

extension AccessTokenPolicy {
  /// Compares a token's claims with this policy. The signature must have been verified before.
  func check(
    _ body: ClaimsBody, header: TokenHeader, grantedScope: [String]?, unixTime: Double
  ) throws(VerificationFailure) -> AccessTokenClaims {
    guard let issuer = body.iss else { throw .missing("iss") }
    guard let audience = body.aud?.values else { throw .missing("aud") }
    guard let expiry = body.exp?.seconds else { throw .missing("exp") }
    try checkIssuer(issuer)
    try checkAudience(audience)
    try checkClient(body.clientID, claim: "client_id")
    try checkClient(body.azp, claim: "azp")
    try checkTimes(expiry: expiry, notBefore: body.nbf?.seconds, issuedAt: body.iat?.seconds, now: unixTime)
    let granted = try body.grantedScopes() ?? grantedScope ?? scopes
    try checkScopes(granted)
    return AccessTokenClaims(
      issuer: issuer, subject: body.sub, audience: audience, scopes: granted, clientID: body.clientID ?? body.azp,
      issuedAt: body.iat?.seconds, notBefore: body.nbf?.seconds, expiry: expiry, tokenID: body.jti,
      keyID: header.keyID, algorithm: header.algorithm, type: header.type)
  }

  /// Compares with this policy what the server says of its token (RFC 7662, 2.2). All but `active` is optional there: what is told must be right.
  ///
  /// - Parameter expiry: when the token ends, `exp` if it is told.
  func check(
    introspected body: ClaimsBody, grantedScope: [String]?, expiry: Int64, unixTime: Double
  ) throws(VerificationFailure) -> AccessTokenClaims {
    if let issuer = body.iss { try checkIssuer(issuer) }
    if let audience = body.aud?.values { try checkAudience(audience) }
    try checkClient(body.clientID, claim: "client_id")
    try checkClient(body.azp, claim: "azp")
    try checkTimes(expiry: expiry, notBefore: body.nbf?.seconds, issuedAt: body.iat?.seconds, now: unixTime)
    return try accepted(body, body.grantedScopes() ?? grantedScope, expiry)
  }

  /// Compares with this policy what the token endpoint said of a token that is not verified.
  func check(
    unverified body: ClaimsBody, grantedScope: [String]?, expiry: Int64
  ) throws(VerificationFailure) -> AccessTokenClaims {
    try accepted(body, grantedScope, expiry)
  }

  private func accepted(
    _ body: ClaimsBody, _ told: [String]?, _ expiry: Int64
  ) throws(VerificationFailure) -> AccessTokenClaims {
    let granted = told ?? scopes
    try checkScopes(granted)
    return AccessTokenClaims(
      issuer: issuer, subject: body.sub, audience: body.aud?.values ?? [], scopes: granted,
      clientID: body.clientID ?? body.azp, issuedAt: body.iat?.seconds, notBefore: body.nbf?.seconds, expiry: expiry,
      tokenID: body.jti, keyID: nil, algorithm: nil, type: nil)
  }

  private func checkIssuer(_ issuer: String) throws(VerificationFailure) {
    guard issuer.isExactly(self.issuer) else {
      throw VerificationFailure(
        .issuer,
        "the token's issuer is \(issuer.quotedForMessage), not \(self.issuer.quotedForMessage): "
          + "they must be the same to the letter; compare `issuer` in the configuration with the server's discovery document"
      )
    }
  }

  private func checkAudience(_ audience: [String]) throws(VerificationFailure) {
    guard audience.contains(where: { named in self.audience.contains { $0.isExactly(named) } }) else {
      throw VerificationFailure(
        .audience,
        "the token is for the audience \(audience.listedForMessage), not for \(self.audience.listedForMessage): "
          + "set `audience` to the API's name, or ask for another `scope`")
    }
  }

  private func checkClient(_ client: String?, claim: String) throws(VerificationFailure) {
    guard let client, !client.isExactly(clientID) else { return }
    throw VerificationFailure(
      .clientID,
      "the token was issued to the client \(client.quotedForMessage) (claim \(claim)), not to \(clientID.quotedForMessage)"
    )
  }

  private func checkScopes(_ granted: [String]) throws(VerificationFailure) {
    let missing = scopes.filter { asked in !granted.contains { $0.isExactly(asked) } }
    guard !missing.isEmpty else { return }
    throw VerificationFailure(
      .scope(missing: missing),
      "the token lacks the scope \(missing.listedForMessage); granted is \(granted.listedForMessage): "
        + "have the client be allowed that scope at the server, or take it out of `scope`")
  }

  private func checkTimes(
    expiry: Int64, notBefore: Int64?, issuedAt: Int64?, now: Double
  ) throws(VerificationFailure) {
    for (start, name) in [(issuedAt, "iat"), (notBefore, "nbf")] {
      if let start, expiry <= start {
        throw VerificationFailure(
          .malformed, "the token ends (exp \(expiry)) no later than it begins (\(name) \(start))")
      }
    }
    let leeway = self.leeway / .seconds(1)
    // Each comparison is written so that a time that is not a number accepts nothing.
    guard now - leeway < Double(expiry) else {
      let seconds = Self.wholeSeconds(now - Double(expiry))
      throw VerificationFailure(
        .expired(by: seconds),
        "the token expired \(seconds) s ago by this host's clock (exp \(Timestamp.rfc3339(Double(expiry)))), "
          + "more than the leeway of \(Self.wholeSeconds(leeway)) s: \(Self.clockHint)")
    }
    for (start, name) in [(notBefore, "nbf"), (issuedAt, "iat")] {
      guard let start else { continue }
      guard now + leeway >= Double(start) else {
        let seconds = Self.wholeSeconds(Double(start) - now)
        throw VerificationFailure(
          .notYetValid(by: seconds),
          "the token is not valid for another \(seconds) s by this host's clock "
            + "(\(name) \(Timestamp.rfc3339(Double(start)))), "
            + "more than the leeway of \(Self.wholeSeconds(leeway)) s: \(Self.clockHint)")
      }
    }
  }

  private static let clockHint = "compare this host's clock (`timedatectl`) with the server's"

  private static func wholeSeconds(_ seconds: Double) -> Int64 {
    Int64(exactly: seconds.rounded(.towardZero)) ?? .max
  }
}

extension [String] {
  /// These texts, quoted, at most five of them.
  fileprivate var listedForMessage: String {
    guard !isEmpty else { return "(none)" }
    let shown = prefix(5).map(\.quotedForMessage).joined(separator: ", ")
    return count > 5 ? "\(shown) and \(count - 5) more" : shown
  }
}

extension VerificationFailure {
  fileprivate static func missing(_ claim: String) -> Self {
    VerificationFailure(.missingClaim(claim), "the token has no claim \"\(claim)\"")
  }
}
