/// Forms of text from elsewhere that are safe in a message, a log or a terminal.
///
/// What is *hidden* becomes an escape: control characters, line breaks, characters without a shape, and those that
/// change the direction of writing. Otherwise the text could forge a line of the log, or control the terminal.
public enum Printable {
  /// The text with hidden characters as escapes: `\n`, `\u{1b}`.
  ///
  /// - Parameter kept: characters that stay as they are.
  public static func escaped(_ text: some StringProtocol, keeping kept: String = "") -> String {
    escaped(text, where: { isHidden($0) && !kept.unicodeScalars.contains($0) }, as: escape)
  }

  /// At most `length` characters of the text, escaped as by ``escaped(_:keeping:)``, in single quotes.
  public static func quoted(_ text: some StringProtocol, to length: Int = 64) -> String {
    let scalars = text.unicodeScalars
    let start = String(String.UnicodeScalarView(scalars.prefix(length)))
    return "'" + escaped(start) + (scalars.count > length ? "…'" : "'")
  }

  /// At most `length` characters of the text, with an escape for everything but printable ASCII, for `"` and for `\`.
  ///
  /// For names that are compared byte by byte: letters of other scripts can look like ASCII.
  public static func escapedASCII(_ text: some StringProtocol, to length: Int = 64) -> String {
    let scalars = text.unicodeScalars
    let start = String(String.UnicodeScalarView(scalars.prefix(length)))
    let isPlain: (Unicode.Scalar) -> Bool = { (" "..."~").contains($0) && $0 != "\"" && $0 != "\\" }
    return escaped(start, where: { !isPlain($0) }, as: escape) + (scalars.count > length ? "..." : "")
  }

  /// JSON text with hidden characters as JSON's own escapes, which a parser turns into the characters again.
  ///
  /// - Parameter isDocument: whether to leave line breaks, which an encoder puts between members only.
  public static func escapedJSON(_ text: some StringProtocol, isDocument: Bool = false) -> String {
    escaped(text, where: { isHidden($0) && !(isDocument && $0 == "\n") }, as: escapeJSON)
  }

  /// A JSON string (RFC 8259, section 7) that stands for the text, with hidden characters as escapes.
  public static func quotedJSON(_ text: some StringProtocol) -> String {
    "\"" + escaped(text, where: { isHidden($0) || $0 == "\"" || $0 == "\\" }, as: escapeJSON) + "\""
  }

  private static func escaped(
    _ text: some StringProtocol, where isEscaped: (Unicode.Scalar) -> Bool, as escape: (Unicode.Scalar) -> String
  ) -> String {
    guard text.unicodeScalars.contains(where: isEscaped) else { return String(text) }
    var result = ""
    for scalar in text.unicodeScalars {
      if isEscaped(scalar) { result += escape(scalar) } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    shortEscape(scalar) ?? "\\u{\(String(scalar.value, radix: 16))}"
  }

  private static func escapeJSON(_ scalar: Unicode.Scalar) -> String {
    if let escape = shortEscape(scalar) { return escape }
    return UTF16.encode(scalar).map { units in
      units.map { unit in
        let digits = String(unit, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }.joined()
    } ?? ""
  }

  private static func shortEscape(_ scalar: Unicode.Scalar) -> String? {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    case "\"", "\\": "\\\(scalar)"
    default: nil
    }
  }

  /// Whether the character has no shape of its own, or controls a terminal.
  static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    // The common case. The properties below need a search in tables.
    if (0x20..<0x7f).contains(scalar.value) { return false }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    // Fillers and selectors are invisible too.
    default: scalar.properties.isDefaultIgnorableCodePoint
    }
  }
}

extension StringProtocol {
  /// The text as by ``Printable/escapedASCII(_:to:)``, at most 64 characters of it.
  package var escapedForMessage: String { Printable.escapedASCII(self) }

  /// As `escapedForMessage`, in double quotes.
  package var quotedForMessage: String { "\"\(escapedForMessage)\"" }
}

extension String {
  /// The text as by ``Printable/escaped(_:keeping:)``.
  package var printable: String { Printable.escaped(self) }

  /// The text as one argument of a shell command.
  package var shellQuoted: String {
    // A name with control characters cannot be typed: $'...' has escapes for them.
    if printable != self { return "$'" + utf8.map(Self.shellEscape).joined() + "'" }
    let isWord = !isEmpty && utf8.allSatisfy(Self.isPlain)
    return isWord
      ? self : "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// Whether a shell takes the byte literally, at any place of an argument.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "_-/.,:=@%+".utf8.contains(byte)
    }
  }

  private static func shellEscape(_ byte: UInt8) -> String {
    switch byte {
    case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
    case 0x20..<0x7f: String(UnicodeScalar(byte))
    default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
  }
}
