public import Base
import FoundationEssentials
import HTTP

/// The metadata of an authorization server: OpenID Connect Discovery 1.0, 3, and RFC 8414, 2. Only the members that are
/// used here.
public struct ServerMetadata: Hashable, Sendable, Codable {
  /// The issuer identifier. It must equal the configured one exactly.
  public var issuer: String
  /// The token endpoint.
  public var tokenEndpoint: String
  /// The URL of the key set.
  public var jwksURI: String?
  /// The introspection endpoint (RFC 7662).
  public var introspectionEndpoint: String?
  /// The revocation endpoint (RFC 7009).
  public var revocationEndpoint: String?
  /// The scopes that the server announces. The list can be incomplete.
  public var scopesSupported: [String]?
  /// The grant types that the server announces. Some servers omit `client_credentials` and accept it.
  public var grantTypesSupported: [String]?
  /// The client authentication methods of the token endpoint. Absent means `client_secret_basic` (RFC 8414, 2).
  public var tokenEndpointAuthMethodsSupported: [String]?
  /// The client authentication methods of the introspection endpoint, if named (RFC 8414, 2).
  public var introspectionEndpointAuthMethodsSupported: [String]?
  /// The client authentication methods of the revocation endpoint, if named (RFC 8414, 2).
  public var revocationEndpointAuthMethodsSupported: [String]?
  /// The algorithms of client assertions (RFC 8414, 2).
  public var tokenEndpointAuthSigningAlgValuesSupported: [String]?
  /// The endpoints for clients that authenticate by certificate (RFC 8705, 5).
  public var mtlsEndpointAliases: MutualTLSAliases?
  /// The `iss` of access tokens, which AD FS announces if it is not the issuer. It is used only in messages. The
  /// setting of this name decides.
  public var accessTokenIssuer: String?

  /// RFC 8705, 5.
  public struct MutualTLSAliases: Hashable, Sendable, Codable {
    /// The token endpoint for clients that authenticate by certificate.
    public var tokenEndpoint: String?
    /// The introspection endpoint for such clients (RFC 7662).
    public var introspectionEndpoint: String?
    /// The revocation endpoint for such clients (RFC 7009).
    public var revocationEndpoint: String?

    enum CodingKeys: String, CodingKey {
      case tokenEndpoint = "token_endpoint"
      case introspectionEndpoint = "introspection_endpoint"
      case revocationEndpoint = "revocation_endpoint"
    }
  }

  enum CodingKeys: String, CodingKey {
    case issuer
    case tokenEndpoint = "token_endpoint"
    case jwksURI = "jwks_uri"
    case introspectionEndpoint = "introspection_endpoint"
    case revocationEndpoint = "revocation_endpoint"
    case scopesSupported = "scopes_supported"
    case grantTypesSupported = "grant_types_supported"
    case tokenEndpointAuthMethodsSupported = "token_endpoint_auth_methods_supported"
    case introspectionEndpointAuthMethodsSupported = "introspection_endpoint_auth_methods_supported"
    case revocationEndpointAuthMethodsSupported = "revocation_endpoint_auth_methods_supported"
    case tokenEndpointAuthSigningAlgValuesSupported = "token_endpoint_auth_signing_alg_values_supported"
    case mtlsEndpointAliases = "mtls_endpoint_aliases"
    case accessTokenIssuer = "access_token_issuer"
  }
}

