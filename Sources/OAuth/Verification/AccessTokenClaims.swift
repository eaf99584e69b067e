/// What a verified access token says (RFC 7519 section 4.1, RFC 9068 section 2.2). Texts are as the token has them: escape them for people.
public struct AccessTokenClaims: Hashable, Sendable, Codable {
  /// `iss`.
  public let issuer: String
  /// `sub`.
  public let subject: String?
  /// `aud`, a single one as an array of one; empty if an introspection does not tell.
  public let audience: [String]
  /// The granted scopes: the claim `scope` or `scp`, else the `scope` of the token response, else those asked for (RFC 6749 section 5.1).
  public let scopes: [String]
  /// `client_id`, else `azp`.
  public let clientID: String?
  /// `iat` in seconds since 1970.
  public let issuedAt: Int64?
  /// `nbf` in seconds since 1970.
  public let notBefore: Int64?
  /// `exp` in seconds since 1970; for an opaque token of which nobody told it, what `expires_in` comes to.
  public let expiry: Int64
  /// `jti`.
  public let tokenID: String?
  /// The header's `kid`.
  public let keyID: String?
  /// The header's `alg`; `nil` for a token that was not verified by its signature.
  public let algorithm: SignatureAlgorithm?
  /// The header's `typ`.
  public let type: String?

  /// How long the token lives by its issuer's own clock: `exp - iat`, always above zero. Nil without an `iat`.
  public var lifetime: Duration? { issuedAt.map { .seconds(expiry - $0) } }
}
