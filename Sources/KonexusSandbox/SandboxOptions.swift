/// What is settled when a sandbox starts.
public struct SandboxOptions: Sendable {
  /// The address it listens on: `127.0.0.1`, or `::1`.
  public var address = "127.0.0.1"
  /// The TCP port; 0: any free one.
  public var port = 0
  /// The host name in the issuer.
  public var host = "localhost"
  /// The path of the issuer, such as `/tenant/a` or `/`; empty for none.
  public var issuerPath = ""
  /// The TCP port of the control endpoint, plain HTTP on 127.0.0.1; 0: any free one; nil: no control endpoint.
  public var controlPort: Int?
  /// How tokens are signed.
  public var algorithm = SigningAlgorithm.rs256
  /// The length of RSA keys, in bits. Konexus' have 4096; tests that start many sandboxes may want 2048.
  public var keyBits = 4096
  /// Whether the next signing key is made ahead, so that the first rotation is instant.
  public var preparesNextKey = true
  /// The registered clients. Empty: one called ``SandboxClient/sampleID`` with a random secret.
  public var clients: [SandboxClient] = []
  /// What its TLS certificate is like.
  public var certificate = ServerCertificate.valid
  /// The newest version of TLS that it speaks.
  public var maximumTLSVersion = TLSVersion.tls13
  /// Whether it asks for a certificate of the client.
  public var clientCertificates = ClientCertificates.ignored
  /// The TCP port of a second listener that requires a client certificate, whichever authority issued it.
  /// The metadata names it in `mtls_endpoint_aliases` (RFC 8705, section 5). 0: any free port; `nil`: no such listener.
  public var mutualTLSPort: Int?
  /// What can be changed later too.
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
    /// Valid for `somewhere-else.example` alone.
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

  /// What becomes of clients' certificates.
  public enum ClientCertificates: String, Sendable, Hashable, CaseIterable {
    /// None is asked for.
    case ignored
    /// One is asked for, and must be good if it is shown.
    case requested
    /// No connection without a good one.
    case demanded
  }
}
