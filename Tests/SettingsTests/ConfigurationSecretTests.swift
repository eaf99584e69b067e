import Glibc
import Testing
@testable import Files
@testable import Settings
import TestSupport

/// Secrets, keys and certificates in separate files.
@Suite struct ConfigurationSecretTests {
  private static func read(_ path: String) -> String {
    do throws(FileRefusal) {
      return try SecretSource.file(path).read().exposed
    } catch {
      return error.description
    }
  }

  @Test(
    arguments: [
      ("s3cr3t", "s3cr3t"), ("s3cr3t\n", "s3cr3t"), ("s3cr3t\r\n", "s3cr3t"), (" s3 cr3t ", " s3 cr3t "),
      ("pässwörd", "pässwörd"),
    ])
  func oneLineBreakAtTheEndIsNoPartOfASecret(_ content: String, _ secret: String) throws {
    let directory = try ConfigurationDirectory()
    #expect(Self.read(try directory.write("secret", content)) == secret)
  }

  @Test(
    arguments: [
      ("", "is empty"), ("\n", "is empty"), ("s3cr3t\n\n", "contains a line break at character 7"),
      ("s3\ncr3t", "contains a line break at character 3"),
      ("s3\u{0}cr3t", "contains a NUL byte at character 3"),
      ("s3\u{1b}cr3t", "contains a control character (U+001B) at character 3"),
      ("s3cr3t\t", "contains a tab at character 7"),
    ])
  func whatIsNoSecretIsRefusedWithoutBeingShown(_ content: String, _ problem: String) throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("secret", content)
    #expect(Self.read(path) == "'\(path)' \(problem) -> write the secret into it, on one line")
  }

  @Test func aSecretFileHasTheSameRuleAsTheConfiguration() throws {
    let directory = try ConfigurationDirectory()
    let open = try directory.write("secret", "s3cr3t", mode: 0o644)
    #expect(Self.read(open) == "'\(open)' is readable by other users (mode 0644) -> chmod 0600 \(open)")
    let fifo = try directory.fifo("fifo")
    #expect(Self.read(fifo) == "'\(fifo)' is no regular file -> name a file")
    let large = try directory.write("large", String(repeating: "x", count: 65537))
    #expect(Self.read(large) == "'\(large)' is larger than 64 KiB -> name the right file")
  }

  /// A secret file is read each time. A rotated secret and a wrong mode are noticed.
  @Test func aSecretFileIsReadAnewEachTime() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("secret", "first")
    #expect(Self.read(path) == "first")
    try directory.write("next", "second")
    try #require(rename("\(directory.path)/next", path) == 0)
    #expect(Self.read(path) == "second")
    try #require(chmod(path, 0o604) == 0)
    #expect(Self.read(path).contains("chmod 0600"))
    try #require(unlink(path) == 0)
    #expect(Self.read(path) == "'\(path)' does not exist -> create it, or correct the path")
  }

  // MARK: What else the configuration names

  private static let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
  private static let key = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"

  private static func errors(_ lines: String, in directory: ConfigurationDirectory) throws -> String {
    let path = try directory.write(
      "config.toml", "[token.k]\nissuer = \"https://a\"\nclient_id = \"c\"\n\(lines)\n")
    do throws(ConfigurationErrors) {
      _ = try Configuration.load(path: path)
      return ""
    } catch {
      return error.diagnostics.map(\.message).joined(separator: "\n").replacing(directory.path, with: "DIR")
    }
  }

  @Test(
    arguments: [
      (certificate, 0o644, ""), (certificate, 0o440, ""),
      (
        certificate, 0o664,
        "'ca_file': 'DIR/ca.pem' is writable by other users (mode 0664) -> chmod go-w DIR/ca.pem"
      ),
      (
        certificate, 0o646,
        "'ca_file': 'DIR/ca.pem' is writable by other users (mode 0646) -> chmod go-w DIR/ca.pem"
      ),
      (key, 0o600, "'ca_file': 'DIR/ca.pem' holds no certificate -> give a file with certificates in PEM form"),
      ("", 0o600, "'ca_file': 'DIR/ca.pem' holds no certificate -> give a file with certificates in PEM form"),
    ] as [(String, mode_t, String)])
  func authorities(_ content: String, _ mode: mode_t, _ message: String) throws {
    let directory = try ConfigurationDirectory()
    try directory.write("ca.pem", content, mode: mode)
    #expect(try Self.errors("client_secret = 's'\nca_file = 'ca.pem'", in: directory) == message)
  }

  @Test(
    .enabled(if: geteuid() == 0, "needs root to give files away"),
    arguments: ["ca_file", "client_certificate_file"])
  func certificatesOfAnotherUser(_ setting: String) throws {
    let directory = try ConfigurationDirectory()
    try directory.write("key.pem", Self.key)
    let path = try directory.write("certificates.pem", Self.certificate, mode: 0o644, owner: 1234)
    let lines =
      "client_secret = 's'\n\(setting) = 'certificates.pem'"
      + (setting == "ca_file" ? "" : "\nclient_key_file = 'key.pem'")
    #expect(
      try Self.errors(lines, in: directory)
        == "'\(setting)': 'DIR/certificates.pem' belongs to another user (uid 1234) "
        + "-> chown root DIR/certificates.pem")
    #expect(chown(path, 0, 0) == 0)
    #expect(try Self.errors(lines, in: directory) == "")
  }

  @Test(
    arguments: [
      (key, 0o600, ""),
      (
        key, 0o640,
        "'private_key_file': 'DIR/key.pem' is readable by other users (mode 0640) -> chmod 0600 DIR/key.pem"
      ),
      (
        certificate, 0o600,
        "'private_key_file': 'DIR/key.pem' holds no private key -> give a file with one in PEM form"
      ),
      (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIE\n-----END ENCRYPTED PRIVATE KEY-----\n", 0o600,
        "'private_key_file': 'DIR/key.pem' holds a private key that is encrypted "
          + "-> decrypt it with 'openssl pkey', and keep it with mode 0600 or as a credential of systemd's"
      ),
    ] as [(String, mode_t, String)])
  func privateKeys(_ content: String, _ mode: mode_t, _ message: String) throws {
    let directory = try ConfigurationDirectory()
    try directory.write("key.pem", content, mode: mode)
    #expect(try Self.errors("client_auth = 'private_key_jwt'\nprivate_key_file = 'key.pem'", in: directory) == message)
  }

  /// A secret or key that was written in place of its file's path appears neither in the message nor in the excerpt.
  @Test(arguments: [
    "client_secret_file", "private_key_file", "client_key_file", "client_certificate_file",
    "assertion_certificate_file",
  ])
  func aSecretInPlaceOfItsFileIsNotShown(_ setting: String) throws {
    let directory = try ConfigurationDirectory()
    for secret in ["s3cr3t-value", "MIIEvQ/s3cr3t+value", String(repeating: "s3cr3t", count: 300)] {
      var lines = "\(setting) = '\(secret)'"
      // The certificate is compared with the key, so that each can appear in the message about the other.
      if setting == "private_key_file" { lines += "\nassertion_certificate_file = '\(directory.path)/cert.pem'" }
      try directory.write("cert.pem", Self.certificate, mode: 0o644)
      let path = try directory.write(
        "config.toml", "[token.k]\nissuer = \"https://a\"\nclient_id = \"c\"\n\(lines)\n")
      let error = try #require(throws: ConfigurationErrors.self) { try Configuration.load(path: path) }
      let text = error.description
      #expect(!text.contains("s3cr3t"), "\(text)")
      #expect(
        text.contains("'\(setting)': there is no such file in '\(directory.path)'; give an absolute path"), "\(text)")
      #expect(text.contains("4 | \(setting) = …"), "\(text)")
    }
  }

  @Test func clientCertificates() throws {
    let directory = try ConfigurationDirectory()
    let auth = "client_auth = 'tls_client_auth'\nclient_certificate_file = 'cert.pem'\n"
    try directory.write("cert.pem", Self.certificate, mode: 0o644)
    #expect(
      try Self.errors(auth, in: directory)
        == "'client_certificate_file': 'DIR/cert.pem' holds no private key -> name the file that does by "
        + "'client_key_file'"
    )
    try directory.write("key.pem", Self.key)
    #expect(try Self.errors(auth + "client_key_file = 'key.pem'", in: directory) == "")
    // A certificate's file that includes the key is as secret as the key.
    try directory.write("cert.pem", Self.certificate + Self.key, mode: 0o644)
    #expect(
      try Self.errors(auth, in: directory)
        == "'client_certificate_file': 'DIR/cert.pem' is readable by other users (mode 0644) -> chmod 0600 "
        + "DIR/cert.pem"
    )
    try #require(chmod("\(directory.path)/cert.pem", 0o600) == 0)
    #expect(try Self.errors(auth, in: directory) == "")
  }

  @Test func aTokenIsNotWrittenOverWhatItsSettingsAreReadFrom() throws {
    let directory = try ConfigurationDirectory()
    try directory.write("secret", "s")
    #expect(
      try Self.errors("client_secret_file = 'secret'\nfile = '\(directory.path)/secret'", in: directory)
        == "[token.k] writes to 'DIR/secret', which it reads its settings from; give another path")
  }
}
