/// The members of a JSON object (RFC 8259) as a decoder does not return them: in their order, with their own text, and
/// with duplicate names.
///
/// RFC 7515, section 4, and RFC 7519, section 4, require unique names. A decoder silently takes one of two members, and
/// another reader of the same token can take the other one. The scan therefore looks for duplicates at every depth, by
/// name after unescaping. It checks structure, strings, UTF-8 and depth. The decoder that runs after it checks numbers
/// and literals.
package struct JSONObjectScan {
  /// A member of the outermost object.
  package struct Member {
    /// The name, unescaped.
    package let name: String
    /// Where in the bytes its value stands.
    let value: Range<Int>
    /// If the value is an array: which of its elements hold a name twice in one object, counted from 0.
    package let elementsWithDuplicate: Set<Int>
  }

  /// Why bytes are not one JSON object that we would read.
  package enum Failure: Error, Hashable {
    /// Not valid UTF-8.
    case encoding
    /// Not a JSON object, or not well formed at this offset in bytes.
    case syntax(offset: Int)
    /// Objects and arrays are nested deeper than `maximumDepth`.
    case depth
  }

  /// How deep objects and arrays may lie in each other.
  package static let maximumDepth = 32

  /// The members of the outermost object, in their order.
  package private(set) var members: [Member] = []
  /// The first name, at any depth, that one object holds twice.
  package private(set) var duplicate: String?

  private let bytes: [UInt8]
  private var position = 0
  private var duplicates = 0
  private var elementsWithDuplicate: Set<Int> = []

  /// Scans `bytes`, which must be one JSON object with nothing but white space round it.
  package init(_ bytes: [UInt8]) throws(Failure) {
    self.bytes = bytes
    guard String(validating: bytes, as: UTF8.self) != nil else { throw .encoding }
    skipWhiteSpace()
    guard peek == UInt8(ascii: "{") else { throw .syntax(offset: position) }
    try scanObject(depth: 1)
    skipWhiteSpace()
    guard position == bytes.count else { throw .syntax(offset: position) }
  }

  /// The text of a member's value.
  package func text(of member: Member) -> String { String(decoding: bytes[member.value], as: UTF8.self) }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipWhiteSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Failure) {
    guard peek == UInt8(ascii: character) else { throw .syntax(offset: position) }
    position += 1
  }

  private mutating func scanValue(depth: Int) throws(Failure) {
    switch peek {
    case UInt8(ascii: "{"): try scanObject(depth: depth + 1)
    case UInt8(ascii: "["): try scanArray(depth: depth + 1)
    case UInt8(ascii: "\""): _ = try scanString()
    default: try scanScalar()
    }
  }

  private mutating func scanObject(depth: Int) throws(Failure) {
    guard depth <= Self.maximumDepth else { throw .depth }
    var names: Set<[UInt8]> = []
    try expect("{")
    skipWhiteSpace()
    if peek == UInt8(ascii: "}") {
      position += 1
      return
    }
    while true {
      skipWhiteSpace()
      let name = try scanString()
      // Compared as bytes: two names that differ only in their Unicode form are two names.
      if !names.insert(Array(name.utf8)).inserted {
        duplicate = duplicate ?? name
        duplicates += 1
      }
      skipWhiteSpace()
      try expect(":")
      skipWhiteSpace()
      let start = position
      if depth == 1 { elementsWithDuplicate = [] }
      try scanValue(depth: depth)
      if depth == 1 {
        members.append(
          Member(name: name, value: start..<position, elementsWithDuplicate: elementsWithDuplicate))
      }
      skipWhiteSpace()
      if peek == UInt8(ascii: "}") {
        position += 1
        return
      }
      try expect(",")
    }
  }

  private mutating func scanArray(depth: Int) throws(Failure) {
    guard depth <= Self.maximumDepth else { throw .depth }
    try expect("[")
    skipWhiteSpace()
    if peek == UInt8(ascii: "]") {
      position += 1
      return
    }
    var index = 0
    while true {
      skipWhiteSpace()
      let before = duplicates
      try scanValue(depth: depth)
      if depth == 2, duplicates > before { elementsWithDuplicate.insert(index) }
      index += 1
      skipWhiteSpace()
      if peek == UInt8(ascii: "]") {
        position += 1
        return
      }
      try expect(",")
    }
  }

  /// A number or a literal: any run of the bytes that these are made of.
  private mutating func scanScalar() throws(Failure) {
    let start = position
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "E"),
        UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
        position += 1
        continue
      default: break
      }
      break
    }
    guard position > start else { throw .syntax(offset: position) }
  }

  /// A string, unescaped.
  private mutating func scanString() throws(Failure) -> String {
    try expect("\"")
    let start = position
    while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if peek == UInt8(ascii: "\"") {
      position += 1
      return String(decoding: bytes[start..<(position - 1)], as: UTF8.self)
    }
    var units = Array(String(decoding: bytes[start..<position], as: UTF8.self).utf8)
    while let byte = peek, byte >= 0x20 {
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: units, as: UTF8.self)
      case UInt8(ascii: "\\"): units.append(contentsOf: String(try scanEscape()).utf8)
      default: units.append(byte)
      }
    }
    throw .syntax(offset: position)
  }

  /// What follows a backslash. A lone surrogate stands for no character and is refused.
  private mutating func scanEscape() throws(Failure) -> Unicode.Scalar {
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
    let first = try scanHexadecimal()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard UTF16.isLeadSurrogate(UInt16(first)) else { throw .syntax(offset: position) }
    try expect("\\")
    try expect("u")
    let second = try scanHexadecimal()
    guard UTF16.isTrailSurrogate(UInt16(second)),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw .syntax(offset: position) }
    return scalar
  }

  private mutating func scanHexadecimal() throws(Failure) -> UInt32 {
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
