public import Base

/// A token request by the client credentials grant (RFC 6749, 4.4.2).
public struct TokenRequest: Sendable {
  /// The client identifier.
  public var clientID: String
  /// The credentials for client authentication.
  public var credentials: ClientCredentials
  /// The requested scopes. If empty, no `scope` is sent.
  public var scope: [String]
  /// Further parameters in their order, for example `resource` (RFC 8707), which can occur more than once, and
  /// `audience`.
  public var parameters: [(name: String, value: String)]
  /// Values of `parameters` that no message can show.
  public var confidential: [Secret]
  /// The accepted values of `token_type` in the token response, beside `Bearer`. An empty list accepts a response
  /// without it, or with an empty one.
  public var tokenTypes: [String]
  /// The client that introspects the token, such as the API; nil if the client itself does.
  public var introspectionClient: AuthenticatedClient?
  /// The verification of the token.
  public var verification: TokenVerification
  /// The requirements for the token.
  public var policy: AccessTokenPolicy
  /// The limit for one HTTP exchange. An attempt of several exchanges can take twice as long.
  public var timeout: Duration

  /// Makes a request.
  public init(
    clientID: String, credentials: ClientCredentials, scope: [String], parameters: [(name: String, value: String)] = [],
    confidential: [Secret] = [], tokenTypes: [String] = [TokenType.bearer], verification: TokenVerification = .jwt,
    policy: AccessTokenPolicy, timeout: Duration
  ) {
    self.clientID = clientID
    self.credentials = credentials
    self.scope = scope
    self.parameters = parameters
    self.confidential = confidential
    self.tokenTypes = tokenTypes
    self.verification = verification
    self.policy = policy
    self.timeout = timeout
  }

  /// The limit for an attempt.
  public var attemptLimit: Duration { timeout * 2 }

  /// Whether both requests authenticate with the same secrets and keys.
  public func authenticates(like other: TokenRequest) -> Bool {
    zip([client, introspectionClient], [other.client, other.introspectionClient]).allSatisfy { mine, others in
      guard let mine, let others else { return mine == nil && others == nil }
      return mine.credentials.areEqual(to: others.credentials)
    }
  }

  /// The client that requests the token.
  var client: AuthenticatedClient { AuthenticatedClient(id: clientID, credentials: credentials) }

  /// The warnings about certificates of client assertions that expire soon, or have expired.
  ///
  /// - Parameter unixTime: The present in seconds since 1970.
  public func certificateWarnings(unixTime: Double) -> [String] {
    [credentials, introspectionClient?.credentials].compactMap { $0?.key?.certificateWarning(unixTime: unixTime) }
  }
}

/// The verification of a token before it is published: `verify`.
public enum TokenVerification: String, CaseIterable, Hashable, Sendable, Codable {
  /// Signature and claims of a JWT (RFC 9068, RFC 8725).
  case jwt
  /// Introspection by the server (RFC 7662).
  case introspection
  /// None. Any token that the token endpoint issues over its verified TLS connection is published.
  case none
}

/// The requirements for an access token.
public struct AccessTokenPolicy: Hashable, Sendable, Codable {
  /// The issuer. `iss` must equal it, code point by code point (RFC 8414 section 2, RFC 9068 section 4), unless
  /// `accessTokenIssuer` is set.
  public var issuer: String
  /// The `iss` that tokens must have if the server does not use its issuer there, as AD FS: `access_token_issuer`.
  public var accessTokenIssuer: String?
  /// At least one of these must be in `aud`. An empty list accepts only a token without `aud`. A token with `aud` is
  /// for another API, or the setting of the audience is missing.
  public var audience: [String]
  /// The client identifier. `client_id` and `azp` must equal it if the token has them.
  public var clientID: String
  /// All of these must be granted.
  public var scopes: [String]
  /// Whether `typ` must be `at+jwt` (RFC 9068 section 2.1). Otherwise `JWT` and a missing `typ` are also accepted.
  public var requiresAccessTokenType: Bool
  /// The accepted clock skew for `exp`, `nbf` and `iat`.
  public var leeway: Duration

  /// Makes a policy.
  public init(
    issuer: String, accessTokenIssuer: String? = nil, audience: [String], clientID: String, scopes: [String],
    requiresAccessTokenType: Bool = false, leeway: Duration = .seconds(60)
  ) {
    self.issuer = issuer
    self.accessTokenIssuer = accessTokenIssuer
    self.audience = audience
    self.clientID = clientID
    self.scopes = scopes
    self.requiresAccessTokenType = requiresAccessTokenType
    self.leeway = leeway
  }
}
