import Base

extension TOMLParser {
  /// The most levels of arrays and inline tables. It bounds the stack; real files have few.
  private static let maximumDepth = 64

  /// Reads a value of any type.
  mutating func readValue(depth: Int) throws(TOMLSyntaxError) -> TOMLNode {
    let start = cursor.offset
    guard depth < Self.maximumDepth else {
      throw TOMLSyntaxError(
        offset: start, message: "more than \(Self.maximumDepth) arrays and tables within each other", endsReading: true)
    }
    let content: TOMLNode.Content
    switch cursor.peek() {
    case .quotationMark?, .apostrophe?: content = .string(try readString())
    case UInt8(ascii: "["): content = .array(try readArray(depth: depth))
    case UInt8(ascii: "{"): content = .table(try readInlineTable(depth: depth))
    default:
      do throws(TOMLSyntaxError) {
        content = try readPlainValue()
      } catch {
        var error = error
        // Within brackets the next line is not a new statement.
        error.endsReading = depth > 0
        throw error
      }
    }
    let isOctal = cursor.bytes[start..<cursor.offset].starts(with: "0o".utf8)
    return TOMLNode(content: content, range: start..<cursor.offset, isOctal: isOctal)
  }

  private mutating func readArray(depth: Int) throws(TOMLSyntaxError) -> [TOMLNode] {
    let start = cursor.offset
    cursor.offset += 1
    var elements: [TOMLNode] = []
    do throws(TOMLSyntaxError) {
      while true {
        try cursor.skipToContent()
        if cursor.take(UInt8(ascii: "]")) { return elements }
        elements.append(try readValue(depth: depth + 1))
        try cursor.skipToContent()
        if cursor.take(UInt8(ascii: ",")) { continue }
        if cursor.take(UInt8(ascii: "]")) { return elements }
        throw cursor.isAtEnd
          ? TOMLSyntaxError(
            offset: start, message: "the array that begins here is not closed; write ']' behind its last element")
          : TOMLSyntaxError(offset: cursor.offset, message: "expected ',' or ']' behind an element of the array")
      }
    } catch {
      var error = error
      error.endsReading = true
      throw error
    }
  }

  private mutating func readInlineTable(depth: Int) throws(TOMLSyntaxError) -> TOMLMap {
    let map = TOMLMap(.dotted)
    cursor.offset += 1
    do throws(TOMLSyntaxError) {
      cursor.skipBlanks()
      if !cursor.take(UInt8(ascii: "}")) {
        repeat {
          try readAssignment(into: map, depth: depth + 1)
          cursor.skipBlanks()
        } while cursor.take(UInt8(ascii: ","))
        guard cursor.take(UInt8(ascii: "}")) else {
          throw TOMLSyntaxError(
            offset: cursor.offset, message: "expected ',' or '}' behind a value of the inline table, on the same line")
        }
      }
    } catch {
      var error = error
      error.endsReading = true
      throw error
    }
    map.seal()
    return map
  }

  /// Reads a value without quotes: a boolean, a number, a date or a time.
  private mutating func readPlainValue() throws(TOMLSyntaxError) -> TOMLNode.Content {
    let start = cursor.offset
    skipPlainValue()
    // `1979-05-27 07:32:00`: the one value with a space in it.
    if cursor.offset - start == 10, cursor.peek() == .space, cursor.peek(1)?.isDigit == true,
      cursor.peek(2)?.isDigit == true,
      cursor.peek(3) == UInt8(ascii: ":"), cursor.bytes[start + 4] == UInt8(ascii: "-")
    {
      cursor.offset += 1
      skipPlainValue()
    }
    let text = cursor.bytes[start..<cursor.offset]
    guard !text.isEmpty else { throw TOMLSyntaxError(offset: start, message: "a value is missing behind '='") }
    if let content = TOMLPlainValue.content(of: text) { return content }
    let message =
      if TOMLPlainValue.hasLeadingZero(text) {
        "a number does not begin with 0; a file's mode is a string, as in mode = \"0640\""
      } else if text.allSatisfy({ $0.isDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }) {
        "this number does not fit into 64 bits"
      } else {
        "this is not a value; put a string into quotes"
      }
    throw TOMLSyntaxError(offset: start, message: message)
  }

  private mutating func skipPlainValue() {
    while let byte = cursor.peek(), byte > .space, byte != UInt8(ascii: ","), byte != UInt8(ascii: "]"),
      byte != UInt8(ascii: "}"), byte != UInt8(ascii: "#")
    {
      cursor.offset += 1
    }
  }
}

extension TOMLMap {
  /// Closes an inline table, and the tables that dotted keys made in it. No statement can add to them later.
  fileprivate func seal() {
    origin = .inline
    for entry in entries {
      if case .table(let map) = entry.value.content { map.seal() }
    }
  }
}

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
    _ = cursor.takeNewline()  // a line break directly after the opening quotes is not part of the string
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

  /// Skips a backslash at a line's end, with all white space after it.
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
    let start = cursor.offset
    defer { notePlaces(from: start) }
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

