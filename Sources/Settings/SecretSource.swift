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
  /// A file must be a regular file of root or of the daemon's user. Other users must not be able to read it. A line
  /// break at its end and a byte order mark at its start are not part of the secret.
  ///
  /// - Throws: ``FileRefusal`` with the remedy, if the file is not readable, has wrong access, or holds no secret.
  public func read(in environment: RuntimeEnvironment = .current) throws(FileRefusal) -> Secret {
    try examine(in: environment).secret
  }

  /// Reads the current secret, and reports what is unusual about it.
  ///
  /// - Returns: the secret, and a sentence for the administrator, which shows nothing of the secret. The sentence is
  ///   `nil` if nothing is unusual.
  /// - Throws: as `read`.
  package func examine(
    in environment: RuntimeEnvironment = .current
  ) throws(FileRefusal) -> (secret: Secret, doubt: String?) {
    switch self {
    case .literal(let secret):
      return (secret, secret.withBytes { SecretText.doubt(about: $0) }.map { "client_secret \($0)" })
    case .file(let path):
      let content = try ProtectedFile.read(path, rules: environment.fileRules, limit: Self.sizeLimit)
      return try content.withBytes { (bytes) throws(FileRefusal) in
        var line = bytes[...]
        if line.last == .lineFeed { line = line.dropLast() }
        if line.last == .carriageReturn { line = line.dropLast() }
        let text = UnsafeRawBufferPointer(rebasing: line)
        if let fault = SecretText.fault(in: text) {
          var remedy = fault.isPlaceholder ? Placeholder.remedy(in: path) : fault.remedy
          // The administrator edits the source of systemd's copy.
          if fault.isPlaceholder, FilePath.directory(of: path) == environment.credentialsDirectory {
            remedy = "correct the file that LoadCredential= names, then run: sudo systemctl restart konexus-tokend"
          }
          throw FileRefusal(
            path: path, problem: fault.problem, remedy: remedy ?? "write the secret into it, on one line")
        }
        let doubt = SecretText.doubt(about: text).map { "the secret in '\(path.printable)' \($0)" }
        return (Secret(text), doubt)
      }
    }
  }

  /// The size limit of a secret file.
  static let sizeLimit = 64 * 1024
}
