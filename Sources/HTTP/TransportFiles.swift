import Base
import Files

/// The contents of the files that `TransportSettings` names, checked and read for one request.
///
/// libcurl gets contents instead of names: what was checked is what is used, and it tells connections apart by them,
/// so that a connection made under an older `caFile` is not used again.
struct TransportFiles: Sendable {
  let authorities: Secret?
  let certificate: Secret?
  let key: Secret?

  /// No files: the system's authorities, and no client certificate.
  static let none = TransportFiles(authorities: nil, certificate: nil, key: nil)

  private init(authorities: Secret?, certificate: Secret?, key: Secret?) {
    self.authorities = authorities
    self.certificate = certificate
    self.key = key
  }

  init(_ settings: TransportSettings) throws(HTTPFailure) {
    let rules = settings.fileRules
    let keyFile = settings.clientKeyFile
    authorities = try Self.read(settings.caFile, "ca_file", .caFileUnreadable) { path throws(FileRefusal) in
      try PEMFile.readAuthorities(path, rules: rules)
    }
    certificate = try Self.read(
      settings.clientCertificateFile, "client certificate",
      keyFile == nil ? .clientKeyUnusable : .clientCertificateUnusable
    ) { path throws(FileRefusal) in
      try PEMFile.readClientCertificates(path, needsKey: keyFile == nil, rules: rules)
    }
    key =
      try Self.read(keyFile, "client key", .clientKeyUnusable) { path throws(FileRefusal) in
        try PEMFile.readKey(path, rules: rules)
      } ?? certificate
  }

  private static func read(
    _ path: String?, _ role: String, _ fault: HTTPFailure.TLSFault,
    _ body: (String) throws(FileRefusal) -> Secret
  ) throws(HTTPFailure) -> Secret? {
    guard let path else { return nil }
    do throws(FileRefusal) { return try body(path) } catch {
      throw HTTPFailure(reason: .tls(fault), message: "the \(role) \(error)")
    }
  }
}
