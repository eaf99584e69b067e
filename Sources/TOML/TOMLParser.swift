import Base

/// A reader of TOML 1.0 (https://toml.io/en/v1.0.0) that remembers the place of each key and value.
///
/// It quotes nothing, and it keeps strings in memory that is overwritten. It continues after an error, so that all
/// errors are reported at once.
///
/// TOMLKit, which the tests compare this reader with, does not fit a daemon with secrets. It has no positions, never
/// frees a document or a string, cuts strings at a NUL, and quotes values in its messages.
package struct TOMLParser {
  var cursor: TOMLCursor
  /// The bytes of the string that is being read. Overwritten at the end.
  var stringBuffer: [UInt8] = []
  /// The places in the source of the bytes in `stringBuffer`; `nil` if they are not wanted.
  var stringPlaces: [Int]?
  private let root = TOMLMap(.header)
  private var section: TOMLMap
  private var errors: [TOMLSyntaxError] = []

  /// Reads a whole document. `bytes` are used during the call only.
  package static func parse(_ bytes: UnsafeRawBufferPointer) -> TOMLDocument {
    if TextEncoding.isUTF16(bytes) {
      let error = TOMLSyntaxError(offset: 0, message: "the file is in UTF-16; save it as UTF-8")
      return TOMLDocument(root: TOMLMap(.header), errors: [error], isComplete: false)
    }
    if let offset = firstInvalidUTF8(bytes) {
      let error = TOMLSyntaxError(offset: offset, message: "this byte is not UTF-8; save the file as UTF-8")
      return TOMLDocument(root: TOMLMap(.header), errors: [error], isComplete: false)
    }
    var parser = TOMLParser(bytes)
    let isComplete = parser.readStatements()
    parser.overwriteStringBuffer()
    return TOMLDocument(root: parser.root, errors: parser.errors, isComplete: isComplete)
  }

  init(_ bytes: UnsafeRawBufferPointer) {
    cursor = TOMLCursor(bytes)
    section = root
    if cursor.isAt("\u{FEFF}") { cursor.offset = 3 }
    // No string is longer than the document. The buffer never moves, so that no copy of a secret is left behind.
    stringBuffer.reserveCapacity(bytes.count)
  }

  private static func firstInvalidUTF8(_ bytes: UnsafeRawBufferPointer) -> Int? {
    var iterator = bytes.makeIterator()
    var parser = Unicode.UTF8.ForwardParser()
    var offset = 0
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let scalar): offset += scalar.count
      case .error: return offset
      case .emptyInput: return nil
      }
    }
  }

  mutating func overwriteStringBuffer() {
    stringBuffer.removeAll(keepingCapacity: true)
    stringBuffer.append(contentsOf: repeatElement(0, count: stringBuffer.capacity))
    stringBuffer.withUnsafeMutableBytes { Secret.overwrite($0) }
  }

  /// Reads all statements; returns whether the end of the document was reached.
  private mutating func readStatements() -> Bool {
    while true {
      do throws(TOMLSyntaxError) {
        try cursor.skipToContent()
        if cursor.isAtEnd { return true }
        if cursor.peek() == UInt8(ascii: "[") { try readHeader() } else { try readAssignment() }
        try readLineEnd()
      } catch {
        errors.append(error)
        section.isDamaged = true
        if error.endsReading || !skipDamagedLine(from: error.offset) { return false }
      }
    }
  }

  private mutating func readLineEnd() throws(TOMLSyntaxError) {
    cursor.skipBlanks()
    try cursor.skipComment()
    if cursor.isAtEnd || cursor.takeNewline() { return }
    throw TOMLSyntaxError(
      offset: cursor.offset,
      message: "something stands behind the end of this statement; remove it or put it on a line of its own")
  }

  /// Skips the rest of a line that has an error.
  ///
  /// False if the line may have opened a string that continues. In this case the next lines must not be read as keys,
  /// because messages show keys.
  private mutating func skipDamagedLine(from offset: Int) -> Bool {
    let start = max(cursor.offset, offset)
    cursor.offset = min(start, cursor.bytes.count)
    cursor.skipLine()
    let rest = cursor.bytes[min(start, cursor.offset)..<cursor.offset]
    return [.quotationMark, .apostrophe].allSatisfy { mark in rest.count { $0 == mark }.isMultiple(of: 2) }
      && !rest.elementsHoldTripled(.quotationMark) && !rest.elementsHoldTripled(.apostrophe)
  }

  // MARK: Headers

  private mutating func readHeader() throws(TOMLSyntaxError) {
    let start = cursor.offset
    // If the header cannot be read, the lines after it go into a table that is not used.
    section = TOMLMap(.header)
    _ = cursor.take(UInt8(ascii: "["))
    let isArray = cursor.take(UInt8(ascii: "["))
    let parts = try readKey()
    guard cursor.take(UInt8(ascii: "]")), !isArray || cursor.take(UInt8(ascii: "]")) else {
      throw TOMLSyntaxError(
        offset: cursor.offset, message: "the table's header is not closed; write \(isArray ? "[[NAME]]" : "[NAME]")")
    }
    let range = start..<cursor.offset
    guard let last = parts.last else { return }
    var map = root
    for part in parts.dropLast() { map = try descend(from: map, to: part, header: range) }
    section = try define(last, in: map, isArray: isArray, header: range)
  }

  /// The table that `part` of a header leads to. It is created if it does not exist.
  private func descend(from map: TOMLMap, to part: KeyPart, header: Range<Int>) throws(TOMLSyntaxError) -> TOMLMap {
    switch map[part.name]?.value.content {
    case nil:
      let made = TOMLMap(.implicit)
      map.set(part.entry(.header(header), TOMLNode(content: .table(made), range: header)))
      return made
    case .table(let found) where found.origin != .inline:
      return found
    case .array(let elements):
      if case .table(let found)? = elements.last?.content, found.origin != .inline { return found }
      throw alreadyThere(part, map)
    case .invalid:
      return TOMLMap(.header)
    default:
      throw alreadyThere(part, map)
    }
  }

  /// The table that the last `part` of a header opens.
  private func define(_ part: KeyPart, in map: TOMLMap, isArray: Bool, header: Range<Int>) throws(TOMLSyntaxError)
    -> TOMLMap
  {
    let made = TOMLMap(.header)
    let node = TOMLNode(content: .table(made), range: header)
    guard var entry = map[part.name] else {
      map.set(part.entry(.header(header), isArray ? TOMLNode(content: .array([node]), range: header) : node))
      return made
    }
    switch entry.value.content {
    case .table(let found) where !isArray && found.origin == .implicit:
      found.origin = .header
      entry.nameRange = part.range
      entry.statement = .header(header)
      entry.value.range = header
      map.set(entry)
      return found
    case .array(let elements):
      guard isArray, case .table(let last)? = elements.last?.content, last.origin == .header else {
        throw alreadyThere(part, map)
      }
      entry.value.content = .array(elements + [node])
      map.set(entry)
      return made
    case .invalid:
      return made
    default:
      throw alreadyThere(part, map)
    }
  }

  // MARK: Assignments

  private mutating func readAssignment() throws(TOMLSyntaxError) {
    let target = section
    try readAssignment(into: target)
  }

  /// Reads `key = value`, on a line of its own or in an inline table.
  mutating func readAssignment(into target: TOMLMap, depth: Int = 0) throws(TOMLSyntaxError) {
    let parts = try readKey()
    guard let first = parts.first, let last = parts.last else { return }
    let range = first.range.lowerBound..<last.range.upperBound
    guard cursor.take(UInt8(ascii: "=")) else {
      throw TOMLSyntaxError(
        offset: cursor.offset, message: "expected '=' after the key", key: (parts.map(\.name), range))
    }
    var map = target
    for part in parts.dropLast() { map = try descend(from: map, toDotted: part, statement: range) }
    cursor.skipBlanks()
    let start = cursor.offset
    let isTaken = map[last.name] != nil
    do throws(TOMLSyntaxError) {
      let value = try readValue(depth: depth)
      if !isTaken { map.set(last.entry(.assignment(range), value)) }
    } catch {
      if !isTaken { map.set(last.entry(.assignment(range), TOMLNode(content: .invalid, range: start..<start))) }
      var error = error
      if error.key == nil { error.key = (parts.map(\.name), range) }
      throw error
    }
    if isTaken { throw alreadyThere(last, map) }
  }

  private func descend(from map: TOMLMap, toDotted part: KeyPart, statement: Range<Int>) throws(TOMLSyntaxError)
    -> TOMLMap
  {
    switch map[part.name]?.value.content {
    case nil:
      let made = TOMLMap(.dotted)
      map.set(part.entry(.assignment(statement), TOMLNode(content: .table(made), range: statement)))
      return made
    case .table(let found) where found.origin == .dotted || found.origin == .implicit:
      return found
    case .invalid:
      return TOMLMap(.dotted)
    default:
      throw alreadyThere(part, map)
    }
  }

  private func alreadyThere(_ part: KeyPart, _ map: TOMLMap) -> TOMLSyntaxError {
    TOMLSyntaxError(
      offset: part.range.lowerBound, message: "each key and each table is given once; this name is taken already",
      earlier: map[part.name]?.nameRange.lowerBound, key: ([part.name], part.range))
  }

  // MARK: Keys

  struct KeyPart {
    let name: String
    let range: Range<Int>

    func entry(_ statement: TOMLEntry.Statement, _ value: TOMLNode) -> TOMLEntry {
      TOMLEntry(name: name, nameRange: range, statement: statement, value: value)
    }
  }

  /// Reads a key of one or more parts, with the blanks around it.
  private mutating func readKey() throws(TOMLSyntaxError) -> [KeyPart] {
    var parts: [KeyPart] = []
    repeat {
      cursor.skipBlanks()
      let start = cursor.offset
      switch cursor.peek() {
      case .quotationMark?, .apostrophe?:
        guard !cursor.isAt("\"\"\""), !cursor.isAt("'''") else {
          throw TOMLSyntaxError(offset: start, message: "a key cannot be a multi-line string", endsReading: true)
        }
        let name = try readString()
        parts.append(KeyPart(name: name.exposed, range: start..<cursor.offset))
      default:
        while let byte = cursor.peek(), byte.isBareKeyByte { cursor.offset += 1 }
        guard cursor.offset > start else {
          throw TOMLSyntaxError(
            offset: start, message: "expected a key: letters, digits, '_' and '-', or a name in quotes")
        }
        parts.append(
          KeyPart(
            name: String(decoding: cursor.bytes[start..<cursor.offset], as: UTF8.self), range: start..<cursor.offset))
      }
      cursor.skipBlanks()
    } while cursor.take(UInt8(ascii: "."))
    return parts
  }
}

