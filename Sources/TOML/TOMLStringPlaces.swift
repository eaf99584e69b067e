import Base

extension TOMLParser {
  /// The place in the source of some bytes of a string's value, which differs from them if the source has escapes.
  ///
  /// - Parameters:
  ///   - part: bytes of the value.
  ///   - literal: the string in the source, quotes included.
  package static func place(
    of part: Range<Int>, inString literal: Range<Int>, of bytes: UnsafeRawBufferPointer
  ) -> Range<Int> {
    var parser = TOMLParser(bytes)
    defer { parser.overwriteStringBuffer() }
    parser.cursor.offset = literal.lowerBound
    parser.stringPlaces = []
    guard (try? parser.readString()) != nil, let places = parser.stringPlaces, places.indices.contains(part.lowerBound)
    else { return literal }
    let start = places[part.lowerBound]
    let end = places.indices.contains(part.upperBound) ? places[part.upperBound] : start + 1
    return start..<max(end, start + 1)
  }

  /// Notes the place of the bytes that were added to `stringBuffer` last.
  mutating func notePlaces(from start: Int) {
    guard let known = stringPlaces?.count else { return }
    stringPlaces?.append(contentsOf: repeatElement(start, count: stringBuffer.count - known))
  }
}

extension TOMLSyntaxError {
  /// The error with the name of the character that causes it, if word processors insert such a character.
  ///
  /// - Parameter bytes: the document.
  package func naming(in bytes: UnsafeRawBufferPointer) -> TOMLSyntaxError {
    let rest = bytes[min(offset, bytes.count)...]
    guard earlier == nil, let first = rest.first, first != .backslash, !first.isControl else { return self }
    // A string that is not closed can end in such a quote. Otherwise strings and comments are not searched.
    let isUnclosedString = first == .quotationMark || first == .apostrophe
    let suspect = rest.prefix { isUnclosedString || ![UInt8(ascii: "#"), .quotationMark, .apostrophe].contains($0) }
    guard let (place, character) = Lookalike.first(in: suspect) else { return self }
    var error = self
    error.offset += place.lowerBound
    error.message = "\(character.name) stands here; \(character.remedy)"
    return error
  }
}