/// The values without quotes: booleans, numbers, dates and times.
enum TOMLPlainValue {
  /// Nil if `text` is none of them.
  static func content(of text: some BidirectionalCollection<UInt8>) -> TOMLNode.Content? {
    // Such values have a few dozen characters at most. A longer text can be a secret without its quotes.
    guard text.count <= 128 else { return nil }
    let text = String(decoding: text, as: UTF8.self)
    switch text {
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    case "inf", "+inf": return .float(.infinity)
    case "-inf": return .float(-.infinity)
    case "nan", "+nan", "-nan": return .float(.nan)
    default: break
    }
    if let integer = integer(text) { return .integer(integer) }
    if let float = float(text) { return .float(float) }
    return isDateTime(text) ? .dateTime : nil
  }

  /// Whether `text` is a decimal number except for zeros in front.
  static func hasLeadingZero(_ text: some Collection<UInt8>) -> Bool {
    text.count > 1 && text.first == UInt8(ascii: "0") && text.allSatisfy(\.isDigit)
  }

  private static func integer(_ text: String) -> Int64? {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where text.hasPrefix(prefix) {
      return digits(text.dropFirst(2), radix: radix).flatMap { Int64($0, radix: radix) }
    }
    let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    guard let digits = digits(unsigned, radix: 10), digits == "0" || digits.first != "0" else { return nil }
    return Int64((text.first == "-" ? "-" : "") + digits)
  }

  private static func float(_ text: String) -> Double? {
    let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    let exponentMark = unsigned.firstIndex { $0 == "e" || $0 == "E" }
    let mantissa = unsigned[..<(exponentMark ?? unsigned.endIndex)]
    let parts = mantissa.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 || exponentMark != nil, let whole = digits(parts[0], radix: 10),
      whole == "0" || whole.first != "0"
    else { return nil }
    var canonical = (text.first == "-" ? "-" : "") + whole
    if parts.count == 2 {
      guard let fraction = digits(parts[1], radix: 10) else { return nil }
      canonical += "." + fraction
    }
    if let exponentMark {
      var exponent = unsigned[unsigned.index(after: exponentMark)...]
      canonical += "e"
      if let sign = exponent.first, sign == "-" || sign == "+" {
        canonical.append(sign)
        exponent = exponent.dropFirst()
      }
      guard let exponent = digits(exponent, radix: 10) else { return nil }
      canonical += exponent
    }
    // TOML does not define numbers beyond a double. Infinity is another number than the one in the file.
    return Double(canonical).flatMap { $0.isFinite ? $0 : nil }
  }

  /// The digits of `text` without the underscores between them; nil if there is anything else.
  private static func digits(_ text: Substring, radix: Int) -> String? {
    var result = ""
    var previous: Character = "_"
    for character in text {
      if character == "_" {
        guard previous != "_" else { return nil }
      } else {
        guard character.isASCII, let value = character.hexDigitValue, value < radix else { return nil }
        result.append(character)
      }
      previous = character
    }
    return previous == "_" ? nil : result
  }

  /// RFC 3339, as TOML narrows it: offset date-time, local date-time, local date or local time.
  private static func isDateTime(_ text: String) -> Bool {
    var rest = Array(text.utf8)[...]
    if rest.count >= 3, rest[rest.startIndex + 2] == UInt8(ascii: ":") { return takeTime(&rest) && rest.isEmpty }
    guard takeDate(&rest) else { return false }
    if rest.isEmpty { return true }
    guard let separator = rest.popFirst(), [UInt8(ascii: "T"), UInt8(ascii: "t"), .space].contains(separator),
      takeTime(&rest)
    else { return false }
    if rest.isEmpty { return true }
    let zone = rest.removeFirst()
    if zone | 0x20 == UInt8(ascii: "z") { return rest.isEmpty }
    guard zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-"), let hour = takeNumber(&rest, 2), hour < 24,
      take(&rest, ":"), let minute = takeNumber(&rest, 2), minute < 60
    else { return false }
    return rest.isEmpty
  }

  private static func takeDate(_ text: inout ArraySlice<UInt8>) -> Bool {
    guard let year = takeNumber(&text, 4), take(&text, "-"), let month = takeNumber(&text, 2), (1...12).contains(month),
      take(&text, "-"), let day = takeNumber(&text, 2)
    else { return false }
    let isLeapYear = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    let days = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...days[month - 1]).contains(day)
  }

  private static func takeTime(_ text: inout ArraySlice<UInt8>) -> Bool {
    guard let hour = takeNumber(&text, 2), hour < 24, take(&text, ":"), let minute = takeNumber(&text, 2), minute < 60,
      take(&text, ":"), let second = takeNumber(&text, 2), second < 60
    else { return false }
    guard take(&text, ".") else { return true }
    guard text.first?.isDigit == true else { return false }
    text = text.drop(while: \.isDigit)
    return true
  }

  private static func takeNumber(_ text: inout ArraySlice<UInt8>, _ count: Int) -> Int? {
    guard text.count >= count, text.prefix(count).allSatisfy(\.isDigit) else { return nil }
    let number = text.prefix(count).reduce(0) { $0 * 10 + Int($1 - 0x30) }
    text.removeFirst(count)
    return number
  }

  private static func take(_ text: inout ArraySlice<UInt8>, _ mark: Unicode.Scalar) -> Bool {
    guard text.first == UInt8(ascii: mark) else { return false }
    text.removeFirst()
    return true
  }
}
