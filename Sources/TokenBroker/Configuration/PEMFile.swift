import Glibc
import OAuthClient

/// Files of certificates and keys in PEM form (RFC 7468), looked at as far as goes without a library: others read them again, at each
/// request.
enum PEMFile {
  /// Larger than any real bundle (Debian's is 220 KiB).
  private static let sizeLimit = 8 << 20

  /// Whether certificates can be had from the file. They are not secret, but whoever can write to the file decides which servers
  /// are believed.
  /// - Returns: whether there is a private key in it as well.
  @discardableResult
  static func checkCertificates(_ path: String, userID: UInt32) throws(FileRefusal) -> Bool {
    let file = try PathWalk.open(path, userID: userID)
    defer { file.close() }
    let mode = file.status.st_mode & 0o7777
    guard mode & 0o002 == 0 else {
      throw FileRefusal(
        path: path, problem: "may be changed by anybody (mode \(FileMode.octal(mode)))",
        remedy: "run: chmod o-w \(path.shellQuoted)")
    }
    let content = try file.read(path: path, limit: sizeLimit)
    guard content.holds("-----BEGIN CERTIFICATE-----") else {
      throw FileRefusal(
        path: path, problem: "holds no certificate", remedy: "give a file with certificates in PEM form")
    }
    return content.holds("PRIVATE KEY-----")
  }

  /// Whether a private key can be had from the file, which nobody else may read.
  static func checkKey(_ path: String, environment: RuntimeEnvironment) throws(FileRefusal) {
    let content = try ProtectedFile.read(path, environment: environment, limit: sizeLimit)
    guard content.holds("PRIVATE KEY-----") else {
      throw FileRefusal(path: path, problem: "holds no private key", remedy: "give a file with one in PEM form")
    }
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
