/// How the daemon proves to the token endpoint that it is the client: `client_auth`.
public enum ClientAuthenticationMethod: String, CaseIterable, Hashable, Sendable, Codable {
  /// The best of what the settings have the means for and the server's metadata names.
  case auto
  /// The secret in the request's body (RFC 6749, 2.3.1), as Konexus documents it.
  case post = "client_secret_post"
  /// The secret in an `Authorization: Basic` header (RFC 6749, 2.3.1).
  case basic = "client_secret_basic"
  /// An assertion signed with the client's key (RFC 7523, 2.2).
  case privateKeyJWT = "private_key_jwt"
  /// A certificate that an authority vouches for (RFC 8705, 2.1).
  case tls = "tls_client_auth"
  /// A certificate that the server knows as such (RFC 8705, 2.2).
  case selfSignedTLS = "self_signed_tls_client_auth"
}

/// How client_id and secret are written into an `Authorization: Basic` header: `basic_encoding`.
public enum BasicEncoding: String, CaseIterable, Hashable, Sendable, Codable {
  /// As RFC 6749 says, and on `invalid_client` once the other way.
  case auto
  /// Form-encoded first (RFC 6749, 2.3.1).
  case rfc6749
  /// As they are, as several servers expect against the RFC.
  case raw
}

/// The `aud` of a client assertion: `assertion_audience`.
public enum AssertionAudience: String, CaseIterable, Hashable, Sendable, Codable {
  /// The token endpoint's URL (RFC 7523, 3).
  case tokenEndpoint = "token_endpoint"
  /// The issuer.
  case issuer
}
