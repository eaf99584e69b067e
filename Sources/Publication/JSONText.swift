/// Encodes a value as JSON (RFC 8259), straight into bytes. Members have the order in which the value encodes them.
///
/// `JSONEncoder` builds a tree of objects before it writes the first byte. Containers that a value nests itself, by
/// `nestedContainer`, are not supported: no type here does so.
enum JSONText {
  /// The JSON text of `value`.
  ///
  /// - Throws: `EncodingError` for a number that is infinite or none.
  static func encode(_ value: some Encodable) throws -> [UInt8] {
    let output = Output()
    try output.write(value: value)
    return output.bytes
  }

  /// The text so far, and the object or array that is open in it.
  fileprivate final class Output: Encoder {
    private(set) var bytes: [UInt8] = []
    /// The end of the open object or array; `nil` before its beginning, and in other values.
    private var end: Unicode.Scalar?
    /// Whether the open object or array has no content yet.
    private var isEmpty = true

    init() { bytes.reserveCapacity(4096) }

    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
      begin("{", "}")
      return KeyedEncodingContainer(Members(output: self))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
      begin("[", "]")
      return Elements(output: self)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { SingleValue(output: self) }

    private func begin(_ start: Unicode.Scalar, _ end: Unicode.Scalar) {
      guard self.end == nil else { return }
      append(start)
      self.end = end
      isEmpty = true
    }

    /// Begins a member, or an element if `name` is `nil`.
    func next(_ name: String? = nil) {
      if !isEmpty { append(",") }
      isEmpty = false
      guard let name else { return }
      write(name)
      append(":")
    }

    func write(value: some Encodable) throws {
      let (outerEnd, wasEmpty) = (end, isEmpty)
      end = nil
      try value.encode(to: self)
      if let end { append(end) }
      (end, isEmpty) = (outerEnd, wasEmpty)
    }

    func write(_ value: Bool) { bytes += (value ? "true" : "false").utf8 }

    func write(_ value: some FixedWidthInteger) { bytes += String(value).utf8 }

    func write(_ value: Double) throws {
      guard value.isFinite else {
        throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "JSON has no such number"))
      }
      let text = value.description
      bytes += text.hasSuffix(".0") ? text.utf8.dropLast(2) : text.utf8[...]
    }

    func write(_ text: String) {
      append("\"")
      var text = text
      text.withUTF8 { units in
        var rest = units[...]
        while let place = rest.firstIndex(where: Self.needsEscape) {
          bytes += rest[..<place]
          append("\\")
          let unit = rest[place]
          if unit < 0x20 {
            bytes += "u00\(unit < 0x10 ? "0" : "")\(String(unit, radix: 16))".utf8
          } else {
            bytes.append(unit)
          }
          rest = rest[(place + 1)...]
        }
        bytes += rest
      }
      append("\"")
    }

    private static func needsEscape(_ unit: UInt8) -> Bool {
      unit < 0x20 || unit == UInt8(ascii: "\"") || unit == UInt8(ascii: "\\")
    }

    func writeNull() { bytes += "null".utf8 }

    private func append(_ character: Unicode.Scalar) { bytes.append(UInt8(ascii: character)) }
  }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let output: JSONText.Output
  var codingPath: [any CodingKey] { [] }

  func encodeNil(forKey key: Key) { next(key).writeNull() }
  func encode(_ value: Bool, forKey key: Key) { next(key).write(value) }
  func encode(_ value: String, forKey key: Key) { next(key).write(value) }
  func encode(_ value: Double, forKey key: Key) throws { try next(key).write(value) }
  func encode(_ value: Float, forKey key: Key) throws { try next(key).write(Double(value)) }
  func encode(_ value: some FixedWidthInteger & Encodable, forKey key: Key) { next(key).write(value) }
  func encode(_ value: some Encodable, forKey key: Key) throws { try next(key).write(value: value) }

  func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type, forKey key: Key
  ) -> KeyedEncodingContainer<NestedKey> { next(key).container(keyedBy: keyType) }
  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer { next(key).unkeyedContainer() }
  func superEncoder() -> any Encoder { output }
  func superEncoder(forKey key: Key) -> any Encoder { next(key) }

  private func next(_ key: Key) -> JSONText.Output {
    output.next(key.stringValue)
    return output
  }
}

private struct Elements: UnkeyedEncodingContainer {
  let output: JSONText.Output
  var codingPath: [any CodingKey] { [] }
  private(set) var count = 0

  init(output: JSONText.Output) { self.output = output }

  mutating func encodeNil() { next().writeNull() }
  mutating func encode(_ value: Bool) { next().write(value) }
  mutating func encode(_ value: String) { next().write(value) }
  mutating func encode(_ value: Double) throws { try next().write(value) }
  mutating func encode(_ value: Float) throws { try next().write(Double(value)) }
  mutating func encode(_ value: some FixedWidthInteger & Encodable) { next().write(value) }
  mutating func encode(_ value: some Encodable) throws { try next().write(value: value) }

  mutating func nestedContainer<NestedKey: CodingKey>(
    keyedBy keyType: NestedKey.Type
  ) -> KeyedEncodingContainer<NestedKey> { next().container(keyedBy: keyType) }
  mutating func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { next().unkeyedContainer() }
  mutating func superEncoder() -> any Encoder { next() }

  private mutating func next() -> JSONText.Output {
    count += 1
    output.next()
    return output
  }
}

private struct SingleValue: SingleValueEncodingContainer {
  let output: JSONText.Output
  var codingPath: [any CodingKey] { [] }

  func encodeNil() { output.writeNull() }
  func encode(_ value: Bool) { output.write(value) }
  func encode(_ value: String) { output.write(value) }
  func encode(_ value: Double) throws { try output.write(value) }
  func encode(_ value: Float) throws { try output.write(Double(value)) }
  func encode(_ value: some FixedWidthInteger & Encodable) { output.write(value) }
  func encode(_ value: some Encodable) throws { try output.write(value: value) }
}
