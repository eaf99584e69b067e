public import Base
public import Files

/// Where a client secret comes from.
public enum SecretSource: Hashable, Sendable {
  /// It stands in the configuration: `client_secret`.
  case literal(Secret)
  /// It stands in a file of its own, absolute path: `client_secret_file`. Read anew for each request, so that a rotated one is used at once.
  case file(String)

  /// The secret as it is now.
  ///
  /// A file must be a regular one of root or of the daemon's user that nobody else may read; one line break at its end is not part
  /// of the secret.
  /// - Throws: ``FileRefusal`` with the command that helps, if the file cannot be read, others may read it, or it holds no secret.
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

  /// No authorization server hands out longer ones.
  static let sizeLimit = 64 * 1024

  /// What keeps `bytes` from being a client secret (RFC 6749 appendix A.2 has printable characters only; characters beyond ASCII are
  /// let through for servers that take them), told without showing them.
  static func fault(in bytes: some Collection<UInt8>) -> String? {
    if bytes.isEmpty { return "is empty" }
    if bytes.contains(0) { return "contains a NUL byte" }
    if bytes.contains(.lineFeed) || bytes.contains(.carriageReturn) { return "contains a line break" }
    if bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) { return "contains a control character" }
    return nil
  }
}
