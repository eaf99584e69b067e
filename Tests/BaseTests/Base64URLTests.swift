import FoundationEssentials
import Testing
@testable import Base

@Suite struct Base64URLTests {
  /// RFC 4648 section 10, without the padding, and the two letters that differ.
  static let pairs: [(String, [UInt8])] = [
    ("", []), ("Zg", Array("f".utf8)), ("Zm8", Array("fo".utf8)), ("Zm9v", Array("foo".utf8)),
    ("Zm9vYg", Array("foob".utf8)), ("Zm9vYmE", Array("fooba".utf8)), ("Zm9vYmFy", Array("foobar".utf8)),
    ("-_-_", [0xFB, 0xFF, 0xBF]),
  ]

  @Test(arguments: pairs) func bothWays(_ text: String, _ bytes: [UInt8]) {
    #expect(Base64URL.decode(Array(text.utf8)[...]) == bytes)
    #expect(Base64URL.encode(bytes) == text)
  }

  @Test(arguments: ["Z", "Zm9vY", "Zg==", "Zm8=", "=", "Zm 8", "Zm\n8", "+/+/", "Zm9\u{E9}", "Zh", "Zm9", "Z.g"])
  func refused(_ text: String) {
    #expect(Base64URL.decode(Array(text.utf8)[...]) == nil)
  }

  /// Against Foundation's base64, for every length up to 300.
  @Test func agreesWithFoundation() {
    for length in 0..<300 {
      let bytes = (0..<length).map { _ in UInt8.random(in: .min ... .max) }
      let expected = Data(bytes).base64EncodedString().utf8.filter { $0 != UInt8(ascii: "=") }.map {
        $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0
      }
      #expect(Array(Base64URL.encode(bytes).utf8) == expected)
      #expect(Base64URL.decode(expected[...]) == bytes)
    }
  }
}
