/// `text` with each control character, line separator and change of writing direction as an escape (`\n`, `\u{1b}`), except those in `kept`.
///
/// Log lines quote what servers and files say: without this, that could forge further lines or steer the reader's terminal.
func escapingControlCharacters(in text: String, keeping kept: String = "") -> String {
  guard text.unicodeScalars.contains(where: { isUnsafe($0) && !kept.unicodeScalars.contains($0) }) else { return text }
  var escaped = ""
  for scalar in text.unicodeScalars {
    if !isUnsafe(scalar) || kept.unicodeScalars.contains(scalar) {
      escaped.unicodeScalars.append(scalar)
    } else {
      escaped += escape(of: scalar)
    }
  }
  return escaped
}

private func escape(of scalar: Unicode.Scalar) -> String {
  switch scalar {
  case "\n": "\\n"
  case "\r": "\\r"
  case "\t": "\\t"
  default: "\\u{\(String(scalar.value, radix: 16))}"
  }
}

private func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
  // Nearly everything is printable ASCII: no table look-up for that.
  if scalar.value >= 0x20 && scalar.value < 0x7f { return false }
  switch scalar.properties.generalCategory {
  case .control, .lineSeparator, .paragraphSeparator: return true
  case .format:
    switch scalar.value {
    case 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069: return true  // bidirectional marks, overrides and isolates
    default: return false
    }
  default: return false
  }
}
