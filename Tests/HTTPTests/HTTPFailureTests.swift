import Glibc
import TestSupport
import Testing
@testable import Base
@testable import HTTP

/// Servers that fail or misbehave: what the failure is called, and that it comes before the deadline and costs no
/// memory.
@Suite(.timeLimit(.minutes(1))) struct HTTPFailureTests {
  private static let secret = "hush-hush"

  /// Sends a request that holds secrets, and returns its failure.
  private func failure(
    _ url: String, maximumBodyBytes: Int = 1 << 20, timeout: Duration = .seconds(30),
    connectTimeout: Duration = .seconds(30)
  ) async throws -> HTTPFailure {
    let failure = await #expect(throws: HTTPFailure.self) {
      try await HTTPClient(maximumBodyBytes: maximumBodyBytes).send(
        HTTPRequest(
          method: .post, url: url, authorization: Secret("Bearer \(Self.secret)"), body: Secret("a=\(Self.secret)"),
          timeout: timeout, connectTimeout: connectTimeout))
    }
    let unwrapped = try #require(failure)
    #expect(!unwrapped.message.contains(Self.secret))
    #expect(unwrapped.message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f })
    return unwrapped
  }

  @Test func nameThatDoesNotExist() async throws {
    let failure = try await failure("https://auth.invalid/connect/token")
    #expect(failure.reason == .nameResolution)
    #expect(failure.message.contains("auth.invalid"))
  }

  @Test func nobodyListens() async throws {
    // The port is bound, so that no other process gets it, but no socket listens.
    let (descriptor, port) = try RawServer.bindPort()
    defer { close(descriptor) }
    let failure = try await failure("http://127.0.0.1:\(port)/")
    #expect(failure.reason == .connectionRefused)
    #expect(failure.message == "connection to 127.0.0.1:\(port) refused")
  }

  @Test(arguments: [
    ("", HTTPFailure.Reason.connectionFailed),
    ("HTTP/1.1 200 OK\r\nContent-", .truncatedBody),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .truncatedBody),
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", .truncatedBody),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", .truncatedBody),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", .truncatedBody),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\n", .malformedResponse),
    ("SSH-2.0-OpenSSH_9.2\r\n", .malformedResponse),
    ("{\"access_token\":\"x\"}\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 abc OK\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 1000 OK\r\n\r\n", .malformedResponse),
    ("HTTP/7.3 200 OK\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", .malformedResponse),
    ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", .malformedResponse),
  ])
  func brokenAnswers(_ bytes: String, _ reason: HTTPFailure.Reason) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(bytes)
    }
    let failure = try await failure(server.url)
    #expect(failure.reason == reason, "\(failure)")
    #expect(failure.message.contains("127.0.0.1:\(server.port)"))
  }

  @Test func resetBeforeTheAnswer() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.reset()
    }
    #expect(try await failure(server.url).reason == .connectionFailed)
  }

  @Test func resetOnArrival() async throws {
    let server = try RawServer { $0.reset() }
    #expect(try await failure(server.url).reason == .connectionFailed)
    #expect(try await failure(server.secureURL).reason == .connectionFailed)
  }

  @Test func closedDuringTheHandshake() async throws {
    let server = try RawServer { _ in }
    #expect(try await failure(server.secureURL).reason == .connectionFailed)
  }

  @Test func plainHTTPOnAnHTTPSPort() async throws {
    let server = try RawServer { connection in
      connection.send("HTTP/1.1 400 Bad Request\r\n\r\n")
      connection.waitForClose()
    }
    let failure = try await failure(server.secureURL)
    #expect(failure.reason == .tls(.other))
    #expect(failure.message == "TLS handshake with 127.0.0.1:\(server.port) failed: the port does not use TLS")
  }

  @Test(arguments: [
    "Content-Length: 104857600", "Content-Length: 99999999999999999999999", "Transfer-Encoding: chunked", "X: y",
  ])
  func contentOfAHundredMegabytes(_ header: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\n\(header)\r\n\r\n")
      let chunk = [UInt8](repeating: 0x78, count: 65_536)
      for _ in 0..<1600 {
        if header.contains("chunked") { connection.send("10000\r\n") }
        guard connection.send(header.contains("chunked") ? chunk + [13, 10] : chunk) else { return }
      }
    }
    let failure = try await failure(server.url)
    #expect(failure.reason == .bodyTooLarge(limit: 1 << 20), "\(failure)")
    // What the client did not take is what the kernel's buffers held.
    #expect(server.bytesSent < 32 << 20)
  }

  @Test func oneByteTooMany() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 1001))
    }
    #expect(try await failure(server.url, maximumBodyBytes: 1000).reason == .bodyTooLarge(limit: 1000))
  }

  /// Endless header fields in each place where there can be some.
  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\n", "X-Flood: 0123456789012345678901234567890123456789\r\n"),
    ("HTTP/1.1 200 OK\r\nX-Flood: ", "0123456789012345678901234567890123456789"),
    ("HTTP/1.1 ", "0123456789012345678901234567890123456789"),
    ("HTTP/1.1 200 ", "0123456789012345678901234567890123456789"),
    ("", "HTTP/1.1 103 Early Hints\r\nX-Flood: 0123456789\r\n\r\n"),
    ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ("HTTP/1.1 200 OK\r\nX: y", "\r\n continued: 0123456789"),
    (
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
      "X-Flood: 0123456789012345678901234567890123456789\r\n"
    ),
  ])
  func headerFloods(_ start: String, _ flood: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(start)
      let many = String(repeating: flood, count: 1000)
      while connection.send(many) {}
    }
    let failure = try await failure(server.url)
    #expect(
      failure.reason == .headersTooLarge || (start == "HTTP/1.1 " && failure.reason == .malformedResponse), "\(failure)"
    )
    #expect(server.bytesSent < 32 << 20)
  }

  @Test func chunkExtensionFlood() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
      let many = String(repeating: "0123456789", count: 1000)
      while connection.send(many) {}
    }
    let failure = try await failure(server.url, timeout: .seconds(2))
    #expect(failure.reason == .timeout(stage: .body), "\(failure)")
  }

  // MARK: Time

  @Test func timeoutWhileConnecting() async throws {
    // A full backlog: the kernel drops further SYNs.
    let server = try RawServer(backlog: 0, accepts: false)
    let plugs = (0..<3).map { _ in Plug(port: server.port) }
    let failure = try await failure(server.url, connectTimeout: .seconds(2))
    #expect(failure.reason == .timeout(stage: .connect), "\(failure)")
    withExtendedLifetime(plugs) {}
  }

  @Test(arguments: [true, false])
  func timeoutDuringTheHandshake(_ byConnectTimeout: Bool) async throws {
    let server = try RawServer { $0.waitForClose() }
    let failure = try await failure(
      server.secureURL, timeout: byConnectTimeout ? .seconds(30) : .seconds(2),
      connectTimeout: byConnectTimeout ? .seconds(2) : .seconds(30))
    #expect(failure.reason == .timeout(stage: .tls), "\(failure)")
  }

  @Test func timeoutBeforeTheAnswer() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let failure = try await failure(server.url, timeout: .seconds(2))
    #expect(failure.reason == .timeout(stage: .response))
    #expect(failure.message.hasPrefix("request to 127.0.0.1:\(server.port) timed out after "))
  }

  @Test(
    "a silent server is not called unreachable, on a connection that was used before or not",
    arguments: [
      ("", HTTPFailure.Stage.response), ("HTTP/1.1 100 Continue\r\n\r\n", .response),
      ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{", .body),
    ], [true, false])
  func silence(_ answer: (start: String, stage: HTTPFailure.Stage), _ isUsedBefore: Bool) async throws {
    let server = try RawServer { connection in
      if isUsedBefore {
        _ = connection.readRequest()
        connection.answer("{}")
      }
      _ = connection.readRequest()
      // Interim responses without end, until their header fields are as long as they may be.
      repeat { usleep(20_000) } while connection.send(answer.start) && answer.stage == .response && answer.start != ""
      connection.waitForClose()
    }
    let client = HTTPClient(maximumBodyBytes: 1000, userAgent: "test", linger: .seconds(60))
    let request = HTTPRequest(url: server.url, timeout: .seconds(2))
    if isUsedBefore { #expect(try await client.send(request).status == 200) }
    let failure = try #require(await #expect(throws: HTTPFailure.self) { try await client.send(request) })
    #expect(failure.reason == .timeout(stage: answer.stage), "\(failure)")
    #expect(failure.message.contains(" timed out after "), "\(failure)")
    #expect(server.connections == 1)
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nX-Drip: ",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n",
  ])
  func timeoutWhileItDrips(_ start: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(start)
      while connection.send("x") { usleep(20_000) }
    }
    let failure = try await failure(server.url, timeout: .seconds(2))
    #expect(failure.reason == .timeout(stage: .body), "\(failure)")
  }

  @Test func endlessContentEndsAtTheLimitOrTheDeadline() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
      while connection.send("1\r\nx\r\n") { usleep(1000) }
    }
    #expect(try await failure(server.url, timeout: .seconds(2)).reason == .timeout(stage: .body))
    #expect(try await failure(server.url, maximumBodyBytes: 10).reason == .bodyTooLarge(limit: 10))
  }

  @Test(arguments: [Duration.zero, .seconds(-5), .nanoseconds(1)])
  func noTimeAtAllIsATimeoutToo(_ timeout: Duration) async throws {
    let server = try RawServer { $0.waitForClose() }
    guard case .timeout = try await failure(server.url, timeout: timeout).reason else {
      Issue.record("no timeout")
      return
    }
  }

  // MARK: What is not sent

  @Test(arguments: [
    ("http://auth.example.com/", HTTPFailure.Reason.insecureURL), ("ftp://localhost/", .invalidURL), ("", .invalidURL),
  ])
  func urls(_ url: String, _ reason: HTTPFailure.Reason) async throws {
    #expect(try await failure(url).reason == reason)
  }

  @Test(arguments: [
    HTTPHeader("X", "a\r\nY: b"), HTTPHeader("X", "a\nb"), HTTPHeader("X\r\nY", "a"), HTTPHeader("", "a"),
    HTTPHeader("X Y", "a"),
    HTTPHeader("X:", "a"), HTTPHeader("X", "a\0b"),
  ])
  func headersThatWouldBreakOut(_ header: HTTPHeader) async throws {
    let server = try RawServer { $0.answerAll("ok") }
    let failure = await #expect(throws: HTTPFailure.self) {
      try await HTTPClient().send(HTTPRequest(url: server.url, headers: [header]))
    }
    #expect(failure?.reason == .other)
    #expect(server.connections == 0)
  }

  @Test func authorizationThatWouldBreakOut() async throws {
    let server = try RawServer { $0.answerAll("ok") }
    let failure = await #expect(throws: HTTPFailure.self) {
      try await HTTPClient().send(HTTPRequest(url: server.url, authorization: Secret("Bearer hush\r\nX: y")))
    }
    #expect(failure?.reason == .other)
    #expect(failure?.message.contains("hush") == false)
    #expect(server.connections == 0)
  }
}
