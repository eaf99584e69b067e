import FoundationEssentials
import Glibc
import Testing
@testable import Base
@testable import Files
@testable import Settings
import TestSupport

/// Secrets as editors, documents and web pages leave them.
@Suite struct SecretTextTests {
  private static func read(_ bytes: [UInt8], in directory: ConfigurationDirectory) throws -> String {
    let path = try directory.write("secret", bytes: bytes)
    do throws(FileRefusal) {
      let (secret, doubt) = try SecretSource.file(path).examine()
      return secret.exposed + (doubt.map { " (\($0))" } ?? "").replacing(directory.path, with: "DIR")
    } catch {
      return error.description.replacing(directory.path, with: "DIR")
    }
  }

  private static func read(_ text: String) throws -> String {
    try read(Array(text.utf8), in: ConfigurationDirectory())
  }

  private static func utf16(_ text: String, isBig: Bool, hasMark: Bool) -> [UInt8] {
    ((hasMark ? [0xfeff] : []) + Array(text.utf16)).flatMap { unit in
      let bytes = [UInt8(unit >> 8), UInt8(unit & 0xff)]
      return isBig ? bytes : bytes.reversed()
    }
  }

  // MARK: Files

  /// What Windows editors put around a secret is no part of it.
  @Test(arguments: ["\u{feff}s3cr3t", "\u{feff}s3cr3t\n", "\u{feff}s3cr3t\r\n", "s3cr3t\r\n", "s3cr3t\r"])
  func byteOrderMarkAndLineBreak(_ content: String) throws {
    #expect(try Self.read(content) == "s3cr3t")
  }

  @Test(
    arguments: [
      ("\u{feff}", "is empty -> write the secret into it, on one line"),
      ("\u{feff}\u{feff}s3cr3t", "contains a byte order mark (U+FEFF) at character 1 -> remove it"),
      ("s3\u{a0}cr3t", "contains a no-break space (U+00A0) at character 3 -> remove it"),
      ("s3cr3t\u{a0}\r\n", "contains a no-break space (U+00A0) at character 7 -> remove it"),
      ("s3\u{202f}cr3t", "contains a no-break space (U+202F) at character 3 -> remove it"),
      ("s3\u{2003}cr3t", "contains a typographic space (U+2003) at character 3 -> remove it"),
      ("s3cr3t\u{200b}", "contains a zero-width space (U+200B) at character 7 -> remove it"),
      ("ä\u{200d}s3cr3t", "contains an invisible character (U+200D) at character 2 -> remove it"),
      ("s3\u{ad}cr3t", "contains an invisible character (U+00AD) at character 3 -> remove it"),
      ("s3cr3t\u{2028}", "contains an invisible character (U+2028) at character 7 -> remove it"),
      ("s3cr3t\t\n", "contains a tab at character 7 -> write the secret into it, on one line"),
      ("s3cr3t\n\n", "contains a line break at character 7 -> write the secret into it, on one line"),
      ("s3\u{1b}cr3t", "contains a control character (U+001B) at character 3 -> write the secret into it, on one line"),
      ("s3\u{85}cr3t", "contains a control character (U+0085) at character 3 -> write the secret into it, on one line"),
      ("“s3cr3t”", "begins with a typographic quote (U+201C) -> remove it"),
      ("s3cr3t”", "ends with a typographic quote (U+201D) -> remove it"),
      ("‘s3cr3t’\r\n", "begins with a typographic quote (U+2018) -> remove it"),
      ("„s3cr3t“", "begins with a typographic quote (U+201E) -> remove it"),
      ("«s3cr3t»", "begins with a typographic quote (U+00AB) -> remove it"),
      (
        "client_secret = \"s3cr3t\"\n",
        "begins with the name of a setting -> remove the name, and the quotes around the secret"
      ),
      (
        "CLIENT_SECRET=s3cr3t",
        "begins with the name of a setting -> remove the name, and the quotes around the secret"
      ),
      (
        "\"client_secret\": \"s3cr3t\"",
        "begins with the name of a setting -> remove the name, and the quotes around the secret"
      ),
    ])
  func whatIsNeverRight(_ content: String, _ problem: String) throws {
    #expect(try Self.read(content) == "'DIR/secret' \(problem)")
  }

