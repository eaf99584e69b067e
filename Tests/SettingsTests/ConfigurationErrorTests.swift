import Testing
@testable import Base
@testable import Settings

/// A faulty configuration and its diagnostics.
struct ConfigurationErrorCase: CustomTestStringConvertible, Sendable {
  let name: String
  let text: String
  let expected: String

  init(_ name: String, _ text: String, _ expected: String) {
    self.name = name
    self.text = text
    self.expected = expected
  }

  var testDescription: String { name }

  /// A valid `[token.konexus]` table, and `lines` below it from line 5 on.
  static func token(_ lines: String) -> String {
    """
    [token.konexus]
    issuer = "https://auth.alertsense.com"
    client_id = "c"
    client_secret = "s3cr3t-value"
    \(lines)
    """
  }

  static let all =
    tables + client + server + request + acceptance + outputs + templates + syntax + characters
}

@Suite struct ConfigurationErrorTests {
  @Test(arguments: ConfigurationErrorCase.all)
  func everythingThatIsWrongIsToldInWholeAndWithoutSecrets(_ wrong: ConfigurationErrorCase) {
    let errors = ConfigurationText.errors(wrong.text)
    #expect(errors == wrong.expected)
    for part in ["s3cr3t", "S3cret", "481516", "hunter2", "czNj"] {
      #expect(!errors.contains(part))
    }
  }

  @Test func bytesThatAreNotUTF8AreToldByTheirPlace() throws {
    let text = Array("[token.konexus]\nclient_secret = \"s3cr3t".utf8) + [0xff] + Array("\"\n".utf8)
    #expect(throws: ConfigurationErrors.self) {
      _ = try Configuration.parse(Secret(text), path: "/etc/k.toml", environment: ConfigurationText.environment)
    }
    do {
      _ = try Configuration.parse(Secret(text), path: "/etc/k.toml", environment: ConfigurationText.environment)
    } catch {
      #expect(error.description == "/etc/k.toml:2:24: error: syntax: this byte is not UTF-8; save the file as UTF-8")
    }
  }

  /// A diagnostic has its key and place apart from its text, for `check --json`.
  @Test func aDiagnosticNamesItsKeyAndPlace() {
    do throws(ConfigurationErrors) {
      _ = try ConfigurationText.parse(ConfigurationErrorCase.token("timeout = 0\nscop = 'x'"))
      Issue.record("accepted")
    } catch {
      #expect(error.diagnostics.map(\.key) == ["token.konexus.timeout", "token.konexus.scop"])
      #expect(error.diagnostics.map(\.position?.line) == [5, 6])
      #expect(error.diagnostics.map(\.position?.column) == [11, 1])
      #expect(error.diagnostics.map(\.file) == ["/etc/k.toml", "/etc/k.toml"])
    }
  }

  /// The diagnostics of a file that is damaged at random places show none of its secrets.
  @Test(arguments: 0..<8) func noSecretShowsHoweverAFileIsBroken(_ shard: UInt64) {
    let secrets = ["s3cr3t-v4lu3", "Zm9v/YmFy=cXV4+MTIz", "pa55 w0rd.[w1th]#m4rk5"]
    let pieces = ["\n", "\"", "'", "\"\"\"", "'''", "=", " ", "[", "]", "{", "}", "#", ",", ".", "\\", "\t", "x"]
    var generator = SplitMix64(seed: shard)
    for round in 0..<250 {
      let secret = secrets[round % secrets.count]
      let lines = [
        "[daemon]", "log_level = \"info\"", "[token.konexus]", "issuer = \"https://auth.alertsense.com\"",
        "client_id = \"c\"", "client_secret = [\"\(secret)\", '\(secret)']",
        "extra_parameters = { tenant = \"\(secret)\" }", "proxy = \"http://u:\(secret)@proxy:1\"", "timeout = \"30s\"",
      ]
      var text = Array(lines.joined(separator: "\n").unicodeScalars)
      // Not within the secrets: a part of a secret is not searched for.
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        let place = Self.placeOutside(secret, in: text, using: &generator)
        let piece = Array((pieces.randomElement(using: &generator) ?? "").unicodeScalars)
        if Bool.random(using: &generator), place < text.count {
          text.replaceSubrange(place...place, with: piece)
        } else {
          text.insert(contentsOf: piece, at: place)
        }
      }
      let broken = String(String.UnicodeScalarView(text))
      let errors = ConfigurationText.errors(broken)
      for part in [secret.prefix(5), secret.suffix(5)] {
        #expect(!errors.contains(part), "shard \(shard), round \(round):\n\(broken)\n\(errors)")
      }
    }
  }

  private static func placeOutside(
    _ secret: String, in text: [Unicode.Scalar], using generator: inout SplitMix64
  ) -> Int {
    let secret = Array(secret.unicodeScalars)
    while true {
      let place = Int.random(in: 0...text.count, using: &generator)
      let isWithin = (max(0, place - secret.count + 1)...place).contains { start in
        start + secret.count <= text.count && Array(text[start..<(start + secret.count)]) == secret
      }
      if !isWithin { return place }
    }
  }
}
