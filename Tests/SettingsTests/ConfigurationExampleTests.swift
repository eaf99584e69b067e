import FoundationEssentials
import Testing
@testable import Settings

/// `config/config.toml` documents all keys with their defaults.
@Suite struct ConfigurationExampleTests {
  /// A setting of the file, mostly commented out, `#key = value`, with its table and the text above it.
  private struct Line {
    let table: String
    let key: String
    let value: String
    let prose: String
  }

  private static func fileText() throws -> String {
    // Tests/SettingsTests/X.swift: three steps up.
    let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    let data = try #require(FileManager.default.contents(atPath: "\(root)/config/config.toml"))
    return String(decoding: data, as: UTF8.self)
  }

  private static func lines() throws -> [Line] {
    var (table, prose, lines) = ("", "", [Line]())
    for line in try fileText().split(separator: "\n", omittingEmptySubsequences: false) {
      if line.isEmpty {
        prose = ""
      } else if line.hasPrefix("# ") || line == "#" {
        prose += line.dropFirst()
      } else if let head = line.wholeMatch(of: /#?\[+([^\]]+)\]+/) {
        table = String(head.1).replacing("konexus", with: "NAME")
      } else if let setting = line.wholeMatch(of: /#?(\w+) = (.*)/) {
        lines.append(Line(table: table, key: String(setting.1), value: String(setting.2), prose: prose))
      } else {
        Issue.record("neither prose nor a setting: \(line)")
      }
    }
    return lines
  }

  @Test func theDocumentedKeysAreTheKnownOnes() throws {
    let documented = try Self.lines().map { "[\($0.table)] \($0.key)" }
    #expect(Set(documented).count == documented.count)
    // The inline table of `signal` shows its fields. That of `introspection` shows what it needs.
    for table in Self.inlineTables {
      let fields = ConfigurationKeys.all.filter { $0.table == "token.NAME.\(table)" }.map(\.name)
      let line = try #require(try Self.lines().first { $0.key == table })
      let shown = line.value.matches(of: #/(\w+) = /#).map { String($0.1) }
      #expect(Set(shown).isSubset(of: fields) && (table == "introspection" || shown.count == fields.count))
    }
    let known = ConfigurationKeys.all.filter { !Self.isInline($0) }.map { "[\($0.table)] \($0.name)" }
    #expect(Set(documented) == Set(known + Self.inlineTables.map { "[token.NAME] \($0)" }))
  }

  /// The tables that the file shows in one line.
  private static let inlineTables = ["introspection", "signal"]

  private static func isInline(_ entry: ConfigurationKeys.Entry) -> Bool {
    inlineTables.contains { entry.table == "token.NAME.\($0)" }
  }

  /// The commented-out value is the default. A key without a default says so and shows an example.
  @Test func theDocumentedDefaultsAreTheOnesThatHold() throws {
    for entry in ConfigurationKeys.all where !Self.isInline(entry) && entry.table != "token.NAME.output" {
      let line = try #require(try Self.lines().first { $0.table == entry.table && $0.key == entry.name })
      if let value = entry.defaultValue {
        #expect(line.value == value.replacing("NAME", with: "konexus"), "\(entry.name)")
        #expect(!line.prose.contains("Default:"), "\(entry.name)")
      } else {
        #expect(line.prose.contains("Default:") || line.prose.contains("No default."), "\(entry.name)")
      }
    }
  }

  /// A file with all defaults has the same meaning as one without them.
  @Test func theDeclaredDefaultsAreTheOnesOfTheTypes() throws {
    let least = "issuer = 'https://a'\nclient_id = 'c'\nclient_auth = 'auto'\nclient_secret = 's'\n"
    func defaults(_ table: String) -> String {
      ConfigurationKeys.all
        .filter { $0.table == table && $0.name != "client_auth" }
        .compactMap { entry in entry.defaultValue.map { "\(entry.name) = \($0.replacing("NAME", with: "k"))\n" } }
        .joined()
    }
    let short = try ConfigurationText.parse("[token.k]\n\(least)")
    let client = "[token.k.introspection]\nclient_id = 'c'\nclient_secret = 's'\n"
    let introspected = "[token.k]\n\(least)verify = 'introspection'\n\(client)"
    let withDefaults = introspected + "client_auth = 'auto'\n\(defaults("token.NAME.introspection"))"
    #expect(try ConfigurationText.parse(introspected) == ConfigurationText.parse(withDefaults))
    let long = try ConfigurationText.parse(
      "[daemon]\n\(defaults("daemon"))[token.k]\n\(least)\(defaults("token.NAME"))")
    #expect(short == long)
    let outputs = try ConfigurationText.parse(
      "[token.k]\n\(least)[[token.k.output]]\npath = '/x'\n\(defaults("token.NAME.output"))")
    #expect(outputs.tokens.first?.outputs.last == TokenOutput(path: "/x"))
    let signal = try ConfigurationText.parse(
      "[token.k]\n\(least)[token.k.signal]\npid_file = '/x'\n\(defaults("token.NAME.signal"))")
    #expect(signal.tokens.first?.signal == ReaderSignal(pidFile: "/x"))
    #expect(ConfigurationKeys.all.first { $0.name == "client_auth" }?.defaultValue == "\"client_secret_post\"")
    #expect(TokenSettings(name: "k").clientAuthentication == .post)
  }

  /// The first four lines of the installed file must be filled in. Its only errors are their placeholders.
  @Test func theFileWorksOnceItIsFilledIn() throws {
    let text = try Self.fileText()
    let settings = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    #expect(settings.map { $0.prefix { $0 != " " } } == ["[token.konexus]", "issuer", "client_id", "client_secret"])
    let errors = ConfigurationText.errors(text)
    #expect(errors.contains("'client_id' is the sample's") && errors.contains("'client_secret' is a placeholder"))
    let filled = text.replacing("\"SECRET\"", with: "\"a-secret-of-this-test\"")
      .replacing("ext-1741-sample-client", with: "ext-2000-springfield")
    #expect(ConfigurationText.errors(filled) == "")
    // Together they contradict each other: there are two sources of the secret. The files do not exist.
    let everything = filled.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.hasPrefix("#") && !line.hasPrefix("# ") ? String(line.dropFirst()) : String(line)
    }
    do throws(ConfigurationErrors) {
      _ = try ConfigurationText.parse(everything.joined(separator: "\n"))
      Issue.record("accepted")
    } catch {
      let files = [
        "client_secret_file", "private_key_file", "client_certificate_file", "client_key_file", "ca_file",
        "assertion_certificate_file", "introspection.client_secret_file",
      ]
      let alternatives = [
        "client_secret_file", "basic_encoding", "private_key_file", "key_id", "assertion_algorithm",
        "assertion_audience", "introspection", "introspection_endpoint", "revocation_endpoint",
        // A second source of the secret, and a template for another format.
        "client_secret", "output.template",
      ]
      let allowed = Set((files + alternatives).map { "token.konexus.\($0)" })
      #expect(error.diagnostics.allSatisfy { $0.key.map(allowed.contains) == true }, "\(error)")
    }
  }
}
