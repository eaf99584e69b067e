/// A client that is registered with the sandbox (RFC 6749, section 2).
public struct SandboxClient: Sendable {
  /// The `client_id`.
  public var id: String
  /// The accepted secrets. There are two while one replaces the other.
  public var secrets: [String]
  /// The scopes that it can request. If it requests none, it gets the first one.
  public var scopes: [String]
  /// The public keys that check its assertions (`private_key_jwt`, RFC 7523), in PEM: RSA, P-256 or Ed25519.
  public var publicKeys: [String]
  /// The common name of the client certificate that it can use as its credential (`tls_client_auth`, RFC 8705).
  public var certificateName: String?
  /// The registered certificates in PEM, each of which authenticates the client (`self_signed_tls_client_auth`, RFC
  /// 8705).
  public var certificates: [String]
  /// The `name` claim of its tokens.
  public var name: String

  /// Makes a client.
  public init(
    id: String, secrets: [String] = [], scopes: [String] = ["tamarack"], publicKeys: [String] = [],
    certificateName: String? = nil, certificates: [String] = [], name: String = "Sample client"
  ) {
    self.id = id
    self.secrets = secrets
    self.scopes = scopes
    self.publicKeys = publicKeys
    self.certificateName = certificateName
    self.certificates = certificates
    self.name = name
  }

  /// The id of the client that is registered by default. It is that of Konexus' documentation.
  public static let sampleID = "ext-1741-sample-client"
}
