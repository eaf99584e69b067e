/// An `application/x-www-form-urlencoded` body or query (RFC 6749, appendix B).
struct FormBody: Sendable {
  private(set) var fields: [(name: String, value: String)] = []

  /// Reads a body; nil if an escape is malformed or the bytes are not UTF-8.
  init?(_ bytes: some Sequence<UInt8>) {
    for part in Array(bytes).split(separator: UInt8(ascii: "&")) {
      let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = Self.decode(pair[0]), let value = pair.count == 2 ? Self.decode(pair[1]) : "" else {
        return nil
      }
      fields.append((name, value))
    }
  }

  /// The value of `name`; nil if there is none. An empty value counts as none (RFC 6749, section 3.1).
  subscript(name: String) -> String? {
    fields.first { $0.name == name }.flatMap { $0.value.isEmpty ? nil : $0.value }
  }

  /// The values of every field called `name`.
  func values(of name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

  /// The fields without those that must stay secret.
  var withoutSecrets: [String: [String]] {
    let secrets: Set = ["client_secret", "client_assertion", "token"]
    return Dictionary(grouping: fields.filter { !secrets.contains($0.name) }, by: \.name).mapValues { $0.map(\.value) }
  }

  /// A name that comes more than once, which RFC 6749, section 3.2, forbids.
  var repeatedName: String? {
    var seen: Set<String> = []
    return fields.map(\.name).first { !seen.insert($0).inserted }
  }

  /// Decodes form-encoding; nil if an escape is malformed or the result is not UTF-8.
  static func decode(_ bytes: some Collection<UInt8>) -> String? {
    var decoded: [UInt8] = []
    var rest = bytes.makeIterator()
    while let byte = rest.next() {
      switch byte {
      case UInt8(ascii: "+"): decoded.append(UInt8(ascii: " "))
      case UInt8(ascii: "%"):
        guard let high = rest.next().flatMap(nibble), let low = rest.next().flatMap(nibble) else { return nil }
        decoded.append(high << 4 | low)
      default: decoded.append(byte)
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }

  private static func nibble(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
