import Broker
import Glibc
import KonexusSandbox
import Testing

@testable import Base

/// Applications report rejected tokens to the daemon, over its socket.
@Suite("Rejected tokens", .inTurn)
struct RejectedTokenTests {
  private func path(_ scene: Scene) -> String { scene.workplace.runtimeDirectory + "/reject.sock" }

  private func report(_ token: String, in scene: Scene, name: String = "konexus") throws -> RejectionReply {
    try RejectionClient.send(
      .rejected(name: name, token: Secret(token)), in: scene.workplace.runtimeDirectory, limit: .seconds(30))
  }

  /// A daemon with a token in its file.
  private func start(in scene: Scene, _ settings: KeyValuePairs<String, String> = [:]) async throws -> DaemonProcess {
    try scene.configure(scene.table("konexus", settings))
    let daemon = try scene.startDaemon()
    try await scene.settled()
    return daemon
  }

  @Test("a report brings another token, a late one is told so, and the token and its digest are in no log")
  func replaced() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.revokeAtAPI(first)
      #expect(try report(first, in: scene) == .requested)
      try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != first } ?? false }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(try report(first, in: scene) == .newer)
      #expect(scene.sandbox.counts[.token] == 2)
      #expect(try report(first, in: scene, name: "other") == .unknown)
      let lines = daemon.log(with: "konexus", "reject", "\(getpid())")
      #expect(!lines.isEmpty, "\(daemon.log)")
      let line = RejectionRequest.rejected(name: "konexus", token: Secret(first)).line
      #expect(!daemon.log.contains(try #require(line.split(separator: " ").last)))
    }
  }

  @Test("10,000 reports in a burst cause one request, and the daemon's memory does not grow")
  func burst() async throws {
    try await withScene { scene in
      // The burst takes minutes on a busy machine.
      let daemon = try await start(in: scene, ["timeout": "\"300s\""])
      let first = try #require(scene.token())
      // The successor comes after the burst.
      scene.sandbox.inject(.hang, at: [.token])
      func memory() throws -> Int {
        let text = try #require(Workplace.read("/proc/\(daemon.process.pid)/status"))
        return try #require(try /\nVmRSS:\s*([0-9]+)/.firstMatch(in: text).flatMap { Int($0.1) })
      }
      for _ in 0..<1000 { #expect(try report(first, in: scene) == .requested) }
      let before = try memory()
      for _ in 0..<9000 { #expect(try report(first, in: scene) == .requested) }
      #expect(try memory() - before < 1024, "KiB")
      #expect(scene.sandbox.counts[.token] == 2)
      #expect(daemon.log.split(separator: "\n").count < 100, "\(daemon.log)")
    }
  }

  @Test("if the successor is reported too, the next request waits, and comes without another report")
  func series() async throws {
    try await withScene { scene in
      _ = try await start(in: scene)
      // All requests for one token are a second apart.
      try await scene.pass(1.2)
      var times: [Double] = []
      for wait in [0, 1, 2, 4] {
        let token = try #require(scene.token())
        let reply = try report(token, in: scene)
        #expect(wait == 0 ? reply == .requested : reply == .limited(seconds: wait), "\(reply)")
        try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != token } ?? false }
        times.append(try #require(scene.sandbox.requests.last { $0.endpoint == .token }?.time))
      }
      for (wait, (one, next)) in zip([1, 2, 4], zip(times, times.dropFirst())) {
        #expect(next - one > Double(wait) && next - one < Double(wait) + 2, "\(times)")
      }
    }
  }

  @Test("a report does not shorten the backoff after a rejection, or a Retry-After", arguments: [true, false])
  func backoff(_ isRejected: Bool) async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.inject(
        isRejected ? .oauthError("invalid_client") : .retryAfter(status: 503, .seconds(100)), at: [.token])
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let requests = scene.sandbox.counts[.token]
      for _ in 0..<20 {
        let reply = try report(first, in: scene)
        switch reply {
        case .rejected(let seconds, "invalid-client"): #expect(isRejected && (40...67).contains(seconds), "\(reply)")
        case .limited(let seconds): #expect(!isRejected && (80...110).contains(seconds), "\(reply)")
        default: Issue.record("\(reply)")
        }
      }
      try await scene.pass(2)
      #expect(scene.sandbox.counts[.token] == requests)
      #expect(scene.token() == first, "a reported token stays in its file until its successor comes")
    }
  }

  @Test("a report ends the backoff after a failure that may pass")
  func endsTheBackoff() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.inject(.status(503), at: [.token])
      daemon.signal(SIGUSR1)
      // The third wait is more than a minute.
      try await scene.wait(for: "three failures") { daemon.status?.tokens.first?.failure?.count ?? 0 >= 3 }
      scene.sandbox.clearFaults()
      try await scene.pass(1.2)
      #expect(try report(first, in: scene) == .requested)
      try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != first } ?? false }
    }
  }

  @Test("the socket comes back with the runtime directory, and after a restart")
  func comesBack() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      try #require(unlink(path(scene)) == 0)
      try await scene.wait(for: "the socket", atMost: 90) { access(path(scene), F_OK) == 0 }
      var status = stat()
      #expect(lstat(path(scene), &status) == 0 && status.st_mode == S_IFSOCK | 0o660)
      daemon.process.kill()
      try scene.startDaemon()
      let token = try #require(scene.token())
      try await scene.wait(for: "an answer") { (try? report(token, in: scene)) == .requested }
    }
  }
}