extension ServerMetadata {
  /// Reads the members. An optional member of a wrong type is ignored.
  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      issuer: try members.decode(String.self, forKey: .issuer),
      tokenEndpoint: (try? members.decode(String.self, forKey: .tokenEndpoint)) ?? "",
      jwksURI: try members.decodeIfPresent(String.self, forKey: .jwksURI),
      introspectionEndpoint: try? members.decode(String.self, forKey: .introspectionEndpoint),
      revocationEndpoint: try? members.decode(String.self, forKey: .revocationEndpoint),
      scopesSupported: try? members.decode([String].self, forKey: .scopesSupported),
      grantTypesSupported: try? members.decode([String].self, forKey: .grantTypesSupported),
      tokenEndpointAuthMethodsSupported: try? members.decode([String].self, forKey: .tokenEndpointAuthMethodsSupported),
      introspectionEndpointAuthMethodsSupported: try? members.decode(
        [String].self, forKey: .introspectionEndpointAuthMethodsSupported),
      revocationEndpointAuthMethodsSupported: try? members.decode(
        [String].self, forKey: .revocationEndpointAuthMethodsSupported),
      tokenEndpointAuthSigningAlgValuesSupported: try? members.decode(
        [String].self, forKey: .tokenEndpointAuthSigningAlgValuesSupported),
      mtlsEndpointAliases: try? members.decode(MutualTLSAliases.self, forKey: .mtlsEndpointAliases),
      accessTokenIssuer: try? members.decode(String.self, forKey: .accessTokenIssuer))
  }

  /// Reads the discovery document of `issuer`.
  ///
  /// Endpoints must be https (RFC 6749, 3.2 and RFC 8414, 2). If `issuer` itself is plain http on this host, they can
  /// be http too. An unsafe endpoint for introspection or revocation is treated as absent.
  /// - Parameters:
  ///   - locations: The addresses that replace the document's.
  ///   - location: The document's URL, for messages.
  /// - Throws: `malformedAnswer`, `discoveryIncomplete`, `issuerMismatch` or `insecureEndpoint`.
  public init(
    parsing document: [UInt8], issuer: String, locations: ServerLocations = ServerLocations(),
    at location: String? = nil
  ) throws(AcquisitionFailure) {
    let malformed = AcquisitionFailure(
      .malformedAnswer, "the discovery document of \(issuer) is not a JSON object of the expected form")
    guard let json = try? StrictJSON(document: document) else { throw malformed }
    if let duplicate = json.duplicate {
      throw AcquisitionFailure(
        .malformedAnswer,
        "the discovery document of \(issuer) holds \(Printable.quoted(duplicate)) twice in one object")
    }
    guard let named = json["issuer"] else {
      throw AcquisitionFailure(.discoveryIncomplete, "the discovery document of \(issuer) lacks issuer")
    }
    let tokenEndpoint = json["token_endpoint"]
    guard tokenEndpoint != nil || locations.tokenEndpoint != nil else {
      throw .lacking("token_endpoint", issuer: issuer)
    }
    guard let named = named.text, tokenEndpoint?.text != nil || locations.tokenEndpoint != nil else { throw malformed }
    guard named.isExactly(issuer) else {
      throw AcquisitionFailure(
        .issuerMismatch,
        "the server at \(locations.discovery ?? issuer) calls itself \(Printable.quoted(named)), "
          + "which is not the same text as \(Printable.quoted(issuer))"
      ).adding(SettingAdvice.issuer(named, at: location))
    }
    guard let whole = try? JSONDecoder().decode(ServerMetadata.self, from: Data(document)) else { throw malformed }
    self = whole
    replace(by: locations)
    try requireSecure(self.tokenEndpoint, member: "token_endpoint")
    if let jwksURI { try requireSecure(jwksURI, member: "jwks_uri") }
    introspectionEndpoint = fit(introspectionEndpoint)
    revocationEndpoint = fit(revocationEndpoint)
    if let aliases = mtlsEndpointAliases {
      mtlsEndpointAliases = MutualTLSAliases(
        tokenEndpoint: fit(aliases.tokenEndpoint), introspectionEndpoint: fit(aliases.introspectionEndpoint),
        revocationEndpoint: fit(aliases.revocationEndpoint))
    }
  }

  /// Uses the addresses of the settings. Such an address also replaces the alias for clients with a certificate.
  private mutating func replace(by locations: ServerLocations) {
    jwksURI = locations.jwksURI ?? jwksURI
    if let url = locations.tokenEndpoint {
      tokenEndpoint = url
      mtlsEndpointAliases?.tokenEndpoint = nil
    }
    if let url = locations.introspectionEndpoint {
      introspectionEndpoint = url
      mtlsEndpointAliases?.introspectionEndpoint = nil
    }
    if let url = locations.revocationEndpoint {
      revocationEndpoint = url
      mtlsEndpointAliases?.revocationEndpoint = nil
    }
  }

  private func fit(_ endpoint: String?) -> String? {
    endpoint.flatMap { isFit($0) ? $0 : nil }
  }

  /// Whether secrets can be sent to the URL. A remote issuer must not name an http://localhost endpoint, because an
  /// unrelated local process could receive the secret.
  private func isFit(_ endpoint: String) -> Bool {
    guard let endpoint = try? Endpoint(endpoint) else { return false }
    return endpoint.isSecure || (try? Endpoint(issuer))?.isSecure == false
  }

  /// The URL of the key set.
  ///
  /// - Throws: `discoveryIncomplete` if the document has none.
  var keyLocation: String {
    get throws(AcquisitionFailure) {
      guard let jwksURI else { throw .lacking("jwks_uri", issuer: issuer) }
      return jwksURI
    }
  }

  private func requireSecure(_ endpoint: String, member: String) throws(AcquisitionFailure) {
    guard isFit(endpoint) else {
      throw AcquisitionFailure(
        .insecureEndpoint,
        "the discovery document of \(issuer) has \(member) \(Printable.quoted(endpoint)), which is not an https URL")
    }
  }

  /// The possible URLs of an issuer's discovery document. The first is that of OpenID Connect. The second is that of
  /// RFC 8414, 3.1, with the well-known part between host and path. An issuer's trailing slash does not become a double
  /// slash.
  public static func locations(of issuer: String) -> [String] {
    let trimmed = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
    let openID = trimmed + "/.well-known/openid-configuration"
    guard let scheme = trimmed.firstRange(of: "://") else { return [openID] }
    let host = trimmed[scheme.upperBound...].prefix { $0 != "/" }
    let path = trimmed[host.endIndex...]
    return [openID, trimmed[..<host.endIndex] + "/.well-known/oauth-authorization-server" + path]
  }

  /// The token endpoint. A client with a certificate uses the alias, if there is one (RFC 8705, 5).
  package func tokenEndpoint(byCertificate: Bool) -> String {
    (byCertificate ? mtlsEndpointAliases?.tokenEndpoint : nil) ?? tokenEndpoint
  }

  /// The introspection endpoint, or its alias.
  package func introspectionEndpoint(byCertificate: Bool) -> String? {
    (byCertificate ? mtlsEndpointAliases?.introspectionEndpoint : nil) ?? introspectionEndpoint
  }

  /// The revocation endpoint, or its alias.
  package func revocationEndpoint(byCertificate: Bool) -> String? {
    (byCertificate ? mtlsEndpointAliases?.revocationEndpoint : nil) ?? revocationEndpoint
  }

  /// Whether the introspection endpoint differs from that of `other`.
  func introspectsElsewhere(than other: ServerMetadata) -> Bool {
    introspectionEndpoint != other.introspectionEndpoint
      || mtlsEndpointAliases?.introspectionEndpoint != other.mtlsEndpointAliases?.introspectionEndpoint
  }

  /// Whether the token endpoint differs from that of `other`.
  func asksElsewhere(than other: ServerMetadata) -> Bool {
    tokenEndpoint != other.tokenEndpoint
      || mtlsEndpointAliases?.tokenEndpoint != other.mtlsEndpointAliases?.tokenEndpoint
  }
}
