/// A client that is registered with the sandbox (RFC 6749, section 2).
public struct SandboxClient: Sendable {
  /// The `client_id`.
  public var id: String
  /// The secrets that are accepted; two while one replaces the other.
  public var secrets: [String]
  /// The scopes it may ask for. The first is granted when it asks for none.
  public var scopes: [String]
  /// The public keys that check its assertions (`private_key_jwt`, RFC 7523), in PEM: RSA, P-256 or Ed25519.
  public var publicKeys: [String]
  /// The common name of the client certificate that it may use as its credential (`tls_client_auth`, RFC 8705).
  public var certificateName: String?
  /// The certificates, in PEM, that each prove the client by themselves (`self_signed_tls_client_auth`, RFC 8705).
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

  /// The id of the client that is registered unless others are: the one of Konexus' documentation.
  public static let sampleID = "ext-1741-sample-client"
}
