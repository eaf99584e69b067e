extension StringProtocol {
  /// This text, which came from elsewhere, made fit for a message or a log: in double quotes, at most 64 characters of it, and with
  /// everything but printable ASCII escaped, so that it can neither forge a log line nor move a terminal's cursor.
  package var quotedForMessage: String { "\"\(escapedForMessage)\"" }

  /// As `quotedForMessage`, without the quotes.
  package var escapedForMessage: String {
    var text = ""
    var taken = 0
    for scalar in unicodeScalars {
      if taken == 64 { return text + "..." }
      taken += 1
      switch scalar {
      case "\\", "\"": text += "\\\(scalar)"
      case " "..."~": text.unicodeScalars.append(scalar)
      default: text += "\\u{\(String(scalar.value, radix: 16))}"
      }
    }
    return text
  }

  /// Whether both have the same Unicode code points. Swift's `==` takes canonically equivalent texts for equal (the Kelvin sign and
  /// `K`), which RFC 7515 section 5.3 and RFC 3986 section 6.2.1 do not.
  package func isExactly(_ other: some StringProtocol) -> Bool {
    utf8.elementsEqual(other.utf8)
  }
}
