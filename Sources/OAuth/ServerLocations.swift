/// The addresses of a server that the settings give. Each replaces what the server's discovery document has.
///
/// They are for servers whose document is incomplete, or names addresses that this host cannot reach.
public struct ServerLocations: Hashable, Sendable, Codable {
  /// The URL of the discovery document: `discovery_url`. Its `issuer` is compared nevertheless.
  public var discovery: String?
  /// `token_endpoint` (RFC 8414, 2).
  public var tokenEndpoint: String?
  /// `jwks_uri` (RFC 8414, 2).
  public var jwksURI: String?
  /// `introspection_endpoint` (RFC 8414, 2).
  public var introspectionEndpoint: String?
  /// `revocation_endpoint` (RFC 8414, 2).
  public var revocationEndpoint: String?

  /// No address is set. All are those of the discovery document, at the place that OpenID Connect and RFC 8414 define.
  public init() {}

  /// The addresses that are set, by the names of their settings.
  public var named: [(name: String, url: String)] {
    [
      ("discovery_url", discovery), ("token_endpoint", tokenEndpoint), ("jwks_uri", jwksURI),
      ("introspection_endpoint", introspectionEndpoint), ("revocation_endpoint", revocationEndpoint),
    ].compactMap { name, url in url.map { (name, $0) } }
  }
}