  /// What can be right is used, and reported with its place.
  @Test(
    arguments: [
      ("s3cr3t \n", "s3cr3t ", "ends with a space (character 7)"),
      (" s3cr3t", " s3cr3t", "begins with a space"),
      ("\u{feff} s3cr3t  \r\n", " s3cr3t  ", "begins with a space and ends with a space (character 9)"),
      ("\"s3cr3t\"", "\"s3cr3t\"", "is in quotes (characters 1 and 8)"),
      ("'s3cr3t'\r\n", "'s3cr3t'", "is in quotes (characters 1 and 8)"),
      ("<s3cr3t-7>", "<s3cr3t-7>", "is in angle brackets (characters 1 and 10)"),
      ("don’t-s3cr3t", "don’t-s3cr3t", "contains a typographic quote (U+2019) at character 4"),
      ("pässwörd", "pässwörd", "contains a character that is not ASCII at character 2"),
    ])
  func whatCanBeRight(_ content: String, _ secret: String, _ doubt: String) throws {
    #expect(try Self.read(content) == "\(secret) (the secret in 'DIR/secret' \(doubt))")
  }

  @Test(arguments: ["s3cr3t", "\"a", "a b", "x", "k=v", "client_secretary", "it's", "<a"])
  func nothingIsUnusual(_ secret: String) throws {
    #expect(try Self.read(secret) == secret)
  }

  /// An editor's other encodings. The command in the message corrects the file and keeps its mode.
  @Test(arguments: [true, false], [true, false])
  func utf16(isBig: Bool, hasMark: Bool) throws {
    let directory = try ConfigurationDirectory()
    let content = Self.utf16("s3cr3t-ä\r\n", isBig: isBig, hasMark: hasMark)
    let refusal = try Self.read(content, in: directory)
    #expect(
      refusal
        == #"'DIR/secret' is in UTF-16, and must be in UTF-8 -> sudo sh -c 't=$(iconv -f UTF-16 -t UTF-8 "$0") "#
        + #"&& printf "%s\n" "$t" >"$0"' DIR/secret"#)
    // Without a mark, iconv takes the byte order of this machine.
    guard hasMark || !isBig else { return }
    let command = try #require(refusal.split(separator: "sudo ").last).replacing("DIR", with: directory.path)
    try #require(system(String(command)) == 0)
    let path = "\(directory.path)/secret"
    #expect(try SecretSource.file(path).read() == Secret("s3cr3t-ä"))
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
  }

