package import Base

/// Files of certificates and keys in PEM form (RFC 7468), checked as far as possible without a library. The same checks
/// run when the configuration is loaded and for each request.
package enum PEMFile {
  /// Any real bundle is smaller: Debian's has 220 KiB.
  private static let sizeLimit = 8 << 20

  /// CA certificates. They are not secret, but the owner of the file decides which servers are trusted. It must belong
  /// to root or to the daemon's user, and other users must not be able to change it.
  @discardableResult
  package static func readAuthorities(_ path: String, rules: FileRules) throws(FileRefusal) -> Secret {
    let file = try ProtectedFile.open(path, rules: rules)
    defer { file.close() }
    return try readCertificates(file, path)
  }

  /// A client's certificates, with their private key if it is in the same file. In that case other users must not be
  /// able to read the file.
  @discardableResult
  package static func readClientCertificates(
    _ path: String, needsKey: Bool, rules: FileRules
  ) throws(FileRefusal) -> Secret {
    let file = try ProtectedFile.open(path, rules: rules)
    defer { file.close() }
    let content = try readCertificates(file, path)
    if content.holds("PRIVATE KEY-----") {
      if let refusal = ProtectedFile.refusalAsSecret(file, path, rules) { throw refusal }
      try checkKey(content, path)
    } else if needsKey {
      throw FileRefusal(
        path: path, problem: "holds no private key", remedy: "name the file that does by 'client_key_file'")
    }
    return content
  }

  /// A private key. Other users must not be able to read it.
  @discardableResult
  package static func readKey(_ path: String, rules: FileRules) throws(FileRefusal) -> Secret {
    let content = try ProtectedFile.read(path, rules: rules, limit: sizeLimit)
    guard content.holds("PRIVATE KEY-----") else {
      throw FileRefusal(path: path, problem: "holds no private key", remedy: "give a file with one in PEM form")
    }
    try checkKey(content, path)
    return content
  }

  private static func readCertificates(_ file: OpenedFile, _ path: String) throws(FileRefusal) -> Secret {
    if let refusal = FileRefusal(path: path, mode: file.status.st_mode & 0o7777, allowed: 0o755) { throw refusal }
    let content = try file.read(path: path, limit: sizeLimit)
    guard content.holds("-----BEGIN CERTIFICATE-----") else {
      throw FileRefusal(
        path: path, problem: "holds no certificate", remedy: "give a file with certificates in PEM form")
    }
    return content
  }

  private static func checkKey(_ content: Secret, _ path: String) throws(FileRefusal) {
    guard !content.holds("-----BEGIN ENCRYPTED PRIVATE KEY-----"), !content.holds("Proc-Type: 4,ENCRYPTED") else {
      throw FileRefusal(
        path: path, problem: "holds a private key that is encrypted",
        remedy: "decrypt it with 'openssl pkey', and keep it with mode 0600 or as a credential of systemd's")
    }
  }
}

extension Secret {
  fileprivate func holds(_ mark: String) -> Bool {
    withBytes { $0.contains(mark.utf8) }
  }
}
