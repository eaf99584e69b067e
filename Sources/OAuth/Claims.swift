import Base

extension AccessTokenPolicy {
  /// Compares a token's claims with this policy. The signature must have been verified before.
  func check(
    _ body: ClaimsBody, header: TokenHeader, grantedScope: [String]?, unixTime: Double
  ) throws(VerificationFailure) -> AccessTokenClaims {
    guard let issuer = body.iss else { throw .missing("iss") }
    guard let expiry = body.exp else { throw .missing("exp") }
    try checkIssuer(issuer)
    try checkAudience(body.aud)
    try checkClient(body.clientID, claim: "client_id")
    try checkClient(body.azp, claim: "azp")
    try checkTimes(expiry: expiry, notBefore: body.nbf, issuedAt: body.iat, now: unixTime)
    let granted = try body.grantedScopes() ?? grantedScope ?? scopes
    try checkScopes(granted)
    return AccessTokenClaims(
      issuer: issuer, subject: body.sub, audience: body.aud ?? [], scopes: granted,
      clientID: body.clientID ?? body.azp, issuedAt: body.iat, notBefore: body.nbf, expiry: expiry, tokenID: body.jti,
      keyID: header.keyID, algorithm: header.algorithm, type: header.type)
  }

  /// Compares an introspection response with this policy (RFC 7662, 2.2). All members but `active` are optional there.
  /// Those that are present must match.
  ///
  /// - Parameter expiry: The token's expiry, `exp` if the response has it.
  func check(
    introspected body: ClaimsBody, grantedScope: [String]?, expiry: Int64, unixTime: Double
  ) throws(VerificationFailure) -> AccessTokenClaims {
    if let issuer = body.iss { try checkIssuer(issuer) }
    if let audience = body.aud { try checkAudience(audience) }
    try checkClient(body.clientID, claim: "client_id")
    try checkClient(body.azp, claim: "azp")
    try checkTimes(expiry: expiry, notBefore: body.nbf, issuedAt: body.iat, now: unixTime)
    return try accepted(body, body.grantedScopes() ?? grantedScope, expiry)
  }

  /// Compares the token response of an unverified token with this policy.
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
      issuer: issuer, subject: body.sub, audience: body.aud ?? [], scopes: granted,
      clientID: body.clientID ?? body.azp, issuedAt: body.iat, notBefore: body.nbf, expiry: expiry,
      tokenID: body.jti, keyID: nil, algorithm: nil, type: nil)
  }

  private func checkIssuer(_ issuer: String) throws(VerificationFailure) {
    let expected = accessTokenIssuer ?? self.issuer
    guard issuer.isExactly(expected) else {
      let setting = accessTokenIssuer == nil ? "issuer" : "access_token_issuer"
      throw VerificationFailure(
        .issuer,
        "the token's issuer is \(issuer.quotedForMessage), not \(expected.quotedForMessage): "
          + "they must be the same to the letter; "
          + "compare `\(setting)` in the configuration with the server's discovery document"
      )
    }
  }

  private func checkAudience(_ audience: [String]?) throws(VerificationFailure) {
    guard let audience, !audience.isEmpty else {
      guard !self.audience.isEmpty else { return }
      throw VerificationFailure(
        audience == nil ? .missingClaim("aud") : .audience,
        "the token has \(audience == nil ? "no" : "an empty") \"aud\" claim. "
          + "If the server's operator confirms this, set audience = []")
    }
    guard !self.audience.isEmpty else {
      throw VerificationFailure(
        .audience,
        "the token is for the audience \(audience.listedForMessage), and audience = [] accepts only tokens without "
          + "\"aud\": set `audience` to the API's name")
    }
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
      "the token was issued to the client \(client.quotedForMessage) (claim \(claim)), "
        + "not to \(clientID.quotedForMessage)"
    )
  }

  private func checkScopes(_ granted: [String]) throws(VerificationFailure) {
    let missing = scopes.filter { asked in !granted.contains { $0.isExactly(asked) } }
    guard !missing.isEmpty else { return }
    throw VerificationFailure(
      .scope(missing: missing),
      "the token lacks the scope \(missing.listedForMessage); granted is \(granted.listedForMessage): "
        + "allow the client that scope at the server, or remove it from `scope`")
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
    // If a time is not a number, each comparison rejects it.
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

/// The claims of an access token, before any of them was checked.
struct ClaimsBody {
  var iss: String?
  var sub: String?
  /// A single text as an array of one.
  var aud: [String]?
  /// Seconds since 1970, as all times here.
  var exp: Int64?
  var nbf: Int64?
  var iat: Int64?
  var jti: String?
  var scope: [String]?
  var scp: [String]?
  var clientID: String?
  var azp: String?

  /// No claims.
  init() {}

  init(_ part: TokenPart) throws(VerificationFailure) {
    iss = try part.text("iss")
    sub = part.label("sub")
    aud = try part.texts("aud")
    exp = try part.time("exp")
    nbf = try part.time("nbf")
    iat = try part.time("iat")
    jti = part.label("jti")
    scope = try part.texts("scope")
    scp = try part.texts("scp")
    clientID = try part.identifier("client_id")
    azp = try part.identifier("azp")
  }

  /// The scopes of `scope`, else of `scp`: names separated by spaces (RFC 6749 section 3.3), or an array of names.
  func grantedScopes() throws(VerificationFailure) -> [String]? {
    guard let texts = scope ?? scp else { return nil }
    guard let names = ScopeNames.parse(texts) else {
      throw VerificationFailure(.scopeSyntax, "the token has \(ScopeNames.fault)")
    }
    return names
  }
}
