import Foundation
import TestSupport
import Testing
@testable import Base
@testable import Files
@testable import Settings

/// The settings for servers as they are in practice.
@Suite struct ServerSettingsTests {
  @Test func eachIsRead() throws {
    let configuration = try ConfigurationText.parse(
      """
      [token.k]
      issuer = "https://auth.example"
      discovery_url = "https://login.example/metadata?tenant=1"
      token_endpoint = "https://login.example/t"
      introspection_endpoint = "https://login.example/i"
      revocation_endpoint = "https://login.example/r"
      client_id = "c"
      client_secret = "s"
      verify = "introspection"
      revoke_on_stop = true
      access_token_issuer = "http://adfs.example/trust"
      [token.k.introspection]
      client_id = "api"
      client_secret = ["now", "next"]
      client_auth = "client_secret_basic"
      basic_encoding = "raw"
      [token.plain]
      issuer = "http://localhost:1"
      jwks_uri = "http://127.0.0.1:2/keys"
      client_id = "c"
      client_secret = "s"
      """)
    var expected = TokenSettings(name: "k", issuer: "https://auth.example", clientID: "c")
    expected.secrets = [.literal(Secret("s"))]
    expected.locations.discovery = "https://login.example/metadata?tenant=1"
    expected.locations.tokenEndpoint = "https://login.example/t"
    expected.locations.introspectionEndpoint = "https://login.example/i"
    expected.locations.revocationEndpoint = "https://login.example/r"
    expected.verification = .introspection
    expected.revokesOnStop = true
    expected.accessTokenIssuer = "http://adfs.example/trust"
    expected.introspectionClient = ClientSettings(
      id: "api", authentication: .basic, secrets: [.literal(Secret("now")), .literal(Secret("next"))],
      basicEncoding: .raw, assertionAudience: .tokenEndpoint)
    expected.outputs = [TokenOutput(path: "/run/konexus-tokend/k.token")]
    #expect(configuration.tokens.first == expected)
    #expect(
      expected.replacements == [
        "tokens of the issuer http://adfs.example/trust are accepted (access_token_issuer)",
        "discovery_url is set to https://login.example/metadata?tenant=1, whatever the server announces",
        "token_endpoint is set to https://login.example/t, whatever the server announces",
        "introspection_endpoint is set to https://login.example/i, whatever the server announces",
        "revocation_endpoint is set to https://login.example/r, whatever the server announces",
        "the client api introspects tokens ([token.k.introspection])",
      ])
    #expect(configuration.tokens.last?.locations.jwksURI == "http://127.0.0.1:2/keys")
    #expect(TokenSettings(name: "k").replacements.isEmpty)
  }

  /// The files of the client that introspects are among those that the daemon must be able to read.
  @Test func itsFilesAreInputs() throws {
    let directory = try ConfigurationDirectory()
    let text = """
      [token.k]
      issuer = "https://a"
      client_id = "c"
      client_auth = "private_key_jwt"
      private_key_file = "/key"
      assertion_certificate_file = "certificate"
      verify = "introspection"
      introspection = { client_id = "api", client_secret_file = "secret", private_key_file = "/key2" }

      """
    let draft = ConfigurationDraft(
      Secret(text), path: "\(directory.path)/k.toml", environment: ConfigurationText.environment)
    let configuration = try draft.get()
    let (certificate, secret) = ("\(directory.path)/certificate", "\(directory.path)/secret")
    #expect(Set(configuration.tokens[0].inputFiles) == ["/key", certificate, secret, "/key2"])
    #expect(configuration.relativeFiles == [certificate, secret])
    // A token must not be written over one of them.
    let file = "file = \"\(secret)\"\n"
    let broken = ConfigurationDraft(
      Secret(text.replacing("verify =", with: file + "verify =")), path: "\(directory.path)/k.toml",
      environment: ConfigurationText.environment)
    #expect(broken.diagnostics.map(\.message).contains { $0.contains("which it reads its settings from") })
  }

  private static func openssl(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
    process.arguments = arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }

  @Test func theCertificateMustBeOfTheKey() throws {
    let directory = try ConfigurationDirectory()
    let path = directory.path
    for name in ["own", "other"] {
      try Self.openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=gauge",
        "-keyout", "\(path)/\(name).key", "-out", "\(path)/\(name).crt")
      try #require(chmod("\(path)/\(name).key", 0o600) == 0)
    }
    let own = try String(contentsOfFile: "\(path)/own.crt", encoding: .utf8)
    let other = try String(contentsOfFile: "\(path)/other.crt", encoding: .utf8)
    let key = try String(contentsOfFile: "\(path)/own.key", encoding: .utf8)
    let damaged = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    let otherKey = "does not begin with the certificate of the key in 'DIR/own.key' -> write that certificate first"
    let cases: [(content: String?, mode: mode_t, fault: String?)] = [
      (own, 0o644, nil), (own + other, 0o644, nil), (key + own, 0o600, nil), (other, 0o644, otherKey),
      (other + own, 0o644, otherKey), (key, 0o600, "holds no certificate -> give a file with certificates in PEM form"),
      (damaged, 0o644, "holds a certificate that is damaged -> give a file with one in PEM form"),
      (key + own, 0o644, "is readable by other users (mode 0644) -> chmod 0600 DIR/certificate"),
      (nil, 0o600, "does not exist -> create it, or correct the path"),
    ]
    let client = "client_auth = \"private_key_jwt\"\nprivate_key_file = \"\(path)/own.key\"\n"
    let line = "assertion_certificate_file = \"\(path)/certificate\"\n"
    let table = "[token.k]\nissuer = \"https://a\"\nclient_id = \"c\"\n"
    let texts = [
      table + client + line,
      table + "client_secret = \"s\"\nverify = \"introspection\"\n"
        + "[token.k.introspection]\nclient_id = \"api\"\n" + client + line,
    ]
    for (content, mode, fault) in cases {
      if let content {
        try directory.write("certificate", content, mode: mode)
      } else {
        unlink("\(path)/certificate")
      }
      for text in texts {
        try directory.write("config.toml", text)
        var message: String?
        do throws(ConfigurationErrors) { _ = try Configuration.load(path: "\(path)/config.toml") } catch {
          message = error.diagnostics.map(\.message).joined(separator: "\n").replacing(path, with: "DIR")
          #expect(error.diagnostics.allSatisfy { $0.position?.line == text.split(separator: "\n").count })
        }
        #expect(message == fault.map { "'assertion_certificate_file': 'DIR/certificate' \($0)" })
      }
    }
  }
}
