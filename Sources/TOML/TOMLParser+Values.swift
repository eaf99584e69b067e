extension TOMLParser {
  /// More levels of arrays and inline tables than any file has by honest means; bounds the stack.
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
        // Within brackets the next line is no new statement.
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

  /// Reads what stands without quotes: a boolean, a number, a date or a time.
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
  /// Closes an inline table, and the tables that dotted keys made in it, for good.
  fileprivate func seal() {
    origin = .inline
    for entry in entries {
      if case .table(let map) = entry.value.content { map.seal() }
    }
  }
}
