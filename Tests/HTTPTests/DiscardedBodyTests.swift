import TestSupport
import Testing
@testable import HTTP

/// Requests that end after the header fields.
@Suite(.timeLimit(.minutes(1))) struct DiscardedBodyTests {
  private func request(_ url: String, timeout: Duration = .seconds(30)) -> HTTPRequest {
    HTTPRequest(url: url, timeout: timeout, connectTimeout: timeout, discardsBody: true)
  }

  @Test(arguments: [
    "Content-Length: 10000000000", "Content-Length: 99999999999999999999999", "Transfer-Encoding: chunked", "X: y",
  ])
  func tenGigabytes(_ header: String) async throws {
    let isClosed = Flag()
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\n\(header)\r\n\r\n")
      let chunk = [UInt8](repeating: 0x78, count: 65_536)
      while connection.send(header.contains("chunked") ? Array("10000\r\n".utf8) + chunk + [13, 10] : chunk) {}
      isClosed.set()
    }
    let response = try await HTTPClient().send(request(server.url))
    #expect(response.status == 200 && response.body.isEmpty)
    #expect(response.headers[header.split(separator: ":").first.map(String.init) ?? ""] != nil)
    await ProcessState.wait { isClosed.isSet }
    // What the client did not take is what the kernel's buffers held.
    #expect(server.bytesSent < 32 << 20)
  }

  @Test(arguments: ["Content-Length: 5", "Transfer-Encoding: chunked", "X: y"])
  func contentThatNeverComes(_ header: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 403 Forbidden\r\n\(header)\r\n\r\n")
      connection.waitForClose()
    }
    // The test's own limit is shorter.
    #expect(try await HTTPClient().send(request(server.url, timeout: .seconds(3600))).status == 403)
  }

  @Test(arguments: ["204 No Content", "304 Not Modified", "301 Moved", "401 Unauthorized", "500 Oh"])
  func everyStatus(_ status: String) async throws {
    let elsewhere = try RawServer { $0.answerAll("elsewhere") }
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 \(status)\r\nLocation: \(elsewhere.url)\r\nWWW-Authenticate: Bearer\r\n\r\n")
      connection.waitForClose()
    }
    let response = try await HTTPClient().send(request(server.url))
    #expect(response.status == Int(status.prefix(3)))
    #expect(response.headers["WWW-Authenticate"] == "Bearer")
    #expect(elsewhere.connections == 0)
  }

  @Test func interimResponsesAreNotTheEnd() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: early\r\n\r\n")
      connection.send("HTTP/1.1 200 OK\r\nX-A: final\r\nContent-Length: 2\r\n\r\nok")
      connection.waitForClose()
    }
    let response = try await HTTPClient().send(request(server.url))
    #expect(response.status == 200)
    #expect(response.headers.values(for: "X-A") == ["final"])
  }

  @Test func aProxysResponseIsNotTheEnd() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue(["api.example.test"]), status: "403 Forbidden")
    let proxy = try RawServer { connection in
      guard connection.readRequest() != nil else { return }
      let onward = Plug(port: server.port)
      connection.send("HTTP/1.1 200 Connection established\r\n\r\n")
      connection.relay(to: onward.descriptor)
    }
    var request = request("https://api.example.test/t")
    request.transport = TransportSettings(caFile: file.path, proxy: .url("http://127.0.0.1:\(proxy.port)"))
    #expect(try await HTTPClient().send(request).status == 403)
    #expect(server.requests == 1)
  }

  @Test func aProxyThatRefusesIsAFailure() async throws {
    let proxy = try RawServer { connection in
      while connection.readRequest() != nil { connection.answer("no", status: "403 Forbidden") }
    }
    var request = request("https://api.example.test/t")
    request.transport = TransportSettings(proxy: .url("http://127.0.0.1:\(proxy.port)"))
    let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(request) }
    #expect(failure?.reason == .proxy)
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-", HTTPFailure.Reason.truncatedBody), ("", .connectionFailed),
    ("{\"a\":1}", .malformedResponse),
  ])
  func headerFieldsMustBeComplete(_ bytes: String, _ reason: HTTPFailure.Reason) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(bytes)
    }
    let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(request(server.url)) }
    #expect(failure?.reason == reason, "\(String(describing: failure))")
  }

  @Test func headerFieldsAreLimited() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\n")
      while connection.send(String(repeating: "X-Flood: 0123456789\r\n", count: 1000)) {}
    }
    let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(request(server.url)) }
    #expect(failure?.reason == .headersTooLarge)
  }

  @Test func theConnectionIsNotUsedAgain() async throws {
    let server = try RawServer { $0.answerAll("content") }
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .seconds(3600))
    for _ in 0..<3 { #expect(try await client.send(request(server.url)).status == 200) }
    let response = try await client.send(HTTPRequest(url: server.url))
    #expect(String(decoding: response.body, as: UTF8.self) == "content")
    #expect(server.connections == 4)
  }
}
