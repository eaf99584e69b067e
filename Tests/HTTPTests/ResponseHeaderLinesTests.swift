import TestSupport
import Testing

@testable import HTTP

/// The header lines as libcurl's callback gets them, with all versions from 7.76.
@Suite struct ResponseHeaderLinesTests {
  /// Takes lines, each with its CRLF. `statuses` are those of final responses.
  private func take(_ lines: [String], final statuses: [String] = ["200"]) -> (ResponseHeaderLines, [Bool]) {
    var headers = ResponseHeaderLines()
    var status = ""
    let results = lines.map { line in
      if line.hasPrefix("HTTP/") { status = String(line.split(separator: " ").dropFirst().first ?? "") }
      return Array("\(line)\r\n".utf8).withUnsafeBytes { bytes in
        headers.take(bytes, endsFinalResponse: statuses.contains(status))
      }
    }
    return (headers, results)
  }

  @Test func theFieldsAreThoseOfTheFinalResponse() {
    let (headers, results) = take([
      "HTTP/1.1 407 Proxy", "X-A: proxy", "", "HTTP/1.1 103 Early Hints", "X-A: early", "",
      "HTTP/1.1 200 OK", "X-A: final", "x-a:\t again \t", "X-Empty:", "",
      "X-A: trailer", "HTTP/X: trailer", "no name", "",
    ])
    #expect(results.allSatisfy { $0 })
    #expect(headers.isComplete)
    #expect(headers.fields == [HTTPHeader("X-A", "final"), HTTPHeader("x-a", "again"), HTTPHeader("X-Empty", "")])
  }

  @Test func theyAreCompleteWithTheEmptyLine() {
    #expect(!take([]).0.isComplete)
    #expect(!take(["HTTP/1.1 200 OK", "X-A: 1"]).0.isComplete)
    #expect(take(["HTTP/1.1 200 OK", "X-A: 1", ""]).0.isComplete)
    #expect(take(["HTTP/1.1 103 Early Hints", ""]).0.isComplete)
    #expect(!take(["HTTP/1.1 103 Early Hints", "", "HTTP/1.1 200 OK"]).0.isComplete)
  }

  @Test func aFoldedLineContinuesTheFieldBeforeIt() {
    let (headers, _) = take(["HTTP/1.1 200 OK", "X-A: one", "  two ", "\tthree", "X-B:", " four", " ", "X-C: five", ""])
    #expect(
      headers.fields == [
        HTTPHeader("X-A", "one two three"), HTTPHeader("X-B", "four"), HTTPHeader("X-C", "five"),
      ])
  }

  @Test(arguments: ["no colon", ": no name", " a fold before any field", "X-A: zero\u{0}byte", "HTTP/1.1 200 OK"])
  func whatIsNoHeaderLineIsRefused(_ line: String) {
    #expect(take(["HTTP/1.1 200 OK", line]).1 == [true, false])
  }

  @Test(arguments: [
    "HTTP/1.1 2000 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2x0 OK", "HTTP/1.1  200 OK", "HTTP/1.1", "HTTP/1.1 ",
  ])
  func aStatusHasThreeDigits(_ line: String) {
    #expect(take([line]).1 == [false])
    #expect(take(["HTTP/1.1 200"]).1 == [true])
  }

  @Test func aResponseWithALineThatIsNoHeaderLineIsNotTaken() async throws {
    for lines in [
      "200 OK\r\nno colon here", "200 OK\r\n: nameless", "200 OK\r\nX-A: zero\u{0}byte", "2000 OK\r\nX-A: 1",
    ] {
      let server = try RawServer { connection in
        _ = connection.readRequest()
        connection.send("HTTP/1.1 \(lines)\r\nContent-Length: 2\r\n\r\n{}")
        connection.waitForClose()
      }
      let failure = await #expect(throws: HTTPFailure.self) {
        try await HTTPClient().send(HTTPRequest(url: server.url))
      }
      #expect(failure?.reason == .malformedResponse, "\(lines): \(String(describing: failure))")
    }
  }

  @Test func aFoldedFieldArrivesWhole() async throws {
    let server = try RawServer { $0.answerAll("{}", headers: ["X-A: one\r\n two"]) }
    #expect(try await HTTPClient().send(HTTPRequest(url: server.url)).headers["X-A"] == "one two")
  }
}
