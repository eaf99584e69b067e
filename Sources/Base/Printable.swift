/// Text from elsewhere, made fit for a line of a log or a terminal.
public enum Printable {
  /// At most `length` characters, in quotes, escaped as by `escaped`.
  public static func shortened(_ text: some StringProtocol, to length: Int = 64) -> String {
    let scalars = text.unicodeScalars
    let start = String(String.UnicodeScalarView(scalars.prefix(length)))
    return "'" + escaped(start) + (scalars.count > length ? "…'" : "'")
  }

  /// All of it, with what a terminal might act on, or what hides in a text, written as an escape: control characters, line breaks,
  /// formats, characters of nobody's.
  public static func escaped(_ text: some StringProtocol) -> String {
    escaped(text, where: isHidden) { "\\u{\(String($0.value, radix: 16))}" }
  }

  /// The same for JSON: a parser turns these escapes into the characters again.
  ///
  /// - Parameter isDocument: whether to leave line breaks, which an encoder puts between members only.
  public static func escapedJSON(_ text: some StringProtocol, isDocument: Bool = false) -> String {
    escaped(text, where: { isHidden($0) && !(isDocument && $0 == "\n") }) { scalar in
      UTF16.encode(scalar).map { units in
        units.map { unit in
          let digits = String(unit, radix: 16)
          return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }.joined()
      } ?? ""
    }
  }

  private static func escaped(
    _ text: some StringProtocol, where isEscaped: (Unicode.Scalar) -> Bool, as escape: (Unicode.Scalar) -> String
  ) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      if isEscaped(scalar) { result += escape(scalar) } else { result.unicodeScalars.append(scalar) }
    }
    return result
  }

  private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    // The common case. The properties below need a search in tables.
    if (0x20..<0x7f).contains(scalar.value) { return false }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    // Fillers and selectors are invisible too.
    default: scalar.properties.isDefaultIgnorableCodePoint
    }
  }
}
