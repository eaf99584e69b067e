import Base
import TOML

/// A fault of a value.
struct SettingFault: Error {
  /// The end of a sentence that starts with the key's name, such as `is 12; give 1 to 5`.
  var message: String
  /// The part of the value that is wrong; `nil` for all of it.
  var range: Range<Int>?
  /// The bytes of a string's value that are wrong; `range` is then the string, or `nil` for the whole value.
  var part: Range<Int>?
  /// Whether messages must not show the value, because it can be a secret in the wrong place.
  var hidesValue = false
}

/// A type of setting: its name, and the function that reads a value.
struct SettingType<Value>: Sendable {
  /// The name in messages and in the manual, as in "a string" or "an integer from 1 to 1000".
  let name: String
  let read: @Sendable (TOMLNode, SettingContext) throws(SettingFault) -> Value
}

/// The context of a value that is read.
struct SettingContext: Sendable {
  /// The configuration file, for commands in messages.
  let file: String
  /// The directory of the configuration file, where relative paths start.
  let directory: String
  /// Whether the value must not appear in messages.
  let isSecret: Bool
  /// The files that replace relative paths, by name.
  let credentialSources: [String: String]

  /// The absolute path for a path in the configuration.
  func resolve(_ path: String) -> String {
    path.hasPrefix("/") ? path : credentialSources[path] ?? directory + "/" + path
  }
}

extension SettingType {
  /// The fault of a value with the wrong type.
  static func mismatch(_ name: String, _ node: TOMLNode, _ context: SettingContext, hint: String = "") -> SettingFault {
    let value = context.isSecret ? node.kind : node.shownPlain ?? node.kind
    return SettingFault(message: "takes \(name), not \(value)\(hint)", range: node.range)
  }
}

extension TOMLNode {
  /// The text of a string.
  var string: String? {
    if case .string(let secret) = content { secret.exposed } else { nil }
  }

  /// A number or a boolean as messages show it.
  var plainText: String? {
    switch content {
    case .integer(let value): isOctal ? "0o\(String(value, radix: 8))" : "\(value)"
    case .float(let value): "\(value)"
    case .boolean(let value): "\(value)"
    default: nil
    }
  }

  /// A value with its type, as in "the integer 7".
  fileprivate var shownPlain: String? {
    guard let plainText else { return nil }
    return switch content {
    case .integer: "the integer \(plainText)"
    case .float: "the number \(plainText)"
    default: plainText
    }
  }
}

extension String {
  /// The text in quotes as messages show it. A long text is cut.
  ///
  /// A URL with a password is not shown, nor is a text of several lines: after a missing quote it can include a secret.
  var shown: String {
    if utf8.contains(.lineFeed) || (utf8.contains(UInt8(ascii: "@")) && utf8.contains(UInt8(ascii: ":"))) {
      return "'…'"
    }
    let text = printable
    return text.count <= 80 ? "'\(text)'" : "'\(text.prefix(60))…'"
  }
}

extension SettingType<Bool> {
  static let boolean = SettingType(name: "true or false") { node, context throws(SettingFault) in
    if case .boolean(let value) = node.content { return value }
    throw mismatch("true or false", node, context, hint: node.string == nil ? "" : "; leave out the quotes")
  }
}

extension SettingType<Int> {
  static func integer(_ range: ClosedRange<Int>) -> SettingType {
    let name = "an integer from \(range.lowerBound) to \(range.upperBound)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      guard case .integer(let value) = node.content else { throw mismatch(name, node, context) }
      guard let value = Int(exactly: value), range.contains(value) else {
        throw SettingFault(message: "is \(value); give \(name)")
      }
      return value
    }
  }
}

extension SettingType<Double> {
  static func fraction(_ range: ClosedRange<Double>) -> SettingType {
    let name = "a number from \(range.lowerBound) to \(range.upperBound)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      let value: Double
      switch node.content {
      case .float(let number): value = number
      case .integer(let number): value = Double(number)
      default: throw mismatch(name, node, context)
      }
      guard range.contains(value) else { throw SettingFault(message: "is \(node.plainText ?? ""); give \(name)") }
      return value
    }
  }
}

