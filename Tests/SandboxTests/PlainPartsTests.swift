import Testing

@testable import KonexusSandbox

@Suite("The sandbox's plain parts")
struct PlainPartsTests {
  @Test(
    "HTTP dates",
    arguments: [
      (0.0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
      (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_795_492_312.9, "Tue, 24 Nov 2026 03:51:52 GMT"),
      (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
    ])
  func httpDate(time: Double, text: String) { #expect(HTTPDate.text(unixTime: time) == text) }

  @Test(
    "form bodies",
    arguments: [
      ("a=1&b=2", ["a": "1", "b": "2"]), ("a=%2B+%C3%A9&b", ["a": "+ é"]), ("a=b=c", ["a": "b=c"]), ("", [:]),
      ("a=", [:]),
    ])
  func form(text: String, fields: [String: String]) throws {
    let form = try #require(FormBody(text.utf8))
    for name in ["a", "b"] { #expect(form[name] == fields[name]) }
  }

  @Test("broken form bodies", arguments: ["a=%", "a=%2", "a=%zz", "a=%FF", "%C3=1"])
  func brokenForm(text: String) { #expect(FormBody(text.utf8) == nil) }

  @Test("JSON is written in order, escaped, and read back")
  func json() throws {
    let value: JSON = [
      "z": 1, "a": [true, nil, 0.5, "\"\\\n\u{1}é"], "z": .raw("1e999"), "o": [:],
    ]
    #expect(value.text == #"{"z":1,"a":[true,null,0.5,"\"\\\u000a\u0001é"],"z":1e999,"o":{}}"#)
    let plain: JSON = ["a": [true, nil, 0.5, "\"\\\n\u{1}é", -3], "b": ["c": [:]]]
    #expect(try JSON(parsing: [UInt8](plain.text.utf8)) == plain)
    #expect(throws: (any Error).self) { try JSON(parsing: [UInt8]("{".utf8)) }
  }

  @Test("members are set in place, added and removed")
  func members() {
    var value: JSON = ["a": 1, "b": 2]
    value["a"] = 3
    value["c"] = 4
    value["b"] = nil
    #expect(value.text == #"{"a":3,"c":4}"#)
  }

  @Test("waiting for requests ends at the right one, and at cancellation")
  func waiting() async throws {
    try await withSandbox { sandbox, curl in
      async let waiting: Void = sandbox.waitForRequests(3, at: .other)
      for _ in 0..<3 { #expect(await curl(sandbox.issuer + "/").status == 404) }
      try await waiting
      try await sandbox.waitForRequests(2, at: .other)
      let endless = Task { try await sandbox.waitForRequests(1, at: .token) }
      endless.cancel()
      await #expect(throws: CancellationError.self) { try await endless.value }
    }
  }
}
