/// How a token is verified before it is published: `verify`.
public enum TokenVerification: String, CaseIterable, Hashable, Sendable, Codable {
  /// Signature and claims of a JWT (RFC 9068, RFC 8725).
  case jwt
  /// The server is asked (RFC 7662).
  case introspection
  /// Not at all: whatever the token endpoint hands out over its verified TLS connection is published.
  case none
}
