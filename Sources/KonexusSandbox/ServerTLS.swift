import HummingbirdTLS
import NIOCore
import NIOSSL

/// The TLS settings of a sandbox: its certificate, valid or not, and the requirements for clients.
struct ServerTLS {
  let configuration: TLSChannelConfiguration
  /// The same for the listener that requires a client certificate. It accepts any certificate, because the endpoint
  /// authenticates the client.
  let mutualConfiguration: TLSChannelConfiguration
  /// The certificate of the authority that clients should trust.
  let caPEM: String

  /// - Parameter authority: Signs the server's certificate and those of clients.
  init(_ options: SandboxOptions, authority: CertificateAuthority) throws {
    let names = options.certificate == .wrongHostName ? ["somewhere-else.example"] : Self.names(options)
    let days =
      switch options.certificate {
      case .expired: -30 ... -1
      case .notYetValid: 1...30
      case .valid, .wrongHostName, .unknownAuthority: -1...200
      }
    let identity = try authority.issue(for: .server, names: names, days: days)
    caPEM =
      options.certificate == .unknownAuthority
      ? try CertificateAuthority(name: "Another CA").pem : try authority.pem
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMBytes([UInt8](identity.certificatePEM.utf8)).map {
        .certificate($0)
      },
      privateKey: .privateKey(try NIOSSLPrivateKey(bytes: [UInt8](identity.keyPEM.utf8), format: .pem)))
    configuration.minimumTLSVersion = options.maximumTLSVersion == .tls11 ? .tlsv11 : .tlsv12
    configuration.maximumTLSVersion =
      switch options.maximumTLSVersion {
      case .tls11: .tlsv11
      case .tls12: .tlsv12
      case .tls13: .tlsv13
      }
    if options.maximumTLSVersion == .tls11 {
      // TLS 1.1 has only suites with CBC. NIO leaves them out unless they are named.
      configuration.cipherSuiteValues = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, .TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
      ]
    }
    configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes([UInt8](try authority.pem.utf8)))
    configuration.certificateVerification =
      switch options.clientCertificates {
      case .ignored: .none
      case .requested: .optionalVerification
      case .demanded: .noHostnameVerification
      }
    // A client that does not answer close_notify must not delay the end of a sandbox.
    configuration.shutdownTimeout = .milliseconds(500)
    self.configuration = TLSChannelConfiguration(tlsConfiguration: configuration)
    configuration.certificateVerification = .noHostnameVerification
    mutualConfiguration = TLSChannelConfiguration(
      tlsConfiguration: configuration, customVerificationCallback: { $1.succeed(.certificateVerified) })
  }

  private static func names(_ options: SandboxOptions) -> [String] {
    var names = ["localhost", "127.0.0.1", "::1"]
    let host = options.host.hasPrefix("[") ? String(options.host.dropFirst().dropLast()) : options.host
    if !names.contains(host) { names.insert(host, at: 0) }
    return names
  }
}