extension Slice<UnsafeRawBufferPointer> {
  /// Whether `mark` comes three times in a row.
  fileprivate func elementsHoldTripled(_ mark: UInt8) -> Bool {
    var run = 0
    for byte in self {
      run = byte == mark ? run + 1 : 0
      if run == 3 { return true }
    }
    return false
  }
}

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

  /// Skips `byte` if it comes next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    offset += 1
    return true
  }

  /// Skips a line break if one comes next: LF or CRLF.
  mutating func takeNewline() -> Bool {
    if take(.lineFeed) { return true }
    guard peek() == .carriageReturn, peek(1) == .lineFeed else { return false }
    offset += 2
    return true
  }

  /// Skips spaces and tabs.
  mutating func skipBlanks() {
    while let byte = peek(), byte == .space || byte == .tab { offset += 1 }
  }

  /// Skips everything before the end of the line.
  mutating func skipLine() {
    while let byte = peek(), byte != .lineFeed { offset += 1 }
  }

  /// Skips a comment if one comes next, up to the end of its line.
  mutating func skipComment() throws(TOMLSyntaxError) {
    guard take(UInt8(ascii: "#")) else { return }
    while let byte = peek(), byte != .lineFeed, !isAt("\r\n") {
      guard !byte.isControl else {
        throw TOMLSyntaxError(offset: offset, message: "a control character in a comment; remove it")
      }
      offset += 1
    }
  }

  /// Skips blanks, comments and line breaks.
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

  /// Whether TOML allows the control character nowhere. A tab is allowed.
  var isControl: Bool { (self < 0x20 && self != .tab) || self == 0x7f }

  package var isDigit: Bool { self >= 0x30 && self <= 0x39 }

  /// A character of a bare key.
  package var isBareKeyByte: Bool {
    isDigit || (self | 0x20 >= 0x61 && self | 0x20 <= 0x7a) || self == UInt8(ascii: "_") || self == UInt8(ascii: "-")
  }
}
