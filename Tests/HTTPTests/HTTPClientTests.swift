import Glibc
import TestSupport
import Testing
@testable import HTTP

/// Many requests at once, one after the other, and cancelled ones: the thread behind them.
@Suite(.timeLimit(.minutes(1))) struct HTTPClientTests {
  private func request(_ server: RawServer, path: String = "/") -> HTTPRequest {
    HTTPRequest(url: server.url + path, timeout: .seconds(600), connectTimeout: .seconds(600))
  }

  /// If the first name server does not answer, 5 s pass before the second is asked.
  @Test func aConnectionHasHalfOfTheTimeButNotLessThanFifteenSeconds() {
    for (timeout, connect) in [(30, 15), (10, 10), (60, 30), (300, 150)] {
      #expect(HTTPRequest(url: "https://a.example", timeout: .seconds(timeout)).connectTimeout == .seconds(connect))
    }
  }

  @Test func aBurstUsesOneConnection() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    // Released after the test, whereupon it ends at once: a busy machine does not make a pause out of the burst.
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .seconds(3600))
    for _ in 0..<20 { _ = try await client.send(request(server)) }
    #expect(server.connections == 1)
    #expect(server.requests.count == 20)
  }

  @Test func aBurstUsesOneTLSConnection() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue())
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .seconds(3600))
    for index in 0..<20 {
      let response = try await client.send(
        HTTPRequest(url: server.url, transport: TransportSettings(caFile: file.path)))
      #expect((response.timings.tls == .zero) == (index > 0))
    }
    #expect(server.connections == 1)
    #expect(server.requests == 20)
  }

  @Test func aConnectionThatTheServerClosedIsReplaced() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.answer("{}")
    }
    let client = HTTPClient()
    for _ in 0..<20 { #expect(try await client.send(request(server)).status == 200) }
    #expect(server.connections == 20)
  }

  @Test func twoHundredAtOnce() async throws {
    let server = try RawServer { connection in
      while let request = connection.readRequest() { connection.answer(request.line) }
    }
    let client = HTTPClient()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<200 {
        group.addTask {
          let body = try await client.send(request(server, path: "/\(index)")).body
          #expect(String(decoding: body, as: UTF8.self) == "GET /\(index) HTTP/1.1")
        }
      }
      try await group.waitForAll()
    }
    #expect(server.requests.count == 200)
  }

  @Test func twoHundredTLSHandshakesAtOnce() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue())
    let client = HTTPClient()
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<200 {
        group.addTask {
          try await client.send(
            HTTPRequest(
              url: server.url, timeout: .seconds(60), connectTimeout: .seconds(60),
              transport: TransportSettings(caFile: file.path))
          ).status
        }
      }
      for try await status in group { #expect(status == 200) }
    }
    #expect(server.requests == 200)
  }

  @Test func aSlowServerDelaysNobody() async throws {
    let slow = try RawServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let fast = try RawServer { $0.answerAll("{}") }
    let client = HTTPClient()
    let hasEnded = Flag()
    try await withThrowingTaskGroup(of: HTTPFailure?.self) { group in
      for _ in 0..<10 {
        group.addTask {
          defer { hasEnded.set() }
          do throws(HTTPFailure) {
            _ = try await client.send(request(slow))
            return nil
          } catch {
            return error
          }
        }
      }
      await ProcessState.wait { slow.requests.count == 10 }
      for _ in 0..<50 { #expect(try await client.send(request(fast)).status == 200) }
      #expect(!hasEnded.isSet)
      group.cancelAll()
      for try await failure in group { #expect(failure?.reason == .cancelled) }
    }
  }

  // MARK: Cancellation

  /// Each is a place in which a transfer can hang: before TCP, in TLS, before the answer, within it.
  enum Hang: CaseIterable { case connect, handshake, response, body }

  @Test(arguments: Hang.allCases)
  func cancellingEndsItAtOnce(_ hang: Hang) async throws {
    let isReached = Flag()
    let isClosed = Flag()
    let server = try RawServer(backlog: hang == .connect ? 0 : 512, accepts: hang != .connect) { connection in
      if hang != .handshake { _ = connection.readRequest() }
      if hang == .body { connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab") }
      isReached.set()
      connection.waitForClose()
      isClosed.set()
    }
    let client = HTTPClient()
    let plugs = hang == .connect ? (0..<3).map { _ in Plug(port: server.port) } : []
    let task = Task {
      let url = hang == .handshake ? server.secureURL : server.url
      return try await client.send(HTTPRequest(url: url, timeout: .seconds(600), connectTimeout: .seconds(600)))
    }
    if hang == .connect {
      await ProcessState.wait { ProcessState.httpThreads > 0 }
    } else {
      await ProcessState.wait { isReached.isSet }
    }
    task.cancel()
    let failure = await #expect(throws: HTTPFailure.self) { try await task.value }
    #expect(failure?.reason == .cancelled)
    #expect(failure?.message == "request to 127.0.0.1:\(server.port) cancelled")
    if hang != .connect { await ProcessState.wait { isClosed.isSet } }
    withExtendedLifetime(plugs) {}
  }

  @Test func aCancelledTaskSendsNothing() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let client = HTTPClient()
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return try await client.send(request(server))
    }
    task.cancel()
    let failure = await #expect(throws: HTTPFailure.self) { try await task.value }
    #expect(failure?.reason == .cancelled)
    #expect(server.requests.isEmpty)
  }

  @Test func cancellingAtAnyMomentEndsInOneWayOrTheOther() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .milliseconds(1))
    await withTaskGroup(of: Void.self) { group in
      for index in 0..<300 {
        group.addTask {
          let task = Task { try await client.send(request(server)) }
          try? await Task.sleep(for: .microseconds(index * 13 % 4000))
          task.cancel()
          do {
            #expect(try await task.value.status == 200)
          } catch {
            #expect((error as? HTTPFailure)?.reason == .cancelled)
          }
        }
      }
    }
  }

  @Test func noRequestFallsBetweenTheEndOfOneThreadAndTheStartOfTheNext() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .microseconds(1))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<4 {
        group.addTask {
          for index in 0..<150 {
            let status = try await client.send(request(server)).status
            #expect(status == 200)
            // About as long as the thread takes to end, so that requests come before, during and after.
            usleep(UInt32((index * 37 + worker * 101) % 2500))
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(server.requests.count == 600)
  }
}

/// The same in a process of its own, where all threads and descriptors can be counted.
@Suite(.timeLimit(.minutes(1))) struct HTTPClientProcessTests {
  @Test func anIdleClientHasNoThreadAndNoConnection() async {
    await #expect(processExitsWith: .success) {
      let mayAnswer = Flag()
      let server = try RawServer { connection in
        while connection.readRequest() != nil {
          while !mayAnswer.isSet { usleep(1000) }
          connection.answer("{}")
        }
      }
      let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .milliseconds(50))
      #expect(ProcessState.httpThreads == 0)
      mayAnswer.set()
      _ = try await client.send(HTTPRequest(url: server.url))
      await ProcessState.wait { ProcessState.httpThreads == 0 && server.openConnections == 0 }
      mayAnswer.clear()
      // The descriptors with which Dispatch waits are opened at the first sleep, and stay.
      try await Task.sleep(for: .milliseconds(1))
      let threads = ProcessState.threadNames.count
      let descriptors = ProcessState.openDescriptors

      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<50 {
          group.addTask { try await client.send(HTTPRequest(url: server.url, timeout: .seconds(60))).status }
        }
        await ProcessState.wait { server.requests.count == 51 }
        #expect(ProcessState.httpThreads == 1)
        // The signals of the process are for others: all are blocked but the two that cannot be, and the C library's
        // own two.
        let unblockable = UInt64(1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1)) | 1 << 31 | 1 << 32
        #expect(ProcessState.httpThreadSignalMasks == [~unblockable])
        mayAnswer.set()
        for try await status in group { #expect(status == 200) }
      }
      await ProcessState.wait { ProcessState.httpThreads == 0 && server.openConnections == 0 }
      // The server's threads end a moment after their connections. The pool of Swift's concurrency may have grown, but
      // only to the number of processors.
      await ProcessState.wait { ProcessState.threadNames.count <= threads + sysconf(Int32(_SC_NPROCESSORS_ONLN)) }
      #expect(ProcessState.openDescriptors == descriptors)
      #expect(try await client.send(HTTPRequest(url: server.url)).status == 200)
    }
  }

  @Test func aReleasedClientDoesNotLinger() async {
    await #expect(processExitsWith: .success) {
      let server = try RawServer { $0.answerAll("{}") }
      func use() async throws {
        let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .seconds(3600))
        #expect(try await client.send(HTTPRequest(url: server.url)).status == 200)
        #expect(ProcessState.httpThreads == 1)
      }
      try await use()
      await ProcessState.wait { ProcessState.httpThreads == 0 && server.openConnections == 0 }
    }
  }

  @Test func withoutDescriptorsItFailsAndRecovers() async {
    await #expect(processExitsWith: .success) {
      let server = try RawServer { $0.answerAll("{}") }
      let client = HTTPClient(maximumBodyBytes: 1 << 20, userAgent: "x", linger: .milliseconds(1))
      // Up to the highest that is open, all are taken.
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
      let usual = limit
      limit.rlim_cur = 64
      setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
      var failures = 0
      for _ in 0..<3 {
        while dup(0) >= 0 {}
        do {
          _ = try await client.send(HTTPRequest(url: server.url, timeout: .milliseconds(500)))
        } catch {
          failures += 1
        }
      }
      // Not all: another thread of the process may have closed a descriptor just then.
      #expect(failures > 0)
      limit = usual
      setrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit)
      #expect(try await client.send(HTTPRequest(url: server.url)).status == 200)
    }
  }

  @Test func theProcessMayEndInTheMiddleOfHandshakes() async {
    for _ in 0..<5 {
      await #expect(processExitsWith: .exitCode(0)) {
        let authority = try TestAuthority()
        let file = try TemporaryFile(authority.pem)
        let server = try await TLSServer(authority.issue())
        let client = HTTPClient()
        for _ in 0..<100 {
          Task {
            while true {
              _ = try await client.send(
                HTTPRequest(
                  url: server.url, transport: TransportSettings(caFile: file.path), collectsCertificates: true))
            }
          }
        }
        await ProcessState.wait { server.connections > 20 }
        unlink(file.path)
        exit(0)
      }
    }
  }
}
