public import Base

/// A verified access token with its data.
public struct VerifiedToken: Sendable {
  /// The token for an `Authorization: Bearer` header.
  public var accessToken: Secret
  /// The verified claims.
  public var claims: AccessTokenClaims
  /// The time at which its request was sent. The lifetime counts from here.
  public var requestedAt: Moment
  /// The lifetime from `requestedAt`: the smallest of `expires_in`, `exp - iat` and `exp` minus the server's time.
  public var lifetime: Duration
  /// The granted scopes.
  public var scope: [String]
  /// How far the server's clock is ahead of this host's, to a second; nil if the server states no time.
  public var skew: Duration?
  /// The client authentication that the server accepted.
  public var clientAuthentication: ClientAuthentication
  /// The metadata, and the keys if they verified the token. This is enough to verify it again after a restart.
  public var context: VerificationContext

  /// Makes a verified token.
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

/// The verification context of a token.
public struct VerificationContext: Hashable, Sendable, Codable {
  /// The discovery document.
  public var metadata: ServerMetadata
  /// The server's keys; nil for a token that they did not verify.
  public var keys: KeySet?
  /// The time at which the older of both was read from the server; nil if it is unknown.
  public var readAt: BootTime?

  /// Makes a context.
  public init(metadata: ServerMetadata, keys: KeySet?, readAt: BootTime? = nil) {
    self.metadata = metadata
    self.keys = keys
    self.readAt = readAt
  }
}

/// The claims of a verified access token (RFC 7519 section 4.1, RFC 9068 section 2.2). Texts are as in the token.
/// Escape them for display.
public struct AccessTokenClaims: Hashable, Sendable, Codable {
  /// `iss`.
  public let issuer: String
  /// `sub`. A number as it is written.
  public let subject: String?
  /// `aud`, a single text as an array of one. Empty if there is none.
  public let audience: [String]
  /// The granted scopes: the claim `scope` or `scp`, else the `scope` of the token response, else the requested scopes
  /// (RFC 6749 section 5.1).
  public let scopes: [String]
  /// `client_id`, else `azp`.
  public let clientID: String?
  /// `iat` in seconds since 1970.
  public let issuedAt: Int64?
  /// `nbf` in seconds since 1970.
  public let notBefore: Int64?
  /// `exp` in seconds since 1970. For an opaque token without a known `exp`, the result of `expires_in`.
  public let expiry: Int64
  /// `jti`. A number as it is written.
  public let tokenID: String?
  /// The header's `kid`.
  public let keyID: String?
  /// The header's `alg`; nil for a token that was not verified by its signature.
  public let algorithm: SignatureAlgorithm?
  /// The header's `typ`.
  public let type: String?

  /// The lifetime by the issuer's clock: `exp - iat`, always above zero. Nil without `iat`.
  public var lifetime: Duration? { issuedAt.map { .seconds(expiry - $0) } }
}
