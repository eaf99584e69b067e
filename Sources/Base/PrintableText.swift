extension String {
  /// The text with everything that a terminal might act on, or that hides in it, written as an escape.
  package var printable: String { Printable.escaped(self) }

  /// The text as one word of a shell command.
  package var shellQuoted: String {
    let plain = printable
    // A name with control characters cannot be typed as it is: $'...' takes the escapes.
    if plain != self { return "$'" + utf8.map(Self.shellEscape).joined() + "'" }
    let isWord = !isEmpty && utf8.allSatisfy(Self.isPlain)
    return isWord
      ? self : "'" + split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }

  /// Whether a shell takes the byte for nothing but itself, wherever it stands in a word.
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
