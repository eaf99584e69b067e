import Base

extension TOMLParser {
  /// Reads a string of any of the four kinds; the cursor is at its opening quote.
  mutating func readString() throws(TOMLSyntaxError) -> Secret {
    let start = cursor.offset
    stringBuffer.removeAll(keepingCapacity: true)
    if cursor.isAt("\"\"\"") || cursor.isAt("'''") {
      try readMultiLine(from: start)
    } else {
      try readSingleLine(from: start)
    }
    return Secret(stringBuffer)
  }

  private mutating func readSingleLine(from start: Int) throws(TOMLSyntaxError) {
    let quote = cursor.peek()
    cursor.offset += 1
    while let byte = cursor.peek() {
      if byte == quote {
        cursor.offset += 1
        return
      }
      if byte == .lineFeed || cursor.isAt("\r\n") { break }
      try readCharacter(byte, escapes: quote == .quotationMark)
    }
    throw TOMLSyntaxError(
      offset: start, message: "the string that begins here is not closed on its line", endsReading: true)
  }

  private mutating func readMultiLine(from start: Int) throws(TOMLSyntaxError) {
    guard let quote = cursor.peek() else { return }
    cursor.offset += 3
    _ = cursor.takeNewline()  // the one right behind the opening quotes is not part of the string
    while let byte = cursor.peek() {
      if byte == quote, cursor.peek(1) == quote, cursor.peek(2) == quote {
        cursor.offset += 3
        // Up to two more quotes belong to the string's end.
        for _ in 0..<2 where cursor.take(quote) { stringBuffer.append(quote) }
        return
      }
      if cursor.takeNewline() {
        stringBuffer.append(.lineFeed)
      } else if byte == .backslash, quote == .quotationMark, skipLineEndingBackslash() {
        continue
      } else {
        try readCharacter(byte, escapes: quote == .quotationMark)
      }
    }
    throw TOMLSyntaxError(
      offset: start, message: "the multi-line string that begins here is not closed", endsReading: true)
  }

  /// A backslash at a line's end, with all the white space behind it, stands for nothing.
  private mutating func skipLineEndingBackslash() -> Bool {
    var ahead = cursor
    ahead.offset += 1
    ahead.skipBlanks()
    guard ahead.takeNewline() else { return false }
    repeat { ahead.skipBlanks() } while ahead.takeNewline()
    cursor = ahead
    return true
  }

  private mutating func readCharacter(_ byte: UInt8, escapes: Bool) throws(TOMLSyntaxError) {
    guard !byte.isControl else {
      throw TOMLSyntaxError(
        offset: cursor.offset, message: "a control character in a string; write it as an escape such as \\t or \\u0007",
        endsReading: true)
    }
    if escapes, byte == .backslash {
      try readEscape()
    } else {
      stringBuffer.append(byte)
      cursor.offset += 1
    }
  }

  private mutating func readEscape() throws(TOMLSyntaxError) {
    let start = cursor.offset
    let letter = cursor.peek(1)
    cursor.offset += 2
    switch letter {
    case UInt8(ascii: "b"): stringBuffer.append(0x08)
    case UInt8(ascii: "t"): stringBuffer.append(.tab)
    case UInt8(ascii: "n"): stringBuffer.append(.lineFeed)
    case UInt8(ascii: "f"): stringBuffer.append(0x0c)
    case UInt8(ascii: "r"): stringBuffer.append(.carriageReturn)
    case UInt8.quotationMark: stringBuffer.append(.quotationMark)
    case UInt8.backslash: stringBuffer.append(.backslash)
    case UInt8(ascii: "u"): try readUnicodeEscape(digits: 4, from: start)
    case UInt8(ascii: "U"): try readUnicodeEscape(digits: 8, from: start)
    default:
      throw TOMLSyntaxError(
        offset: start,
        message: "this escape does not exist; for a backslash itself write \\\\ or put the string into single quotes",
        endsReading: true)
    }
  }

  private mutating func readUnicodeEscape(digits: Int, from start: Int) throws(TOMLSyntaxError) {
    var value: UInt32 = 0
    for _ in 0..<digits {
      guard let digit = cursor.peek()?.hexadecimalValue else {
        throw TOMLSyntaxError(
          offset: start, message: "\\\(digits == 4 ? "u" : "U") takes exactly \(digits) hexadecimal digits",
          endsReading: true)
      }
      value = value << 4 | UInt32(digit)
      cursor.offset += 1
    }
    guard let scalar = Unicode.Scalar(value) else {
      throw TOMLSyntaxError(offset: start, message: "this escape is no Unicode character", endsReading: true)
    }
    stringBuffer.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }
}

extension UInt8 {
  /// The value of a hexadecimal digit.
  var hexadecimalValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }
}
