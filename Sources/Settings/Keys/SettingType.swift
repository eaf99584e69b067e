import TOML

/// What is wrong with a value.
struct SettingFault: Error {
  /// To be read behind the key's name: "is 12; give 1 to 5".
  var message: String
  /// The part of the value at fault; nil: all of it.
  var range: Range<Int>?
  /// Whether the value must not be shown: it seems to be something secret in the wrong place.
  var hidesValue = false
}

/// A type of values of settings: what to call it, and how to read one.
struct SettingType<Value>: Sendable {
  /// For messages and for the manual, as in "a string" or "an integer from 1 to 1000".
  let name: String
  let read: @Sendable (TOMLNode, SettingContext) throws(SettingFault) -> Value
}

/// What a value is read in.
struct SettingContext: Sendable {
  /// Where a relative path begins: the directory of the configuration file.
  let directory: String
  /// Whether the value must not appear in messages.
  let isSecret: Bool
  /// Files that relative names stand for in place of those in `directory`.
  let credentialSources: [String: String]

  /// The file that a path in the configuration means.
  func resolve(_ path: String) -> String {
    path.hasPrefix("/") ? path : credentialSources[path] ?? directory + "/" + path
  }
}

extension SettingType {
  /// Refuses a value of the wrong type.
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

  /// A number or a boolean, as a message shows it.
  var plainText: String? {
    switch content {
    case .integer(let value): isOctal ? "0o\(String(value, radix: 8))" : "\(value)"
    case .float(let value): "\(value)"
    case .boolean(let value): "\(value)"
    default: nil
    }
  }

  /// "the integer 7".
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
  /// The text in quotes, cut if it is long, as a message shows it. Not shown are a URL with a password in it, and a text of several lines:
  /// quotes that went wrong further up may have made one of lines that hold a secret.
  var shown: String {
    if utf8.contains(.lineFeed) || (utf8.contains(UInt8(ascii: "@")) && utf8.contains(UInt8(ascii: ":"))) {
      return "'…'"
    }
    let text = printable
    return text.count <= 80 ? "'\(text)'" : "'\(text.prefix(60))…'"
  }
}
