import Foundation
import Testing
@testable import Publication

@Suite struct JSONTextTests {
  private struct Inner: Codable, Equatable {
    var texts: [String] = []
    var numbers: [Double] = []
    var lists: [[Int]] = [[], [1], [2, 3]]
    var absent: Int?
  }

  private enum Kind: String, Codable { case plain, quoted = "\"" }

  private struct Outer: Codable, Equatable {
    var text = ""
    var flags = [true, false]
    var small: UInt8 = 255
    var signed: Int32 = -7
    var large: UInt64 = .max
    var least: Int64 = .min
    var half: Float = 0.5
    var number = 0.0
    var kind = Kind.quoted
    var absent: Inner?
    var inner: Inner? = Inner()
    var inners = [Inner(), Inner(texts: ["a"])]
    var empty: [Inner] = []
    var byName: [String: Int] = ["one \\ two": 1]
  }

  @Test(arguments: [
    "", "plain", #"quotes " and \ backslashes"#, "/slashes/", "line\nbreak\ttab\r\u{8}\u{C}", "\u{0}\u{1F}\u{7F}",
    "Zürich, 東京, 🔑", "\u{2028}", "e\u{301}",
  ])
  func aReaderGetsTheSameText(_ text: String) throws {
    var value = Outer(text: text, inner: Inner(texts: [text, text]))
    value.byName[text] = 2
    #expect(try decode(value) == value)
  }

  @Test(arguments: [0, -0.5, 1, 1_764_000_000.123, 1e-9, 1e300, -1e16, .pi, .leastNonzeroMagnitude, 123_456_789_012])
  func aReaderGetsTheSameNumber(_ number: Double) throws {
    let value = Outer(number: number, inner: Inner(numbers: [number, 1]))
    #expect(try decode(value) == value)
  }

  /// The text of `JSONEncoder` differs in the order of members and in escapes only.
  @Test func itSaysWhatJSONEncoderSays() throws {
    let value = Outer(text: "a\u{1}\"b", number: 5)
    let ours = try JSONSerialization.jsonObject(with: Data(JSONText.encode(value))) as? NSDictionary
    let theirs = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? NSDictionary
    #expect(ours != nil && ours == theirs)
    #expect(try String(decoding: JSONText.encode([5.0, -1e16]), as: UTF8.self) == "[5,-1e+16]")
  }

  @Test(arguments: [Double.infinity, -.infinity, .nan]) func thereIsNoInfinity(_ number: Double) {
    #expect(throws: EncodingError.self) { try JSONText.encode(Outer(number: number)) }
  }

  private func decode(_ value: Outer) throws -> Outer {
    try JSONDecoder().decode(Outer.self, from: Data(JSONText.encode(value)))
  }
}
