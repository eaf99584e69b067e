/// A JWT in compact form (RFC 7515, section 7.1), parsed but not verified.
struct CompactJWT {
  let header: JSON
  let claims: JSON
  let signingInput: [UInt8]
  let signature: [UInt8]

  /// Parses a token; nil unless it has three parts of base64url, of which the first two are JSON objects.
  init?(_ text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3,
      let header = Base64URL.decode(parts[0]).flatMap({ try? JSON(parsing: $0) }), header.members != nil,
      let claims = Base64URL.decode(parts[1]).flatMap({ try? JSON(parsing: $0) }), claims.members != nil,
      let signature = Base64URL.decode(parts[2])
    else { return nil }
    self.header = header
    self.claims = claims
    self.signature = signature
    signingInput = [UInt8]("\(parts[0]).\(parts[1])".utf8)
  }

  /// The audiences: one string or an array of them (RFC 7519, section 4.1.3).
  static func audiences(of claims: JSON) -> [String] { strings(claims["aud"], separator: nil) }

  /// The scopes: an array, or one string with spaces.
  static func scopes(of claims: JSON) -> [String] { strings(claims["scope"], separator: " ") }

  /// A time claim in seconds since 1970.
  static func time(_ claims: JSON, _ name: String) -> Double? {
    switch claims[name] {
    case .integer(let seconds): Double(seconds)
    case .number(let seconds): seconds
    default: nil
    }
  }

  private static func strings(_ value: JSON?, separator: Character?) -> [String] {
    switch value {
    case .string(let text):
      if let separator { text.split(separator: separator).map(String.init) } else { [text] }
    case .array(let elements): elements.compactMap(\.string)
    default: []
    }
  }
}
