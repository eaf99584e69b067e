import TOMLKit
@testable import Base
@testable import TOML

/// One document as two readers see it, in one notation: equal texts mean equal documents.
enum TOMLOracle {
  /// What the daemon's own reader makes of `text`; nil if it refuses it.
  static func ours(_ text: String) -> String? {
    Secret(text).withBytes { bytes in
      let document = TOMLParser.parse(bytes)
      return document.errors.isEmpty ? show(document.root) : nil
    }
  }

  /// The result of toml++ for `text`; nil if it refuses the text.
  ///
  /// toml++ must not get keys and values that are missing or malformed (`[.a]`, `d = 1979-05-27 4`). Its assertions
  /// would end the process, also in release builds. A text that the daemon's reader refuses for such a fault counts as
  /// refused.
  static func theirs(_ text: String) -> String? {
    guard !endsTomlPlusPlus(text) else { return nil }
    return (try? TOMLTable(string: text)).map(show)
  }

  /// How the messages of the daemon's reader begin if toml++ must not be asked.
  static let guardedMessages = ["expected a key", "a value is missing"]

  static func messages(_ text: String) -> [String] {
    Secret(text).withBytes { TOMLParser.parse($0).errors.map(\.message) }
  }

  private static func endsTomlPlusPlus(_ text: String) -> Bool {
    let errors = messages(text)
    guard !errors.isEmpty else { return false }
    let dateMarks = zip(text.utf8, text.utf8.dropFirst()).contains { first, second in
      first.isDigit && (second == UInt8(ascii: "-") || second == UInt8(ascii: ":"))
    }
    return dateMarks
      || errors.contains { error in guardedMessages.contains { error.hasPrefix($0) } }
  }

  private static func show(_ map: TOMLMap) -> String {
    let entries = map.entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    return "{" + entries.map { "\(Array($0.name.utf8)): \(show($0.value))" }.joined(separator: ", ") + "}"
  }

  static func show(_ node: TOMLNode) -> String {
    switch node.content {
    case .string(let secret): "string \(secret.withBytes { Array($0) })"
    case .integer(let value): "integer \(value)"
    case .float(let value): "float \(value.isNaN ? "nan" : "\(value)")"
    case .boolean(let value): "boolean \(value)"
    case .dateTime: "date"
    case .array(let elements): "[" + elements.map(show).joined(separator: ", ") + "]"
    case .table(let map): show(map)
    case .invalid: "invalid"
    }
  }

  private static func show(_ table: TOMLTable) -> String {
    let keys = table.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return "{" + keys.map { "\(Array($0.utf8)): \(table[$0].map(show) ?? "?")" }.joined(separator: ", ") + "}"
  }

  private static func show(_ value: any TOMLValueConvertible) -> String {
    switch value.type {
    case .string: "string \(Array((value.string ?? "").utf8))"
    case .int: "integer \(value.int ?? 0)"
    case .double: "float \((value.double ?? 0).isNaN ? "nan" : "\(value.double ?? 0)")"
    case .bool: "boolean \(value.bool ?? false)"
    case .date, .time, .dateTime: "date"
    case .array: "[" + (value.array.map { $0.map { show($0) } } ?? []).joined(separator: ", ") + "]"
    case .table: value.table.map(show) ?? "?"
    }
  }
}
