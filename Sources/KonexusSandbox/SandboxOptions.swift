/// The settings that are fixed when a sandbox starts.
public struct SandboxOptions: Sendable {
  /// The address it listens on: `127.0.0.1`, or `::1`.
  public var address = "127.0.0.1"
  /// The TCP port; 0 for any free one.
  public var port = 0
  /// The host name in the issuer.
  public var host = "localhost"
  /// The path of the issuer, such as `/tenant/a` or `/`; empty for none.
  public var issuerPath = ""
  /// The TCP port of the control endpoint, plain HTTP on 127.0.0.1. 0 means any free port, and nil means no control
  /// endpoint.
  public var controlPort: Int?
  /// How tokens are signed.
  public var algorithm = SigningAlgorithm.rs256
  /// The length of RSA keys, in bits. Those of Konexus have 4096. Tests that start many sandboxes can use 2048.
  public var keyBits = 4096
  /// Whether the next signing key is made in advance, so that the first rotation is immediate.
  public var preparesNextKey = true
  /// The registered clients. If empty, there is one with the name ``SandboxClient/sampleID`` and a random secret.
  public var clients: [SandboxClient] = []
  /// The kind of its TLS certificate.
  public var certificate = ServerCertificate.valid
  /// The newest version of TLS that it supports.
  public var maximumTLSVersion = TLSVersion.tls13
  /// Whether it requests a certificate of the client.
  public var clientCertificates = ClientCertificates.ignored
  /// The TCP port of a second listener that requires a client certificate. Any authority can have issued it. The
  /// metadata names it in `mtls_endpoint_aliases` (RFC 8705, section 5). 0 means any free port, and `nil` means no such
  /// listener.
  public var mutualTLSPort: Int?
  /// The settings that can also be changed later.
  public var settings = SandboxSettings()

  /// The options of a sandbox like Konexus' servers.
  public init() {}

  /// The certificates that a server can show.
  public enum ServerCertificate: String, Sendable, Hashable, CaseIterable {
    /// Valid for the host, localhost, 127.0.0.1 and ::1.
    case valid
    /// Valid until yesterday.
    case expired
    /// Valid from tomorrow.
    case notYetValid
    /// Valid only for `somewhere-else.example`.
    case wrongHostName
    /// Valid, but ``Sandbox/caPEM`` is the certificate of another authority.
    case unknownAuthority
  }

  /// Versions of TLS.
  public enum TLSVersion: String, Sendable, Hashable, CaseIterable {
    /// TLS 1.1 (RFC 4346), deprecated by RFC 8996.
    case tls11 = "1.1"
    /// TLS 1.2 (RFC 5246).
    case tls12 = "1.2"
    /// TLS 1.3 (RFC 8446).
    case tls13 = "1.3"
  }

  /// The rules for clients' certificates.
  public enum ClientCertificates: String, Sendable, Hashable, CaseIterable {
    /// None is requested.
    case ignored
    /// One is requested. If the client sends one, it must be valid.
    case requested
    /// One is required, and it must be valid.
    case demanded
  }
}
