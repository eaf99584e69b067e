public import Base

/// A verified access token, and all that is known of it.
public struct VerifiedToken: Sendable {
  /// The token, as it goes into an `Authorization: Bearer` header.
  public var accessToken: Secret
  /// What was verified.
  public var claims: AccessTokenClaims
  /// When the request that brought it was sent: its life is counted from here.
  public var requestedAt: Moment
  /// How long it lives from `requestedAt`: the smallest of `expires_in`, `exp - iat` and `exp` less the server's `Date`.
  public var lifetime: Duration
  /// The granted scopes.
  public var scope: [String]
  /// How far the server's clock is ahead of this host's; `nil` if the server does not tell, positive if it is ahead. Good to a second.
  public var skew: Duration?
  /// By what the server knew the client.
  public var clientAuthentication: ClientAuthentication
  /// What the server said of itself, and the keys that verified the token, if it was verified by keys: enough to verify it again after a restart.
  public var context: VerificationContext

  /// A grant of the given parts.
  public init(
    accessToken: Secret, claims: AccessTokenClaims, requestedAt: Moment, lifetime: Duration, scope: [String],
    skew: Duration?, clientAuthentication: ClientAuthentication, context: VerificationContext
  ) {
    self.accessToken = accessToken
    self.claims = claims
    self.requestedAt = requestedAt
    self.lifetime = lifetime
    self.scope = scope
    self.skew = skew
    self.clientAuthentication = clientAuthentication
    self.context = context
  }
}

/// What a token was verified with.
public struct VerificationContext: Hashable, Sendable, Codable {
  /// The discovery document.
  public var metadata: ServerMetadata
  /// The server's keys; `nil` for a token that was not verified by them.
  public var keys: KeySet?

  /// A context of the given parts.
  public init(metadata: ServerMetadata, keys: KeySet?) {
    self.metadata = metadata
    self.keys = keys
  }
}
