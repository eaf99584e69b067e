/// The syntax of an access token. Programs paste the token into a header line.
public enum BearerToken {
  /// The length of the longest one, in bytes.
  public static let longest = 65_536

  /// Whether these bytes are a `b64token` (RFC 6750, 2.1) that is not too long.
  public static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.count <= longest && bytes.allSatisfy(isAllowed)
  }

  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"),
      UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "+"), UInt8(ascii: "/"),
      UInt8(ascii: "="):
      true
    default: false
    }
  }
}