  @Test func windows1252() throws {
    let directory = try ConfigurationDirectory()
    #expect(
      try Self.read([0x73, 0x33, 0xe4, 0x63], in: directory)
        == "'DIR/secret' is not in UTF-8 (byte 3) -> save it in UTF-8")
  }

  /// systemd's credentials are read by the same rules.
  @Test func credentials() throws {
    let directory = try ConfigurationDirectory()
    let path = try directory.write("konexus.secret", "\u{feff}s3cr3t\r\n", mode: 0o440)
    let environment = RuntimeEnvironment(credentialsDirectory: directory.path)
    #expect(try SecretSource.file(path).read(in: environment) == Secret("s3cr3t"))
    try directory.write("konexus.secret", "SECRET", mode: 0o440)
    do throws(FileRefusal) {
      _ = try SecretSource.file(path).read(in: environment)
      Issue.record("accepted")
    } catch {
      #expect(error.problem == "is a placeholder")
      #expect(error.remedy.hasSuffix("then run: sudo systemctl restart konexus-tokend"))
    }
  }

  @Test func configurationFile() throws {
    let directory = try ConfigurationDirectory()
    let text = "[token.k]\r\nissuer = 'https://a'\r\nclient_id = 'c'\r\nclient_secret = 's3cr3t'\r\n"
    let path = try directory.write("config.toml", "\u{feff}" + text)
    #expect(try Configuration.load(path: path).tokens.first?.secrets == [.literal(Secret("s3cr3t"))])
    for (isBig, hasMark) in [(false, true), (true, true), (false, false), (true, false)] {
      try directory.write("config.toml", bytes: Self.utf16(text, isBig: isBig, hasMark: hasMark))
      do throws(ConfigurationErrors) {
        _ = try Configuration.load(path: path)
        Issue.record("accepted")
      } catch {
        let message = error.description.replacing(directory.path, with: "DIR")
        #expect(message.hasPrefix("DIR/config.toml: error: is in UTF-16, and must be in UTF-8 -> sudo sh -c"))
      }
    }
    // `reload` passes the open file.
    let bytes = Secret(Self.utf16(text, isBig: false, hasMark: true))
    #expect(throws: ConfigurationErrors.self) {
      try ConfigurationDraft(bytes, standingFor: path, environment: ConfigurationText.environment).get()
    }
    let draft = ConfigurationDraft(bytes, standingFor: path, environment: ConfigurationText.environment)
    #expect(draft.diagnostics.map(\.message) == ["syntax: the file is in UTF-16; save it as UTF-8"])
  }

  /// A certificate or key with a mark before it is read as without.
  @Test func keysAndCertificates() throws {
    let directory = try ConfigurationDirectory()
    let certificate = "-----BEGIN CERTIFICATE-----\r\nMIIB\r\n-----END CERTIFICATE-----\r\n"
    let key = "-----BEGIN PRIVATE KEY-----\r\nMIIE\r\n-----END PRIVATE KEY-----\r\n"
    let authorities = try directory.write("ca.pem", "\u{feff}" + certificate)
    #expect(try PEMFile.readAuthorities(authorities, rules: FileRules()) == Secret(certificate))
    let both = try directory.write("client.pem", "\u{feff}" + key + certificate)
    #expect(try PEMFile.readClientCertificates(both, needsKey: true, rules: FileRules()) == Secret(key + certificate))
    let keyFile = try directory.write("key.pem", "\u{feff}" + key)
    #expect(try PEMFile.readKey(keyFile, rules: FileRules()) == Secret(key))
    let wide = try directory.write("wide.pem", bytes: Self.utf16(key, isBig: false, hasMark: true))
    do throws(FileRefusal) {
      try PEMFile.readKey(wide, rules: FileRules())
      Issue.record("accepted")
    } catch {
      #expect(error.problem == "is in UTF-16, and must be in UTF-8")
    }
  }

  // MARK: Placeholders

  private static let placeholders = [
    "...", "…", "SECRET", "<secret>", "<your client secret>", "YOUR_SECRET", "your-client-secret", "YourSecretHere",
    "changeme", "change-me", "CHANGE_ME", "changeit", "client-secret", "CLIENT_SECRET", "<CLIENT_SECRET>",
    "${CLIENT_SECRET}", "$CLIENT_SECRET", "{{ client_secret }}", "%SECRET%", "@CLIENT_SECRET@", "xxxxxxxx", "XXX-XXXX",
    "***", "---", "____", "???", "TODO", "tbd", "FIXME", "placeholder", "example", "example-secret",
    "REPLACE_WITH_YOUR_SECRET", "insert secret here", "[your secret]", "(paste your secret here)", "\"...\"",
    "REDACTED",
    "enter_your_client_secret_here", "PASSWORD", "my-sample-secret",
  ]

  @Test(arguments: placeholders)
  func placeholderInAFile(_ text: String) throws {
    #expect(
      try Self.read(text + "\n")
        == "'DIR/secret' is a placeholder -> write the one that the server's operator handed out: sudoedit DIR/secret")
  }

  @Test(arguments: placeholders)
  func placeholderInTheConfiguration(_ text: String) {
    let errors = ConfigurationText.errors(
      "[token.konexus]\nissuer = 'https://a'\nclient_id = 'c'\nclient_secret = ['s3cr3t', '\(text)']\n")
    #expect(
      errors
        == """
        /etc/k.toml:4:28: error: 'client_secret' is a placeholder; \
        write the one that the server's operator handed out: sudoedit /etc/k.toml
          4 | client_secret = …
            |                 ^
        """)
  }

  @Test(arguments: ["<your client id>", "CLIENT-ID", "client_id", "YOUR_CLIENT_ID", "...", "changeme", "${CLIENT_ID}"])
  func placeholderOfAClient(_ text: String) {
    let errors = ConfigurationText.errors(
      "[token.konexus]\nissuer = 'https://a'\nclient_id = '\(text)'\nclient_secret = 's3cr3t'\n")
    let head =
      "/etc/k.toml:3:13: error: 'client_id' is a placeholder; write the one that the server's operator handed out: "
      + "sudoedit /etc/k.toml\n"
    #expect(errors.hasPrefix(head), "\(errors)")
  }

  /// The sample's client exists in the sandbox only.
  @Test(
    arguments: [
      ("https://auth.alertsense.com", true), ("https://auth.dev.alertsense.io", true),
      ("https://localhost:8443", false),
      ("https://auth.notalertsense.com", false),
    ])
  func clientOfTheSample(_ issuer: String, _ isRejected: Bool) {
    let errors = ConfigurationText.errors(
      "[token.konexus]\nissuer = '\(issuer)'\nclient_id = 'ext-1741-sample-client'\nclient_secret = 's3cr3t'\n")
    #expect(errors.contains("/etc/k.toml:3:13: error: 'client_id' is the sample's; write the one") == isRejected)
    #expect(errors.isEmpty != isRejected)
  }

  @Test(
    arguments: [
      ("https://auth.example.org", true), ("https://example.com/tenant", true), ("https://id.EXAMPLE.net:8443", true),
      ("https://your-tenant.auth0.com", true), ("https://yourserver", true),
      ("https://ISSUER", true), ("https://HOST/", true), ("https://example-energy.com", false),
      ("https://auth.notexample.com", false), ("https://youridentity.com", false), ("https://issuer.city.gov", false),
      ("https://server", false),
    ])
  func exampleIssuers(_ issuer: String, _ isRejected: Bool) {
    let errors = ConfigurationText.errors(
      "[token.konexus]\nissuer = '\(issuer)'\nclient_id = 'c'\nclient_secret = 's3cr3t'\n")
    #expect(
      errors.hasPrefix(
        "/etc/k.toml:2:10: error: 'issuer' is '\(issuer)', an example; write the one that the server's operator "
          + "handed out: sudoedit /etc/k.toml\n") == isRejected, "\(errors)")
    #expect(errors.isEmpty != isRejected)
  }

  /// Secrets of test servers, and secrets that look a little like placeholders.
  @Test(
    arguments: [
      "secret", "password", "s", "x", "xx", "test", "dummy", "my-secret", "apikey", "$odd", "$aB3", "<S3CRET>",
      "client",
      "exampleX7", "yourK7fj2", "changeme1", "wrong-secret", "a-secret-of-another-client", "here-be-dragons",
    ])
  func noPlaceholder(_ text: String) throws {
    #expect(try Self.read(text).hasPrefix(text))
  }

  /// A secret that a server makes at random is never treated as a placeholder.
  @Test func randomSecrets() {
    let alphabets = [
      "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", String(decoding: 0x21...0x7e, as: UTF8.self),
    ]
    var generator = SplitMix64(seed: 20)
    for round in 0..<40_000 {
      let alphabet = Array(alphabets[round % alphabets.count].utf8)
      let bytes = (0..<Int.random(in: 12...44, using: &generator)).compactMap { _ in
        alphabet.randomElement(using: &generator)
      }
      let fault = Secret(bytes).withBytes { SecretText.fault(in: $0) }
      #expect(fault == nil, "\(String(decoding: bytes, as: UTF8.self)) \(fault?.problem ?? "")")
    }
  }

  /// The secrets and clients of the documents are placeholders, or need a server of Konexus to be one.
  @Test(
    arguments: ["config/config.toml", "config/kubernetes.yaml", "systemd/man/konexus-tokend.toml.5.scd"])
  func documents(_ path: String) throws {
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let data = try #require(FileManager.default.contents(atPath: "\(root)/\(path)"))
    let text = String(decoding: data, as: UTF8.self)
    let secrets = text.matches(of: /client_secret = "([^"]*)"/).map { String($0.1) }
    let clients = text.matches(of: /client_id = "([^"]*)"/).map { String($0.1) }
    #expect(!secrets.isEmpty && !clients.isEmpty)
    for secret in secrets { #expect(Placeholder.matches(secret), "\(secret)") }
    // The API's own client, which introspects tokens, and a second client of the manual.
    let known = [Placeholder.sampleClientID, "ext-1742-sample-client", "tamarack-api"]
    for client in clients { #expect(known.contains(client) || Placeholder.matches(client), "\(client)") }
  }
}
