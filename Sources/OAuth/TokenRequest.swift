public import Base

/// What a token is asked for with: the client credentials grant (RFC 6749, 4.4.2).
public struct TokenRequest: Sendable {
  /// The client's name at the authorization server.
  public var clientID: String
  /// What it proves itself with.
  public var credentials: ClientCredentials
  /// The scopes to ask for; none are sent if it is empty.
  public var scope: [String]
  /// Further parameters in their order: `resource` (RFC 8707), which may come more than once, `audience`, and whatever the server wants.
  public var parameters: [(name: String, value: String)]
  /// Values among `parameters` that no message may show.
  public var confidential: [Secret]
  /// How the token is verified.
  public var verification: TokenVerification
  /// What the token must be to be published.
  public var policy: AccessTokenPolicy
  /// The longest that one HTTP exchange may take. An attempt, of several exchanges, may take twice this.
  public var timeout: Duration

  /// A request.
  public init(
    clientID: String, credentials: ClientCredentials, scope: [String], parameters: [(name: String, value: String)] = [],
    confidential: [Secret] = [], verification: TokenVerification = .jwt, policy: AccessTokenPolicy, timeout: Duration
  ) {
    self.clientID = clientID
    self.credentials = credentials
    self.scope = scope
    self.parameters = parameters
    self.confidential = confidential
    self.verification = verification
    self.policy = policy
    self.timeout = timeout
  }

  /// The longest that an attempt may take.
  public var attemptLimit: Duration { timeout * 2 }
}

/// How a token is verified before it is published: `verify`.
public enum TokenVerification: String, CaseIterable, Hashable, Sendable, Codable {
  /// Signature and claims of a JWT (RFC 9068, RFC 8725).
  case jwt
  /// The server is asked (RFC 7662).
  case introspection
  /// Not at all: whatever the token endpoint hands out over its verified TLS connection is published.
  case none
}

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
