import HTTP
import Testing

/// What is kept of `ETag` and `Last-Modified`, which a hostile server can have written.
@Suite struct CacheValidatorsTests {
  private static let earlier = "Mon, 23 Nov 2026 00:00:00 GMT"
  private static let later = "Mon, 23 Nov 2026 00:00:01 GMT"

  private func conditions(_ fields: [(String, String)]) -> [HTTPHeader] {
    CacheValidators(HTTPHeaders(fields.map { HTTPHeader($0, $1) }))?.conditions ?? []
  }

  @Test(arguments: [
    #""33a64df5""#, #"W/"0815""#, #""""#, #"W/"""#, #""a,b;c*'\""#, "\"" + String(repeating: "x", count: 1022) + "\"",
  ])
  func sendsTheTagAsItCame(_ tag: String) {
    #expect(conditions([("etag", tag)]) == [HTTPHeader("If-None-Match", tag)])
  }

  @Test(arguments: [
    "", "*", "33a64df5", #"""#, #"w/"a""#, #"W/a"#, #""a", "b""#, #""a" "#, #" "a""#, #""a b""#, "\"a\tb\"",
    "\"a\r\nX: y\"", "\"a\nb\"", "\"a\0b\"", "\"\u{1b}[2J\"", "\"é\"", "\"\u{202e}\"", #"W/W/"a""#,
    "\"" + String(repeating: "x", count: 1023) + "\"",
  ])
  func doesNotSendAMalformedTag(_ tag: String) {
    #expect(conditions([("ETag", tag)]).isEmpty)
  }

  @Test func doesNotChooseAmongSeveral() {
    #expect(conditions([("ETag", #""a""#), ("ETag", #""b""#)]).isEmpty)
    #expect(
      conditions([("Last-Modified", Self.earlier), ("Last-Modified", Self.earlier), ("Date", Self.later)]).isEmpty)
  }

  @Test func sendsTheDateAsItCame() {
    let date = [("Last-Modified", Self.earlier), ("Date", Self.later)]
    #expect(conditions(date) == [HTTPHeader("If-Modified-Since", Self.earlier)])
    #expect(
      conditions(date + [("ETag", #""a""#)])
        == [HTTPHeader("If-None-Match", #""a""#), HTTPHeader("If-Modified-Since", Self.earlier)])
  }

  @Test("a second change within the same second would have the same date")
  func doesNotSendADateThatIsTooYoung() {
    #expect(conditions([("Last-Modified", Self.later), ("Date", Self.later)]).isEmpty)
    #expect(conditions([("Last-Modified", Self.later), ("Date", Self.earlier)]).isEmpty)
    #expect(conditions([("Last-Modified", Self.earlier)]).isEmpty)
    #expect(conditions([("Last-Modified", Self.earlier), ("Date", "today")]).isEmpty)
  }

  @Test(arguments: ["", "0", "yesterday", "*", "Mon, 23 Nov 2026 00:00:00 GMT\r\nX: y", "\u{1b}[2J"])
  func doesNotSendAMalformedDate(_ date: String) {
    #expect(conditions([("Last-Modified", date), ("Date", Self.later)]).isEmpty)
  }

  @Test(
    arguments: [
      (#""a""#, #""a""#, true), (#""a""#, #"W/"a""#, true), (#"W/"a""#, #""a""#, true), (#""a""#, #""b""#, false),
      (#""a""#, #"W/"b""#, false), (#""a""#, "a", true), (#""a""#, nil, true), (nil, #""b""#, true),
    ] as [(String?, String?, Bool)])
  func noticesA304AboutSomethingElse(_ own: String?, _ other: String?, _ agrees: Bool) throws {
    var fields = [HTTPHeader("Last-Modified", Self.earlier), HTTPHeader("Date", Self.later)]
    if let own { fields.append(HTTPHeader("ETag", own)) }
    let validators = try #require(CacheValidators(HTTPHeaders(fields)))
    #expect(validators.agree(withNotModified: HTTPHeaders(other.map { [HTTPHeader("ETag", $0)] } ?? [])) == agrees)
  }
}
