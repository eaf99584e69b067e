/// What a token is asked for with: the client credentials grant (RFC 6749, 4.4.2).
public struct TokenRequest: Sendable {
  /// The client's name at the authorization server.
  public var clientID: String
  /// The client's secrets, the one to try first in front. On `invalid_client` the next is tried once.
  public var secrets: [Secret]
  /// The scopes to ask for; none are sent if it is empty.
  public var scope: [String]
  /// What the token must be to be published.
  public var policy: AccessTokenPolicy
  /// The longest that one HTTP exchange may take. An attempt, of several exchanges, may take twice this.
  public var timeout: Duration

  /// A request.
  public init(clientID: String, secrets: [Secret], scope: [String], policy: AccessTokenPolicy, timeout: Duration) {
    self.clientID = clientID
    self.secrets = secrets
    self.scope = scope
    self.policy = policy
    self.timeout = timeout
  }

  /// The longest that an attempt may take.
  public var attemptLimit: Duration { timeout * 2 }
}
