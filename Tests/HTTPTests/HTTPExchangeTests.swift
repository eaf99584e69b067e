import TestSupport
import Testing
import Base
import HTTP

/// What goes over the wire, and what comes back, when all is well.
@Suite(.timeLimit(.minutes(1))) struct HTTPExchangeTests {
  @Test func sendsAGet() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let client = HTTPClient(userAgent: "konexus-tokend/1.2.3")
    let response = try await client.send(
      HTTPRequest(
        url: server.url + "/.well-known/x?y=a%20b&z", headers: [HTTPHeader("X-One", "1"), HTTPHeader("X-Empty", "")]))
    #expect(response.status == 200)
    #expect(response.body == Array("{}".utf8))
    let request = try #require(server.requests.first)
    #expect(request.line == "GET /.well-known/x?y=a%20b&z HTTP/1.1")
    #expect(
      request.headers == [
        "Host: 127.0.0.1:\(server.port)", "User-Agent: konexus-tokend/1.2.3", "Accept: application/json",
        "Accept-Encoding: identity", "X-One: 1", "X-Empty:",
      ])
  }

  @Test func sendsAPost() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let body = FormEncoding.body([("grant_type", "client_credentials"), ("client_secret", .secret(Secret("a b")))])
    _ = try await HTTPClient().send(
      HTTPRequest(
        method: .post, url: server.url + "/connect/token", headers: [HTTPHeader("accept", "text/plain")],
        authorization: Secret("Basic Zm9vOmJhcg=="), body: body))
    let request = try #require(server.requests.first)
    #expect(request.line == "POST /connect/token HTTP/1.1")
    #expect(
      request.headers == [
        "Host: 127.0.0.1:\(server.port)", "User-Agent: konexus-tokend", "Accept-Encoding: identity",
        "Content-Type: application/x-www-form-urlencoded",
        "accept: text/plain", "Authorization: Basic Zm9vOmJhcg==", "Content-Length: 47",
      ])
    #expect(String(decoding: request.body, as: UTF8.self) == "grant_type=client_credentials&client_secret=a+b")
  }

  @Test(arguments: [0, 1, 1023, 1025, 70_000, 2_000_000])
  func sendsContentOfAnySizeWithoutWaitingForLeave(_ size: Int) async throws {
    let server = try RawServer { $0.answerAll("ok") }
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    _ = try await HTTPClient().send(
      HTTPRequest(method: .post, url: server.url, body: Secret(bytes), contentType: "application/octet-stream"))
    let request = try #require(server.requests.first)
    #expect(request.body == bytes)
    #expect(request.header("Content-Type") == "application/octet-stream")
    #expect(request.header("Expect") == nil)
  }

  @Test func sendsAPostWithoutContent() async throws {
    let server = try RawServer { $0.answerAll("ok") }
    _ = try await HTTPClient().send(HTTPRequest(method: .post, url: server.url))
    #expect(server.requests.first?.header("Content-Length") == "0")
  }

  @Test(arguments: [
    "200 OK", "204 No Content", "301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect",
    "308 Permanent Redirect",
    "400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "407 Proxy Authentication Required",
    "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable", "599 Odd", "200",
  ])
  func returnsEveryStatusAndFollowsNothing(_ status: String) async throws {
    let elsewhere = try RawServer { $0.answerAll("elsewhere") }
    let location = "Location: \(elsewhere.url)/"
    let server = try RawServer { connection in
      while connection.readRequest() != nil {
        connection.answer(
          status.hasPrefix("204") ? "" : "here", status: status, headers: [location, "WWW-Authenticate: Basic"])
      }
    }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.status == Int(status.prefix(3)))
    #expect(response.headers["location"] == elsewhere.url + "/")
    #expect(elsewhere.connections == 0)
    #expect(server.requests.count == 1)
  }

  @Test func looksHeadersUpWithoutCase() async throws {
    let server = try RawServer {
      $0.answerAll("", headers: ["Cache-Control: a", "cache-control:b", "X-Space:   c d \t", "X-Empty:", "x-ü: é"])
    }
    let headers = try await HTTPClient().send(HTTPRequest(url: server.url)).headers
    #expect(headers.values(for: "CACHE-control") == ["a", "b"])
    #expect(headers["Cache-Control"] == "a")
    #expect(headers["x-space"] == "c d")
    #expect(headers["x-empty"] == "")
    #expect(headers["x-none"] == nil)
    #expect(headers.values(for: "x-none") == [])
  }

  @Test func takesFieldsFromTheFinalResponseOnly() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n")
      connection.send("HTTP/1.1 200 OK\r\nX-A: final\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n")
      connection.send("5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nX-A: trailer\r\nX-B: trailer\r\n\r\n")
      connection.waitForClose()
    }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.status == 200)
    #expect(response.headers.values(for: "X-A") == ["final"])
    #expect(response.headers["X-B"] == nil)
    #expect(String(decoding: response.body, as: UTF8.self) == "hello world")
  }

  @Test func takesContentThatEndsWithTheConnection() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.0 200 OK\r\n\r\n{\"a\":1}")
    }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(String(decoding: response.body, as: UTF8.self) == "{\"a\":1}")
  }

  @Test func leavesContentThatIsNoGzip() async throws {
    // Not all that claims to be gzip is.
    let server = try RawServer { $0.answerAll("not gzip", headers: ["Content-Encoding: gzip"]) }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url))
    #expect(response.body == Array("not gzip".utf8))
    #expect(response.undecodedCoding == "gzip")
    #expect(server.requests.first?.header("Accept-Encoding") == "identity")
  }

  @Test func takesContentUpToTheLimit() async throws {
    let server = try RawServer { $0.answerAll(String(repeating: "x", count: 1000)) }
    let response = try await HTTPClient(maximumBodyBytes: 1000).send(HTTPRequest(url: server.url))
    #expect(response.body.count == 1000)
  }

  @Test func tellsWhereAndHowLong() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let response = try await HTTPClient().send(HTTPRequest(url: server.url.replacing("127.0.0.1", with: "localhost")))
    #expect(response.remoteAddress == "127.0.0.1")
    let timings = response.timings
    #expect(timings.total > .zero)
    #expect(timings.firstByte > .zero)
    #expect(timings.tls == .zero)
    #expect(timings.nameLookup + timings.connect + timings.tls + timings.firstByte <= timings.total)
    #expect(response.certificates.isEmpty)
    #expect(response.tlsVersion == nil)
  }

  @Test func reachesIPv4WhereIPv6Refuses() async throws {
    // localhost is ::1 and 127.0.0.1 (libcurl knows it by itself), and here only the latter listens.
    let server = try RawServer { $0.answerAll("{}") }
    let response = try await HTTPClient().send(HTTPRequest(url: "http://localhost:\(server.port)/"))
    #expect(response.status == 200)
  }

  @Test func reachesIPv4WhereIPv6IsSilent() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let silent = try SilentPort(port: server.port)
    #expect(silent.isSilent)
    let response = try await HTTPClient().send(
      HTTPRequest(url: "http://localhost:\(server.port)/", timeout: .seconds(300), connectTimeout: .seconds(300)))
    // The response came, without the 300 s of the address family that does not answer. By RFC 8305, the other family is
    // tried meanwhile.
    #expect(response.status == 200 && response.remoteAddress == "127.0.0.1")
    #expect(silent.isSilent)
  }
}
