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
