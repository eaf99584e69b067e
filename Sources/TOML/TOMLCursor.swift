/// A place in the bytes of a TOML document. Every read is checked against the end.
package struct TOMLCursor {
  let bytes: UnsafeRawBufferPointer
  var offset = 0

  package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isAtEnd: Bool { offset >= bytes.count }

  /// The byte `distance` after the cursor, or nil past the end.
  func peek(_ distance: Int = 0) -> UInt8? {
    let place = offset + distance
    return place >= 0 && place < bytes.count ? bytes[place] : nil
  }

  /// Whether `text` comes next.
  package func isAt(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { expected in
      guard bytes.count - offset >= expected.count else { return false }
      for index in 0..<expected.count where bytes[offset + index] != expected[index] { return false }
      return true
    }
  }

  /// Steps over `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    offset += 1
    return true
  }

  /// Steps over a line break (LF or CRLF) if one comes next.
  mutating func takeNewline() -> Bool {
    if take(.lineFeed) { return true }
    guard peek() == .carriageReturn, peek(1) == .lineFeed else { return false }
    offset += 2
    return true
  }

  /// Steps over spaces and tabs.
  mutating func skipBlanks() {
    while let byte = peek(), byte == .space || byte == .tab { offset += 1 }
  }

  /// Steps over everything up to, not including, the end of the line.
  mutating func skipLine() {
    while let byte = peek(), byte != .lineFeed { offset += 1 }
  }

  /// Steps over a comment if one comes next, up to the end of its line.
  mutating func skipComment() throws(TOMLSyntaxError) {
    guard take(UInt8(ascii: "#")) else { return }
    while let byte = peek(), byte != .lineFeed, !isAt("\r\n") {
      guard !byte.isControl else {
        throw TOMLSyntaxError(offset: offset, message: "a control character in a comment; remove it")
      }
      offset += 1
    }
  }

  /// Steps over blanks, comments and line breaks.
  mutating func skipToContent() throws(TOMLSyntaxError) {
    repeat {
      skipBlanks()
      try skipComment()
    } while takeNewline()
  }
}

extension UInt8 {
  static let tab = UInt8(ascii: "\t")
  package static let lineFeed = UInt8(ascii: "\n")
  package static let carriageReturn = UInt8(ascii: "\r")
  static let space = UInt8(ascii: " ")
  package static let quotationMark = UInt8(ascii: "\"")
  static let apostrophe = UInt8(ascii: "'")
  package static let backslash = UInt8(ascii: "\\")

  /// A control character that TOML allows nowhere (a tab is no such).
  var isControl: Bool { (self < 0x20 && self != .tab) || self == 0x7f }

  package var isDigit: Bool { self >= 0x30 && self <= 0x39 }

  /// A character of a bare key.
  package var isBareKeyByte: Bool {
    isDigit || (self | 0x20 >= 0x61 && self | 0x20 <= 0x7a) || self == UInt8(ascii: "_") || self == UInt8(ascii: "-")
  }
}
