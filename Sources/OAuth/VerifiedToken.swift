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
