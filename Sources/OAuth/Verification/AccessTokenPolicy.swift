/// What an access token must say to be accepted.
public struct AccessTokenPolicy: Hashable, Sendable, Codable {
  /// The issuer: `iss` must be this, code point for code point (RFC 8414 section 2, RFC 9068 section 4).
  public var issuer: String
  /// At least one of these must be in `aud`. Empty, it accepts no token.
  public var audience: [String]
  /// The client's own identifier: `client_id` and `azp`, where the token has them, must be this.
  public var clientID: String
  /// All of these must be granted.
  public var scopes: [String]
  /// Whether `typ` must be `at+jwt` (RFC 9068 section 2.1). Otherwise `JWT` and a missing `typ` do as well.
  public var requiresAccessTokenType: Bool
  /// By how much this host's clock may differ from the server's when `exp`, `nbf` and `iat` are compared with it.
  public var leeway: Duration

  /// A policy; see the properties.
  public init(
    issuer: String, audience: [String], clientID: String, scopes: [String], requiresAccessTokenType: Bool = false,
    leeway: Duration = .seconds(60)
  ) {
    self.issuer = issuer
    self.audience = audience
    self.clientID = clientID
    self.scopes = scopes
    self.requiresAccessTokenType = requiresAccessTokenType
    self.leeway = leeway
  }
}
