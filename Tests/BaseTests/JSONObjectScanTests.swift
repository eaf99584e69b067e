import Testing
@testable import Base

@Suite struct JSONObjectScanTests {
  @Test func membersComeInTheirOrderWithTheirText() throws {
    let scan = try JSONObjectScan(
      Array(#" {"b" : [1, {"x":2}],"a":"\u0041\"","\u00e9\ud83d\ude00\/\n":-1.5e3, "":null}"#.utf8) + [0x0A])
    #expect(scan.members.map(\.name) == ["b", "a", "\u{E9}\u{1F600}/\n", ""])
    #expect(scan.members.map { scan.text(of: $0) } == [#"[1, {"x":2}]"#, #""\u0041\"""#, "-1.5e3", "null"])
    #expect(scan.duplicate == nil)
  }

  @Test(arguments: [
    (#"{"a":1,"a":1}"#, "a"), (#"{"a":1,"\u0061":1}"#, "a"), (#"{"a":{"b":1,"b":2}}"#, "b"),
    (#"{"a":[[{"b":1,"c":2,"b":2}]]}"#, "b"), (#"{"":1,"":1}"#, ""),
    (#"{"\ud83d\ude00":1,"😀":2}"#, "\u{1F600}"), (#"{"\/":1,"/":2}"#, "/"),
  ])
  func duplicates(_ json: String, _ name: String) throws {
    #expect(try JSONObjectScan(Array(json.utf8)).duplicate == name)
  }

  @Test(arguments: [
    #"{"a":{"a":{"a":1}}}"#, #"{"a":1,"A":2}"#, #"{"a":[{"b":1},{"b":1}]}"#,
    // Canonically equivalent, and two names all the same (RFC 7515 section 5.3).
    #"{"\u00e9":1,"e\u0301":2}"#, #"{"K":1,"\u212a":2}"#,
  ])
  func noDuplicates(_ json: String) throws {
    #expect(try JSONObjectScan(Array(json.utf8)).duplicate == nil)
  }

  @Test(arguments: [
    "", " ", "{", "}", "[]", "1", #""a""#, "null", "{}{}", "{} x", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
    #"{"a":1 "b":2}"#,
    #"{a:1}"#, #"{'a':1}"#, #"{"a":1;"b":2}"#, #"{"a":[1,]}"#, #"{"a":[}"#, #"{"a":[1}"#, #"{"a":{]}"#, #"{"a":"b}"#,
    #"{"a\":1}"#, #"{"\x":1}"#, #"{"\u12":1}"#, #"{"\u12g4":1}"#, #"{"\ud800":1}"#, #"{"\ud800\u0041":1}"#,
    #"{"\udc00":1}"#,
    #"{"\ud800\ud800":1}"#, "{\"a\n\":1}", "{\"a\":\"\u{1}\"}", "\u{FEFF}{}", "{\"a\":1}\u{0}", #"{"a":/**/1}"#,
    #"{"\"#, #"{"\u"#,
  ])
  func malformed(_ json: String) {
    #expect { try JSONObjectScan(Array(json.utf8)) } throws: {
      if case .syntax(let offset)? = $0 as? JSONObjectScan.Failure { offset <= json.utf8.count } else { false }
    }
  }

  @Test func depth() throws {
    func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
      Array(
        (#"{"a":"# + String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth) + "}").utf8)
    }
    _ = try JSONObjectScan(nested(31, "[", "]"))
    _ = try JSONObjectScan(nested(31, #"{"a":"#, "}"))
    #expect(throws: JSONObjectScan.Failure.depth) { try JSONObjectScan(nested(32, "[", "]")) }
    #expect(throws: JSONObjectScan.Failure.depth) { try JSONObjectScan(nested(32, #"{"a":"#, "}")) }
    #expect(throws: JSONObjectScan.Failure.depth) { try JSONObjectScan(nested(100_000, "[", "]")) }
  }

  @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
  func invalidUTF8(_ bytes: [UInt8]) {
    #expect(throws: JSONObjectScan.Failure.encoding) {
      try JSONObjectScan(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8))
    }
  }
}
