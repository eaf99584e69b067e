import Testing
@testable import Base

@Suite struct PrintableTests {
  /// Characters that act on a terminal, reorder text or are invisible.
  static let hidden: [Unicode.Scalar] =
    (Array(0x00...0x1f) + Array(0x7f...0x9f) + Array(0x202a...0x202e) + Array(0x2066...0x2069) + [0x2028, 0x2029]
    + Array(0x200b...0x200f) + [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x180e, 0x2060, 0x3164, 0xfe0f, 0xfeff, 0xffa0]
    + [0xe000, 0xfff9, 0xe0001, 0xe0100, 0x10ffff]).compactMap { UInt32($0) }.compactMap(Unicode.Scalar.init)

  @Test func showsHiddenCharactersAsEscapes() {
    for scalar in Self.hidden {
      let short: [Unicode.Scalar: String] = ["\n": "\\n", "\r": "\\r", "\t": "\\t"]
      let escape = short[scalar] ?? "\\u{\(String(scalar.value, radix: 16))}"
      #expect(Printable.escaped("a\(scalar)b") == "a\(escape)b")
    }
    #expect(Printable.escaped("flood alert, Zürich, 東京 ✓…") == "flood alert, Zürich, 東京 ✓…")
  }

  @Test func escapesJSONAsJSONDoes() {
    #expect(Printable.escapedJSON("\u{9B}\u{202E}é\u{E0001}\n") == #"\u009b\u202eé\udb40\udc01\n"#)
    #expect(Printable.escapedJSON("{\n\"a\u{7F}\"\n}", isDocument: true) == "{\n\"a\\u007f\"\n}")
  }

  @Test func quotes() {
    #expect(Printable.quoted("a\nb", to: 3) == #"'a\nb'"#)
    #expect(Printable.quoted("abcd", to: 3) == "'abc…'")
    #expect(Printable.quotedJSON("\"q\" \\ \n\u{1b}ü") == #""\"q\" \\ \n\u001bü""#)
    #expect("ü\"\\\n".quotedForMessage == #""\u{fc}\"\\\n""#)
    #expect(String(repeating: "x", count: 65).escapedForMessage == String(repeating: "x", count: 64) + "...")
    #expect(Printable.escaped("a\nb\tc\u{1b}", keeping: "\n\t") == "a\nb\tc\\u{1b}")
  }
}
