/// A character that word processors and web pages write in place of a plain one. It is hard to see.
package enum Lookalike: Hashable, Sendable {
  /// A typographic quote in place of `"` or `'`.
  case quote(Unicode.Scalar)
  /// A space other than U+0020.
  case space(Unicode.Scalar)
  /// A character without a shape.
  case invisible(Unicode.Scalar)

  /// `nil` for any other character, control characters included.
  package init?(_ scalar: Unicode.Scalar) {
    guard scalar.value > 0x9f else { return nil }
    switch scalar.value {
    case 0x2018...0x201f, 0x2039, 0x203a, 0xab, 0xbb, 0x2032, 0x2033, 0x301d...0x301f, 0xff02, 0xff07, 0xb4:
      self = .quote(scalar)
    default:
      if scalar.properties.generalCategory == .spaceSeparator {
        self = .space(scalar)
      } else if Printable.isHidden(scalar) {
        self = .invisible(scalar)
      } else {
        return nil
      }
    }
  }

  /// The first one in `bytes` before the end of the line, with the offsets of its bytes. Invalid UTF-8 ends the search.
  package static func first(in bytes: some Sequence<UInt8>) -> (range: Range<Int>, lookalike: Lookalike)? {
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var offset = 0
    while case .valid(let encoded) = parser.parseScalar(from: &iterator) {
      let scalar = UTF8.decode(encoded)
      if scalar == "\n" { return nil }
      if let found = Lookalike(scalar) { return (offset..<(offset + encoded.count), found) }
      offset += encoded.count
    }
    return nil
  }

  /// The character with its code point: "a typographic quote (U+201C)".
  package var name: String {
    switch self {
    case .quote(let scalar): "a typographic quote (\(scalar.codePoint))"
    case .space(let scalar):
      ["\u{a0}", "\u{202f}"].contains(scalar)
        ? "a no-break space (\(scalar.codePoint))" : "a typographic space (\(scalar.codePoint))"
    case .invisible("\u{feff}"): "a byte order mark (U+FEFF)"
    case .invisible("\u{200b}"): "a zero-width space (U+200B)"
    case .invisible(let scalar): "an invisible character (\(scalar.codePoint))"
    }
  }

  /// What to do about it in a text that must not contain it.
  package var remedy: String {
    switch self {
    case .quote: "write a plain quote, \" or '"
    case .space: "write a plain space"
    case .invisible: "remove it"
    }
  }
}

extension Unicode.Scalar {
  /// The code point, such as `U+00A0`.
  package var codePoint: String {
    let digits = String(value, radix: 16, uppercase: true)
    return "U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// The encodings that editors mark, or that are mistaken for UTF-8.
package enum TextEncoding {
  /// The byte order mark in UTF-8. Windows editors begin files with it. It is no part of the text.
  package static let mark: [UInt8] = [0xef, 0xbb, 0xbf]

  /// Whether a text is in UTF-16, with or without a byte order mark.
  package static func isUTF16(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count >= 2 else { return false }
    if (bytes[0], bytes[1]) == (0xff, 0xfe) || (bytes[0], bytes[1]) == (0xfe, 0xff) { return true }
    // Two characters of ASCII.
    return bytes.count >= 4
      && [0, 1].contains { bytes[$0] == 0 && bytes[$0 + 2] == 0 && bytes[1 - $0] != 0 && bytes[3 - $0] != 0 }
  }
}
