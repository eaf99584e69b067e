import Base

/// A JSON object (RFC 8259), read strictly. It keeps the order of its members and their source text, and finds names
/// that occur twice.
///
/// RFC 7515 section 4 and RFC 7519 section 4 require unique names. JSONDecoder uses one of two members with the same
/// name. Another reader of the same token can use the other one. Therefore duplicates are found at every depth, by
/// their unescaped name.
struct StrictJSON: Sendable {
  /// A member of an object.
  struct Member: Sendable {
    /// The name, unescaped.
    let name: String
    /// The value.
    let value: Value
    /// The JSON text of the value.
    let source: ArraySlice<UInt8>
  }

  /// A value.
  enum Value: Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case text(String)
    case array([Value])
    case object(StrictJSON)

    /// The first name, at any depth, that one object holds twice.
    var duplicate: String? {
      switch self {
      case .array(let elements): elements.lazy.compactMap(\.duplicate).first
      case .object(let object): object.duplicate
      default: nil
      }
    }

    var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var text: String? { if case .text(let text) = self { text } else { nil } }
    /// The elements of an array.
    var elements: [Value]? { if case .array(let elements) = self { elements } else { nil } }
    /// A text as an array of one, or the texts of an array that holds texts only.
    var texts: [String]? {
      if let text { return [text] }
      let texts = elements?.compactMap(\.text)
      return texts?.count == elements?.count ? texts : nil
    }
  }

  /// The reason why bytes are not an acceptable JSON object.
  enum Failure: Error, Hashable {
    /// Not valid UTF-8.
    case encoding
    /// Not a JSON object, or not well formed at this offset in bytes.
    case syntax(offset: Int)
    /// Objects and arrays are nested deeper than `maximumDepth`.
    case depth
  }

  /// The deepest nesting of objects and arrays.
  static let maximumDepth = 32

  /// The members in their order.
  fileprivate(set) var members: [Member] = []
  /// The first name, at any depth, that one object holds twice.
  fileprivate(set) var duplicate: String?

  fileprivate init() {}

  /// Reads `bytes`, which must be one JSON object with only white space around it.
  init(_ bytes: [UInt8]) throws(Failure) {
    guard String(validating: bytes, as: UTF8.self) != nil else { throw .encoding }
    var reader = Reader(bytes: bytes)
    self = try reader.readDocument()
  }

  /// Reads a document of a server. Some servers begin it with a byte order mark, which RFC 8259, 8.1 allows to ignore.
  init(document: [UInt8]) throws(Failure) {
    try self.init(document.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(document.dropFirst(3)) : document)
  }

  /// The value of the first member with exactly this name; nil if there is none, or if it is `null`.
  subscript(name: String) -> Value? {
    guard let value = members.first(where: { $0.name.isExactly(name) })?.value else { return nil }
    if case .null = value { return nil }
    return value
  }
}

private struct Reader {
  let bytes: [UInt8]
  private var position = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func readDocument() throws(StrictJSON.Failure) -> StrictJSON {
    skipWhiteSpace()
    let object = try readObject(depth: 1)
    skipWhiteSpace()
    guard position == bytes.count else { throw .syntax(offset: position) }
    return object
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipWhiteSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  /// Takes the next byte if it is `character`.
  private mutating func accept(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func expect(_ text: StaticString) throws(StrictJSON.Failure) {
    let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    guard bytes[position...].starts(with: expected) else { throw .syntax(offset: position) }
    position += expected.count
  }

  private mutating func readValue(depth: Int) throws(StrictJSON.Failure) -> StrictJSON.Value {
    switch peek {
    case UInt8(ascii: "{"): return .object(try readObject(depth: depth + 1))
    case UInt8(ascii: "["): return .array(try readArray(depth: depth + 1))
    case UInt8(ascii: "\""): return .text(try readString())
    case UInt8(ascii: "t"):
      try expect("true")
      return .bool(true)
    case UInt8(ascii: "f"):
      try expect("false")
      return .bool(false)
    case UInt8(ascii: "n"):
      try expect("null")
      return .null
    default: return .number(try readNumber())
    }
  }

  private mutating func readObject(depth: Int) throws(StrictJSON.Failure) -> StrictJSON {
    guard depth <= StrictJSON.maximumDepth else { throw .depth }
    var object = StrictJSON()
    // The names are compared as bytes. Two names that differ only in their Unicode form are two names.
    var names: Set<[UInt8]> = []
    try expect("{")
    skipWhiteSpace()
    if accept("}") { return object }
    while true {
      skipWhiteSpace()
      let name = try readString()
      let isDuplicate = !names.insert(Array(name.utf8)).inserted
      skipWhiteSpace()
      try expect(":")
      skipWhiteSpace()
      let start = position
      let value = try readValue(depth: depth)
      object.duplicate = object.duplicate ?? (isDuplicate ? name : value.duplicate)
      object.members.append(StrictJSON.Member(name: name, value: value, source: bytes[start..<position]))
      skipWhiteSpace()
      if accept("}") { return object }
      try expect(",")
    }
  }

  private mutating func readArray(depth: Int) throws(StrictJSON.Failure) -> [StrictJSON.Value] {
    guard depth <= StrictJSON.maximumDepth else { throw .depth }
    var elements: [StrictJSON.Value] = []
    try expect("[")
    skipWhiteSpace()
    if accept("]") { return elements }
    while true {
      skipWhiteSpace()
      elements.append(try readValue(depth: depth))
      skipWhiteSpace()
      if accept("]") { return elements }
      try expect(",")
    }
  }

  /// A number; infinite if it is too large for a Double.
  private mutating func readNumber() throws(StrictJSON.Failure) -> Double {
    let start = position
    _ = accept("-")
    if !accept("0") { try skipDigits() }
    if accept(".") { try skipDigits() }
    if accept("e") || accept("E") {
      if !accept("+") { _ = accept("-") }
      try skipDigits()
    }
    return Double(String(decoding: bytes[start..<position], as: UTF8.self)) ?? .infinity
  }

  private mutating func skipDigits() throws(StrictJSON.Failure) {
    let start = position
    while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
    guard position > start else { throw .syntax(offset: position) }
  }

  /// A string, unescaped.
  private mutating func readString() throws(StrictJSON.Failure) -> String {
    try expect("\"")
    let start = position
    while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    var units = Array(bytes[start..<position])
    while let byte = peek, byte >= 0x20 {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: units, as: UTF8.self)
      case UInt8(ascii: "\\"): units.append(contentsOf: String(try readEscape()).utf8)
      default: units.append(byte)
      }
    }
    throw .syntax(offset: position)
  }

  /// The character of an escape, after its backslash. A lone surrogate is no character.
  private mutating func readEscape() throws(StrictJSON.Failure) -> Unicode.Scalar {
    guard let byte = peek else { throw .syntax(offset: position) }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw .syntax(offset: position - 1)
    }
    let first = try readHexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard UTF16.isLeadSurrogate(UInt16(first)) else { throw .syntax(offset: position) }
    try expect("\\u")
    let second = try readHexadecimal()
    guard UTF16.isTrailSurrogate(UInt16(second)),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw .syntax(offset: position) }
    return scalar
  }

  private mutating func readHexadecimal() throws(StrictJSON.Failure) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw .syntax(offset: position)
      }
      position += 1
      value = value << 4 | UInt32(digit)
    }
    return value
  }
}
