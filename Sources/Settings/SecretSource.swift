public import Base
public import Files

/// The source of a client secret.
public enum SecretSource: Hashable, Sendable {
  /// The value of `client_secret` in the configuration.
  case literal(Secret)
  /// The file of `client_secret_file`, an absolute path. It is read for each request, so that a rotated secret is used
  /// at once.
  case file(String)

  /// Reads the current secret.
  ///
  /// A file must be a regular file of root or of the daemon's user. Other users must not be able to read it. One line
  /// break at its end is not part of the secret.
  ///
  /// - Throws: ``FileRefusal`` with the remedy, if the file is not readable, has wrong access, or holds no secret.
  public func read(in environment: RuntimeEnvironment = .current) throws(FileRefusal) -> Secret {
    switch self {
    case .literal(let secret):
      return secret
    case .file(let path):
      let content = try ProtectedFile.read(path, rules: environment.fileRules, limit: Self.sizeLimit)
      var range = 0..<content.count
      let fault = content.withBytes { bytes -> String? in
        if range.last.map({ bytes[$0] }) == .lineFeed { range = range.dropLast() }
        if range.last.map({ bytes[$0] }) == .carriageReturn { range = range.dropLast() }
        return Self.fault(in: bytes[range])
      }
      if let fault { throw FileRefusal(path: path, problem: fault, remedy: "write the secret into it, on one line") }
      return content.withBytes { Secret($0[range]) }
    }
  }

  /// The size limit of a secret file.
  static let sizeLimit = 64 * 1024

  /// Why `bytes` is no client secret, without showing it; `nil` if it is one.
  ///
  /// RFC 6749 appendix A.2 allows printable ASCII only. Other characters are accepted, since some servers accept them.
  static func fault(in bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "is empty" }
    if bytes.contains(0) { return "contains a NUL byte" }
    if bytes.contains(.lineFeed) || bytes.contains(.carriageReturn) { return "contains a line break" }
    if bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return "contains a control character" }
    return nil
  }
}
