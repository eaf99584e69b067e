/// The SHA-256 of a token. It identifies the token and does not reveal it.
///
/// The value has a fixed size and no reference.
public struct TokenDigest: Hashable, Sendable {
  /// The number of hexadecimal digits.
  public static let hexLength = 64

  private var words = SIMD4<UInt64>()

  /// The digest from its 64 hexadecimal digits in ASCII, in either case; `nil` for anything else.
  public init?(hex characters: some Collection<UInt8>) {
    guard characters.count == Self.hexLength else { return nil }
    for (index, character) in characters.enumerated() {
      guard let digit = Self.digit(character) else { return nil }
      words[index / 16] = words[index / 16] << 4 | digit
    }
  }

  /// The digest of these 32 bytes.
  public init(bytes: some Collection<UInt8>) {
    precondition(bytes.count == 32)
    for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
  }

  /// The digest from its 64 hexadecimal digits; `nil` for anything else.
  public init?(hex text: String) {
    self.init(hex: text.utf8)
  }

  /// 64 hexadecimal digits in lower case.
  public var hex: String {
    (0..<4).map { index in
      let digits = String(words[index], radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }.joined()
  }

  private static func digit(_ character: UInt8) -> UInt64? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(character - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(character - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(character - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}
