/// The validators of a response (RFC 9110, 8.8), for a conditional request (RFC 9110, 13.1).
///
/// A server wrote them, and a later request sends them. Only well-formed values of printable ASCII are kept.
public struct CacheValidators: Hashable, Sendable {
  /// The longest kept value, in bytes.
  public static let longestValue = 1024

  /// `ETag` as received, such as `"33a64df5"` or `W/"0815"`.
  public let entityTag: String?
  /// `Last-Modified` as received.
  public let lastModified: String?

  /// Takes the validators of a response. Nil if it has none that can be used.
  public init?(_ headers: HTTPHeaders) {
    entityTag = Self.only("ETag", headers).flatMap { Self.isEntityTag($0) ? $0 : nil }
    lastModified = Self.only("Last-Modified", headers).flatMap { Self.isConclusive($0, headers) ? $0 : nil }
    if entityTag == nil, lastModified == nil { return nil }
  }

  /// The header fields of a conditional request.
  public var conditions: [HTTPHeader] {
    var fields: [HTTPHeader] = []
    if let entityTag { fields.append(HTTPHeader("If-None-Match", entityTag)) }
    if let lastModified { fields.append(HTTPHeader("If-Modified-Since", lastModified)) }
    return fields
  }

  /// Whether a response with the status 304 is about the content that these validators are of.
  ///
  /// A 304 with another `ETag` is about other content (RFC 9111, 4.3.4). Tags are compared as in RFC 9110, 8.8.3.2.
  public func agree(withNotModified headers: HTTPHeaders) -> Bool {
    guard let entityTag, let other = CacheValidators(headers)?.entityTag else { return true }
    return Self.opaque(entityTag) == Self.opaque(other)
  }

  /// The value, if there is exactly one field of this name and it is short and printable.
  private static func only(_ name: String, _ headers: HTTPHeaders) -> String? {
    let values = headers.values(for: name)
    guard values.count == 1, let value = values.first, value.utf8.count <= longestValue,
      value.utf8.allSatisfy({ (0x20...0x7e).contains($0) })
    else { return nil }
    return value
  }

  /// `[ "W/" ] DQUOTE *etagc DQUOTE` (RFC 9110, 8.8.3). A `*` or a list would match other content.
  private static func isEntityTag(_ text: String) -> Bool {
    let tag = Array(opaque(text))
    guard tag.count >= 2, tag.first == UInt8(ascii: "\""), tag.last == UInt8(ascii: "\"") else { return false }
    return tag.dropFirst().dropLast().allSatisfy { $0 == 0x21 || (0x23...0x7e).contains($0) }
  }

  /// The tag without the mark of a weak one.
  private static func opaque(_ tag: String) -> [UInt8] {
    Array(tag.hasPrefix("W/") ? tag.utf8.dropFirst(2) : tag.utf8[...])
  }

  /// Whether no later change can have the same date, because the response is at least a second newer (RFC 9110,
  /// 8.8.2.2).
  private static func isConclusive(_ lastModified: String, _ headers: HTTPHeaders) -> Bool {
    guard let modified = HTTPDate.parse(lastModified), let sent = headers["Date"].flatMap(HTTPDate.parse) else {
      return false
    }
    return modified < sent
  }
}
