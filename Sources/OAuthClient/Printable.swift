/// Text from elsewhere, made fit to stand in one line of a log.
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
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
