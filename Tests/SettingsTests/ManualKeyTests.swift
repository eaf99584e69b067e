import Foundation
import Testing
@testable import Settings

/// konexus-tokend.toml(5), config/config.toml and the keys of the code agree.
@Suite struct ManualKeyTests {
  /// The first line below a key of the manual: `Takes TYPE. Required. Example: VALUE`. A key with a default has it in
  /// the line before, and neither `Required.` nor `Optional.`.
  private struct Entry {
    let table: String
    let key: String
    let type: String
    let isRequired: Bool
    let example: String
  }

  private static func text(_ path: String) throws -> String {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  private static func entries() throws -> [Entry] {
    let lines = try text("systemd/man/konexus-tokend.toml.5.scd").replacing("\\", with: "").split(separator: "\n")
    var (table, entries) = ("", [Entry]())
    for (line, next) in zip(lines, lines.dropFirst()) {
      if line.hasPrefix("# ") {
        table = line.dropFirst(2).filter { $0 != "[" && $0 != "]" }
      } else if let key = line.firstMatch(of: /^\*(\w+)\*( = |$)/) {
        let takes = try #require(
          next.wholeMatch(of: /\tTakes (.+?)\.( Required\.| Optional\.)? Example: \*(.+)\*/),
          "\(table) \(key.1): \(next)")
        let hasDefault = !key.2.isEmpty
        try #require(hasDefault == (takes.2 == nil), "\(table) \(key.1): a default, 'Required.' or 'Optional.'")
        entries.append(
          Entry(
            table: table, key: String(key.1), type: String(takes.1), isRequired: takes.2 == " Required.",
            example: String(takes.3)))
      }
    }
    return entries
  }

  /// The values of `config/config.toml`, by table and key.
  private static func sample() throws -> [String: String] {
    var (table, values) = ("", [String: String]())
    for line in try text("config/config.toml").split(separator: "\n") {
      if let head = line.wholeMatch(of: /#?\[+([^\]]+)\]+/) {
        table = String(head.1).replacing("konexus", with: "NAME")
      } else if let setting = line.wholeMatch(of: /#?(\w+) = (.*)/) {
        values["\(table) \(setting.1)"] = String(setting.2)
      }
    }
    return values
  }

  @Test func theTypesAreThoseOfTheCode() throws {
    let documented = try Self.entries().map { "\($0.table) \($0.key): \($0.type)" }
    #expect(documented.sorted() == ConfigurationKeys.all.map { "\($0.table) \($0.name): \($0.type)" }.sorted())
  }

  /// A table without one of the required keys is rejected, and the error names the key.
  @Test func theRequiredKeysAreThoseOfTheCode() throws {
    let required = try Self.entries().filter(\.isRequired).map { "\($0.table) \($0.key)" }
    #expect(
      Set(required) == [
        "token.NAME issuer", "token.NAME client_id", "token.NAME.introspection client_id",
        "token.NAME.signal pid_file",
      ])
    let tables = [
      "token.NAME": "[token.k]\n",
      "token.NAME.introspection": "[token.k]\nverify = 'introspection'\n[token.k.introspection]\nclient_secret = 's'\n",
      "token.NAME.signal": "[token.k]\n[token.k.signal]\n",
    ]
    for entry in try Self.entries() where entry.isRequired {
      let errors = ConfigurationText.errors(try #require(tables[entry.table]))
      #expect(errors.contains(entry.key), "\(entry.table) \(entry.key): \(errors)")
    }
  }

  /// The example of a key without a default is that of the sample. One of a key with a default is another value that
  /// the key takes.
  @Test func theExamplesAreAccepted() throws {
    let sample = try Self.sample()
    for entry in try Self.entries() {
      let key = try #require(ConfigurationKeys.all.first { $0.table == entry.table && $0.name == entry.key })
      let name = "\(entry.table) \(entry.key)"
      if let value = key.defaultValue {
        #expect(entry.example != value, "\(name)")
        #expect(Self.typeErrors(of: entry) == "", "\(name)")
      } else if let value = sample[name] {
        #expect(entry.example == value, "\(name)")
      }
    }
  }

  /// The errors of a configuration with this setting that are about the value itself, and not about what it needs.
  private static func typeErrors(of entry: Entry) -> String {
    let table = entry.table.replacing("NAME", with: "k")
    let head = entry.table.hasSuffix("output") ? "[[\(table)]]" : "[\(table)]"
    return ConfigurationText.errors("\(head)\n\(entry.key) = \(entry.example)\n").split(separator: "\n")
      .filter { $0.contains("'\(entry.key)' takes") || $0.contains("'\(entry.key)' is") || $0.contains("unknown") }
      .joined(separator: "\n")
  }
}
