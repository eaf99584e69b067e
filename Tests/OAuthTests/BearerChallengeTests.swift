import Testing
@testable import OAuth

/// `WWW-Authenticate` as an API writes it, well-formed or not.
@Suite struct BearerChallengeTests {
  @Test(arguments: [
    (#"Bearer error="invalid_token""#, "invalid_token"), (#"bearer ERROR=invalid_token"#, "invalid_token"),
    (#"Bearer realm="example", error="invalid_token", error_description="The access token expired""#, "invalid_token"),
    (#"Bearer realm="a, Basic error=b",error = "insufficient_scope""#, "insufficient_scope"),
    (#"Basic realm="x", Bearer error="invalid_request""#, "invalid_request"),
    (#"Negotiate YII==, Bearer error="invalid_token""#, "invalid_token"),
    (#"Negotiate, Basic error="no", Bearer error="yes""#, "yes"),
    (#"Bearer realm="first", Bearer error="second""#, "second"),
    (#"Bearer error="\i\n\v""#, "inv"), (#"Bearer error="two words""#, "two words"),
    (#"Bearer error="a", realm="caf\#u{e9}""#, "a"), (#" , Bearer error="a" , , "#, "a"),
    ("Bearer error=\"\(String(repeating: "x", count: 64))\"", String(repeating: "x", count: 64)),
  ])
  func readsTheCode(_ field: String, _ error: String) {
    #expect(BearerChallenge.error(in: field) == error)
  }

  @Test(arguments: [
    "", " ", ",", "Bearer", "Bearer ", "Bearer abc==", #"Bearer realm="error=invalid_token""#,
    #"Basic error="invalid_token""#, #"DPoP error="invalid_token""#, #"error="invalid_token""#,
    #"Bearer error="a", error="b""#, #"Bearer error="a" error_description="b""#, #"Bearer error="a"#, #"Bearer error="#,
    #"Bearer error="""#, #"Bearer error="a\"#, #"Bearer error="a\"b""#, #"Bearer error="a\\b""#,
    "Bearer error=\"a\u{1b}[2J\"", "Bearer error=\"a\r\nb\"", "Bearer error=\"\u{e9}\"", "Bearer error=\"a\tb\"",
    "Bearer error=\"\(String(repeating: "x", count: 65))\"", "Bearer\terror=\"a\"", #"Bearer/error="a""#,
    #"Bearer error="a", realm="\#(String(repeating: "x", count: 4096))""#,
  ])
  func readsNoCode(_ field: String) {
    #expect(BearerChallenge.error(in: field) == nil)
  }
}
