public import Base
import FoundationEssentials
import HTTP

/// What an authorization server says of itself: OpenID Connect Discovery 1.0, 3, and RFC 8414, 2. Only the members that are used here.
public struct ServerMetadata: Hashable, Sendable, Codable {
  /// The server's own name; must equal the configured one to the letter.
  public var issuer: String
  /// Where tokens are asked for.
  public var tokenEndpoint: String
  /// Where the server's public keys are.
  public var jwksURI: String?
  /// Where a token can be inspected (RFC 7662).
  public var introspectionEndpoint: String?
  /// Where a token can be revoked (RFC 7009).
  public var revocationEndpoint: String?
  /// The scopes that the server makes known; may be incomplete.
  public var scopesSupported: [String]?
  /// The grants that it makes known; some servers leave `client_credentials` out and grant it all the same.
  public var grantTypesSupported: [String]?
  /// How clients may authenticate at the token endpoint; absent means `client_secret_basic` (RFC 8414, 2).
  public var tokenEndpointAuthMethodsSupported: [String]?
  /// How clients may authenticate where tokens are introspected, if the server tells (RFC 8414, 2).
  public var introspectionEndpointAuthMethodsSupported: [String]?
  /// How clients may authenticate where tokens are revoked, if the server tells (RFC 8414, 2).
  public var revocationEndpointAuthMethodsSupported: [String]?
  /// What client assertions may be signed by (RFC 8414, 2).
  public var tokenEndpointAuthSigningAlgValuesSupported: [String]?
  /// The endpoints for clients that authenticate by certificate (RFC 8705, 5).
  public var mtlsEndpointAliases: MutualTLSAliases?

  /// RFC 8705, 5.
  public struct MutualTLSAliases: Hashable, Sendable, Codable {
    /// Where tokens are asked for by clients that authenticate by certificate.
    public var tokenEndpoint: String?
    /// Where such clients ask about a token (RFC 7662).
    public var introspectionEndpoint: String?
    /// Where such clients revoke one (RFC 7009).
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
  }
}

extension ServerMetadata {
  /// Reads the members that count. An optional one of an odd type is passed over: it must not cost the others.
  public init(from decoder: any Decoder) throws {
    let members = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      issuer: try members.decode(String.self, forKey: .issuer),
      tokenEndpoint: try members.decode(String.self, forKey: .tokenEndpoint),
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
      mtlsEndpointAliases: try? members.decode(MutualTLSAliases.self, forKey: .mtlsEndpointAliases))
  }

  /// Reads a discovery document that must be `issuer`'s.
  ///
  /// Endpoints must be https, as RFC 6749, 3.2 and RFC 8414, 2 want it; where `issuer` itself is plain http, on this very host, they may be
  /// that too. Those that are asked on demand only count as not there otherwise.
  /// - Throws: `malformedAnswer`, `discoveryIncomplete`, `issuerMismatch` or `insecureEndpoint`.
  public init(parsing document: [UInt8], issuer: String) throws(AcquisitionFailure) {
    struct Required: Decodable {
      var issuer: String?
      var tokenEndpoint: String?

      enum CodingKeys: String, CodingKey {
        case issuer
        case tokenEndpoint = "token_endpoint"
      }
    }
    let decoder = JSONDecoder()
    let data = Data(document)
    guard let required = try? decoder.decode(Required.self, from: data) else {
      throw AcquisitionFailure(
        .malformedAnswer, "the discovery document of \(issuer) is not a JSON object of the expected form")
    }
    guard let named = required.issuer, required.tokenEndpoint != nil else {
      throw AcquisitionFailure(
        .discoveryIncomplete, "the discovery document of \(issuer) lacks issuer or token_endpoint")
    }
    guard named.isExactly(issuer) else {
      throw AcquisitionFailure(
        .issuerMismatch,
        "the server at \(issuer) calls itself \(Printable.quoted(named)), which is not the same text")
    }
    guard let whole = try? decoder.decode(ServerMetadata.self, from: data) else {
      throw AcquisitionFailure(
        .malformedAnswer, "the discovery document of \(issuer) is not a JSON object of the expected form")
    }
    self = whole
    try requireSecure(tokenEndpoint, member: "token_endpoint")
    if let jwksURI { try requireSecure(jwksURI, member: "jwks_uri") }
    introspectionEndpoint = fit(introspectionEndpoint)
    revocationEndpoint = fit(revocationEndpoint)
    if let aliases = mtlsEndpointAliases {
      mtlsEndpointAliases = MutualTLSAliases(
        tokenEndpoint: fit(aliases.tokenEndpoint), introspectionEndpoint: fit(aliases.introspectionEndpoint),
        revocationEndpoint: fit(aliases.revocationEndpoint))
    }
  }

  private func fit(_ endpoint: String?) -> String? {
    endpoint.flatMap { isFit($0) ? $0 : nil }
  }

  /// Whether it is a URL that secrets may be sent to. One of a server elsewhere that leads to this host's own ports, in clear, is not: whoever
  /// listens there is somebody else.
  private func isFit(_ endpoint: String) -> Bool {
    guard let endpoint = try? Endpoint(endpoint) else { return false }
    return endpoint.isSecure || (try? Endpoint(issuer))?.isSecure == false
  }

  /// Where the keys are.
  ///
  /// - Throws: `discoveryIncomplete` if the document does not tell.
  var keyLocation: String {
    get throws(AcquisitionFailure) {
      guard let jwksURI else {
        throw AcquisitionFailure(.discoveryIncomplete, "the discovery document of \(issuer) lacks jwks_uri")
      }
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

  /// Where an issuer's discovery document may be: OpenID Connect's place first, then RFC 8414's (3.1), which puts the well-known part between
  /// host and path. An issuer's trailing slash does not become a double one.
  public static func locations(of issuer: String) -> [String] {
    let trimmed = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
    let openID = trimmed + "/.well-known/openid-configuration"
    guard let scheme = trimmed.firstRange(of: "://") else { return [openID] }
    let host = trimmed[scheme.upperBound...].prefix { $0 != "/" }
    let path = trimmed[host.endIndex...]
    return [openID, trimmed[..<host.endIndex] + "/.well-known/oauth-authorization-server" + path]
  }

  /// Where a token is asked for: a client that shows a certificate, to prove itself or to have tokens bound to it, goes to an address of its
  /// own, if there is one (RFC 8705, 5).
  package func tokenEndpoint(byCertificate: Bool) -> String {
    (byCertificate ? mtlsEndpointAliases?.tokenEndpoint : nil) ?? tokenEndpoint
  }

  /// Where such a client asks about a token.
  package func introspectionEndpoint(byCertificate: Bool) -> String? {
    (byCertificate ? mtlsEndpointAliases?.introspectionEndpoint : nil) ?? introspectionEndpoint
  }

  /// Where such a client revokes a token.
  package func revocationEndpoint(byCertificate: Bool) -> String? {
    (byCertificate ? mtlsEndpointAliases?.revocationEndpoint : nil) ?? revocationEndpoint
  }

  /// Whether tokens are introspected elsewhere than `other` says.
  func introspectsElsewhere(than other: ServerMetadata) -> Bool {
    introspectionEndpoint != other.introspectionEndpoint
      || mtlsEndpointAliases?.introspectionEndpoint != other.mtlsEndpointAliases?.introspectionEndpoint
  }

  /// Whether tokens are asked for elsewhere than `other` says.
  func asksElsewhere(than other: ServerMetadata) -> Bool {
    tokenEndpoint != other.tokenEndpoint
      || mtlsEndpointAliases?.tokenEndpoint != other.mtlsEndpointAliases?.tokenEndpoint
  }
}