extension SettingType<UInt32> {
  /// A file mode as an octal string. The TOML integer `mode = 640` is decimal and would mean 01200.
  static let fileMode = SettingType(name: "a file mode in octal, as a string such as \"0640\"") {
    node, context throws(SettingFault) in
    let name = "a file mode in octal, as a string such as \"0640\""
    guard let text = node.string else {
      var hint = ""
      if case .integer(let value) = node.content, (0...7777).contains(value) {
        let digits = String(value, radix: node.isOctal ? 8 : 10)
        hint = node.isOctal ? "" : "; TOML's integers are decimal, so this is mode 0\(String(value, radix: 8))"
        hint += "; write mode = \"\(digits.count < 4 ? "0" : "")\(digits)\""
      }
      throw mismatch(name, node, context, hint: hint)
    }
    guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), text.utf8.first != UInt8(ascii: "+")
    else {
      throw SettingFault(message: "is \(text.shown); give three or four octal digits, such as \"0640\"")
    }
    guard mode <= 0o777 else {
      throw SettingFault(
        message: "is \(text.shown); set-user-ID, set-group-ID and sticky bits make no sense on a token")
    }
    guard mode & 0o400 != 0 else {
      throw SettingFault(
        message:
          "is \(text.shown); the daemon itself must be able to read the token: set the owner's read bit, as in \"0640\""
      )
    }
    guard mode & 0o002 == 0 else {
      throw SettingFault(
        message:
          "is \(text.shown), with which any user on this host could replace the token; clear the others' write bit, as "
          + "in \"0640\""
      )
    }
    guard mode & 0o111 == 0 else {
      throw SettingFault(
        message: "is \(text.shown), with which the token could be executed; clear the execute bits, as in \"0640\"")
    }
    return mode
  }
}

extension SettingType where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
  /// One of the names of `Value`'s cases.
  static func choice() -> SettingType {
    let names = Value.allCases.map(\.rawValue)
    let list = names.dropLast().map { "\"\($0)\"" }.joined(separator: ", ") + " or \"\(names.last ?? "")\""
    return SettingType(name: list) { node, context throws(SettingFault) in
      guard let text = node.string else { throw mismatch(list, node, context) }
      if let value = Value(rawValue: text) { return value }
      let meant = NearestName.to(text, among: names).map { "; did you mean \"\($0)\"?" } ?? "; give \(list)"
      throw SettingFault(message: "is \(text.shown)\(meant)")
    }
  }
}

extension SettingType<Duration> {
  /// Whole seconds as an integer, or a string of numbers with units: "30s", "2m", "1m30s", "1d".
  static func duration(_ range: ClosedRange<Duration>) -> SettingType {
    let name = "a duration in seconds, or with a unit as in \"30s\" or \"2m\""
    let limits = "give \(range.lowerBound.inUnits) to \(range.upperBound.inUnits)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      let value: Duration
      switch node.content {
      case .integer(let seconds):
        guard let whole = Int(exactly: seconds), abs(whole) <= 1_000_000_000 else {
          throw SettingFault(message: "is \(seconds) s; \(limits)")
        }
        value = .seconds(whole)
      case .string(let text):
        guard let parsed = Duration(units: text.exposed) else {
          throw SettingFault(
            message: "is \(text.exposed.shown); write a number and a unit (s, m, h or d), as in \"30s\" or \"2m\"")
        }
        value = parsed
      default:
        throw mismatch(name, node, context)
      }
      guard range.contains(value) else { throw SettingFault(message: "is \(value.inUnits); \(limits)") }
      return value
    }
  }
}

extension Duration {
  /// Parses "90s", "2m", "1m30s", "1h", "1d": whole numbers with units from large to small, each at most once.
  init?(units text: String) {
    var seconds = 0
    var rest = text.utf8[...]
    guard !rest.isEmpty else { return nil }
    let units = [
      (UInt8(ascii: "d"), 86_400), (UInt8(ascii: "h"), 3600), (UInt8(ascii: "m"), 60), (UInt8(ascii: "s"), 1),
    ]
    for (letter, length) in units {
      let digits = rest.prefix { $0.isDigit }
      guard !digits.isEmpty, rest.dropFirst(digits.count).first == letter else { continue }
      guard digits.count <= 7, let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
      seconds += number * length
      rest = rest.dropFirst(digits.count + 1)
    }
    guard rest.isEmpty else { return nil }
    self = .seconds(seconds)
  }

  /// The duration in the largest unit that gives a whole number: "30 s", "2 min", "90 s", "1 h", "1 d".
  var inUnits: String {
    let seconds = components.seconds
    if seconds != 0, seconds.isMultiple(of: 86_400) { return "\(seconds / 86_400) d" }
    if seconds != 0, seconds.isMultiple(of: 3600) { return "\(seconds / 3600) h" }
    if seconds != 0, seconds.isMultiple(of: 60) { return "\(seconds / 60) min" }
    return "\(seconds) s"
  }
}

extension Duration {
  /// Parses `30s`, `5m`, `1h30m`, `1d`, or a number of seconds, as in the configuration file; `nil` for other texts.
  public init?(settingText text: String) {
    if let seconds = Int(text), (0...1_000_000_000).contains(seconds), text.utf8.allSatisfy(\.isDigit) {
      self = .seconds(seconds)
    } else {
      self.init(units: text)
    }
  }
}
