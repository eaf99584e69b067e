/// Whether a token is valid now, by the server's clock and without leeway.
struct TokenJudge {
  let state: ServerState
  /// The keys to use; nil for the published ones.
  var keys: [SigningKey]?

  struct Invalid: Error {
    /// One word for each fault, such as `expired` or `signature`.
    var reason: String
  }

  /// The claims of a valid token.
  /// - Throws: `Invalid`.
  func claims(of text: String) throws(Invalid) -> JSON {
    let isRevoked = state.withContents { $0.revoked.contains(text) }
    if isRevoked { throw Invalid(reason: "revoked") }
    let claims: JSON
    if let issued = opaque(text) {
      claims = issued
    } else {
      guard let token = CompactJWT(text) else { throw Invalid(reason: "malformed") }
      try checkSignature(of: token)
      claims = token.claims
    }
    let issuer = state.settings.accessTokenIssuer ?? state.issuer
    guard claims["iss"]?.string == issuer else { throw Invalid(reason: "issuer") }
    let now = state.now
    guard let end = CompactJWT.time(claims, "exp") else { throw Invalid(reason: "noExpiry") }
    guard end > now else { throw Invalid(reason: "expired") }
    guard (CompactJWT.time(claims, "nbf") ?? now) <= now else { throw Invalid(reason: "notYetValid") }
    return claims
  }

  private func opaque(_ text: String) -> JSON? {
    guard !text.contains(".") else { return nil }
    return state.withContents { contents in contents.issued.last { $0.text == text }?.claims }
  }

  private func checkSignature(of token: CompactJWT) throws(Invalid) {
    let type = token.header["typ"]?.string?.lowercased()
    guard type == "at+jwt" || type == "application/at+jwt" || type == "jwt" else { throw Invalid(reason: "type") }
    guard let keyID = token.header["kid"]?.string else { throw Invalid(reason: "noKeyID") }
    guard let key = (keys ?? state.keys.published).first(where: { $0.keyID == keyID }) else {
      throw Invalid(reason: "unknownKey")
    }
    // The key determines the algorithm, not the token (RFC 8725, section 3.1).
    guard token.header["alg"]?.string == key.algorithm.rawValue else { throw Invalid(reason: "algorithm") }
    guard key.isValid(signature: token.signature, for: token.signingInput) else { throw Invalid(reason: "signature") }
  }
}
