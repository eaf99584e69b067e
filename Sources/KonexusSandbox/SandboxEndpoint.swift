/// An endpoint of the sandbox.
public enum SandboxEndpoint: String, Sendable, Hashable, CaseIterable, Codable, CodingKeyRepresentable {
  /// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
  case discovery
  /// The key set, `jwks_uri`.
  case jwks
  /// The token endpoint, `/connect/token`.
  case token
  /// Token introspection (RFC 7662), `/connect/introspect`.
  case introspection
  /// Token revocation (RFC 7009), `/connect/revocation`.
  case revocation
  /// `POST /api/v2/alerts/defaults`.
  case alertDefaults
  /// `POST /api/v2/alerts/preview`.
  case alertPreview
  /// `POST /api/v2/alerts`, which sends an alert.
  case alerts
  /// `POST /api/v2/alerts/find`.
  case alertFind
  /// `GET /api/v2/alerts/{id}/status`.
  case alertStatus
  /// The rest of the resource server: everything else under `/api/`.
  case api
  /// Any other path; the answer is 404.
  case other
}
