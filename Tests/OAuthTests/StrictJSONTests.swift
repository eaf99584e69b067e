import Testing
@testable import OAuth

@Suite struct StrictJSONTests {
  @Test func membersComeInTheirOrderWithTheirText() throws {
    let json = try StrictJSON(
      Array(#" {"b" : [1, {"x":2}],"a":"\u0041\"","\u00e9\ud83d\ude00\/\n":-1.5e3, "":null}"#.utf8) + [0x0A])
    #expect(json.members.map(\.name) == ["b", "a", "\u{E9}\u{1F600}/\n", ""])
    #expect(
      json.members.map { String(decoding: $0.source, as: UTF8.self) } == [
        #"[1, {"x":2}]"#, #""\u0041\"""#, "-1.5e3", "null",
      ])
    #expect(json.duplicate == nil)
  }

  @Test(arguments: [
    (#"{"a":1,"a":1}"#, "a"), (#"{"a":1,"\u0061":1}"#, "a"), (#"{"a":{"b":1,"b":2}}"#, "b"),
    (#"{"a":[[{"b":1,"c":2,"b":2}]]}"#, "b"), (#"{"":1,"":1}"#, ""),
    (#"{"\ud83d\ude00":1,"😀":2}"#, "\u{1F600}"), (#"{"\/":1,"/":2}"#, "/"),
  ])
  func duplicates(_ json: String, _ name: String) throws {
    #expect(try StrictJSON(Array(json.utf8)).duplicate == name)
  }

  @Test(arguments: [
    #"{"a":{"a":{"a":1}}}"#, #"{"a":1,"A":2}"#, #"{"a":[{"b":1},{"b":1}]}"#,
    // The two are canonically equivalent, but they are two names (RFC 7515 section 5.3).
    #"{"\u00e9":1,"e\u0301":2}"#, #"{"K":1,"\u212a":2}"#,
  ])
  func noDuplicates(_ json: String) throws {
    #expect(try StrictJSON(Array(json.utf8)).duplicate == nil)
  }

  @Test(arguments: [
    "", " ", "{", "}", "[]", "1", #""a""#, "null", "{}{}", "{} x", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#,
    #"{"a":1 "b":2}"#,
    #"{a:1}"#, #"{'a':1}"#, #"{"a":1;"b":2}"#, #"{"a":[1,]}"#, #"{"a":[}"#, #"{"a":[1}"#, #"{"a":{]}"#, #"{"a":"b}"#,
    #"{"a\":1}"#, #"{"\x":1}"#, #"{"\u12":1}"#, #"{"\u12g4":1}"#, #"{"\ud800":1}"#, #"{"\ud800\u0041":1}"#,
    #"{"\udc00":1}"#,
    #"{"\ud800\ud800":1}"#, "{\"a\n\":1}", "{\"a\":\"\u{1}\"}", "\u{FEFF}{}", "{\"a\":1}\u{0}", #"{"a":/**/1}"#,
    #"{"\"#, #"{"\u"#, #"{"a":01}"#, #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":+1}"#, #"{"a":-}"#, #"{"a":1e}"#,
    #"{"a":0x1}"#, #"{"a":NaN}"#, #"{"a":nan}"#, #"{"a":tru}"#, #"{"a":truer}"#, #"{"a":True}"#,
  ])
  func malformed(_ json: String) {
    #expect { try StrictJSON(Array(json.utf8)) } throws: {
      if case .syntax(let offset)? = $0 as? StrictJSON.Failure { offset <= json.utf8.count } else { false }
    }
  }

  @Test func values() throws {
    let json = try StrictJSON(
      Array(#"{"t":"\u0041b","n":-1.5e3,"b":true,"x":null,"a":["c","d"],"m":["c",1],"big":1e400}"#.utf8))
    #expect(json["t"]?.text == "Ab" && json["t"]?.texts == ["Ab"])
    #expect(json["n"]?.number == -1500 && json["n"]?.text == nil && json["n"]?.texts == nil)
    #expect(json["b"]?.bool == true)
    #expect(json["x"] == nil && json["y"] == nil)
    #expect(json["a"]?.texts == ["c", "d"] && json["m"]?.texts == nil)
    #expect(json["big"]?.number == .infinity)
  }

  @Test func depth() throws {
    func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
      Array(
        (#"{"a":"# + String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth) + "}").utf8)
    }
    _ = try StrictJSON(nested(31, "[", "]"))
    _ = try StrictJSON(nested(31, #"{"a":"#, "}"))
    #expect(throws: StrictJSON.Failure.depth) { try StrictJSON(nested(32, "[", "]")) }
    #expect(throws: StrictJSON.Failure.depth) { try StrictJSON(nested(32, #"{"a":"#, "}")) }
    #expect(throws: StrictJSON.Failure.depth) { try StrictJSON(nested(100_000, "[", "]")) }
  }

  @Test(arguments: [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
  func invalidUTF8(_ bytes: [UInt8]) {
    #expect(throws: StrictJSON.Failure.encoding) {
      try StrictJSON(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8))
    }
  }
}
