import Base
import Broker
import Glibc
import KonexusSandbox
import Publication
import Testing

/// `konexus-tokend refresh`, with the daemon and the server.
@Suite("Reported tokens", .inTurn)
struct ReportedTokenTests {
  /// Runs the command with a token on standard input.
  private func report(_ token: String, in scene: Scene, _ options: String...) async throws -> CommandRun {
    let input = scene.workplace.path + "/rejected"
    try scene.workplace.write(token, to: input)
    return try await CommandRun(
      ["refresh", "konexus", "--rejected", "-"] + options, in: scene.workplace, input: input)
  }

  private func start(in scene: Scene, _ more: String = "") async throws -> DaemonProcess {
    try scene.configure(scene.metricsTable, scene.table() + more)
    let daemon = try scene.startDaemon()
    try await scene.settled()
    return daemon
  }

  @Test("a token that the API alone revoked is replaced within seconds; each answer has its exit code")
  func command() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.revokeAtAPI(first)
      let run = try await report(first, in: scene, "--wait", "10s")
      #expect(run.code == 0 && run.output == "konexus: another token is in the file\n", "\(run)")
      let second = try #require(scene.token())
      #expect(second != first && scene.sandbox.refusal(of: second) == nil && scene.sandbox.counts[.token] == 2)
      let late = try await report(first, in: scene, "--wait", "5s")
      #expect(late.code == 0 && late.output.contains("a newer token is in place"), "\(late)")
      // The successor is rejected too, at once: the next request must wait.
      let requests = scene.sandbox.counts[.token]
      for _ in 0..<2 { _ = try await report(try #require(scene.token()), in: scene, "--wait", "10s") }
      let limited = try await report(try #require(scene.token()), in: scene)
      #expect(limited.code == 75 && limited.errors.contains("konexus is requested REL"), "\(limited)")
      #expect(scene.sandbox.counts[.token] <= requests + 3)
      try await scene.wait(for: "the counts") { daemon.status?.tokens.first?.reports?.total == 5 }
      let status = try await CommandRun(["status"], in: scene.workplace)
      #expect(status.output.contains("reports: 5"), "\(status.output)")
      try await scene.wait(for: "the metrics") {
        Workplace.read(scene.workplace.metricsFile)?.contains(
          "konexus_tokend_rejection_reports_total{token=\"konexus\"} 5\n") ?? false
      }
    }
  }

  @Test("a server that rejects the client is 77, an unknown name 64, and no daemon 69")
  func otherAnswers() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.inject(.oauthError("invalid_client"), at: [.token])
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let rejected = try await report(first, in: scene, "--wait", "5s")
      #expect(rejected.code == 77 && rejected.errors.contains("invalid-client"), "\(rejected)")
      #expect(try await CommandRun(["refresh", "nonesuch"], in: scene.workplace).code == 64)
      daemon.signal(SIGTERM)
      _ = try await scene.ending(of: daemon)
      #expect(try await report(first, in: scene).code == 69)
    }
  }

  @Test("with api_url, a report has the API asked, and the token counts as rejected")
  func probed() async throws {
    try await withScene { scene in
      let daemon = try await start(
        in: scene, "api_url = \"\(scene.sandbox.issuer)/api/v2/settings/subscriptions\"\nrecheck_interval = \"1h\"\n")
      try await scene.wait(for: "the API's verdict") { daemon.status?.tokens.first?.apiAcceptedAt != nil }
      let first = try #require(scene.token())
      scene.sandbox.revokeAtAPI(first)
      let run = try await report(first, in: scene, "--wait", "10s")
      #expect(try run.code == 0 && scene.sandbox.refusal(of: #require(scene.token())) == nil, "\(run)")
      #expect(scene.sandbox.counts[.token] == 2)
    }
  }

  @Test(
    "the digest of the token with what programs leave around it is a report of that token",
    arguments: ["TOKEN\n", "TOKEN\r\n", "\"TOKEN\"", "Bearer TOKEN", "TOKEN"])
  func mangled(form: String) async throws {
    try await withScene { scene in
      try await start(in: scene)
      let token = try #require(scene.token())
      let request = RejectionRequest.rejected(name: "konexus", token: Secret(form.replacing("TOKEN", with: token)))
      func send() throws -> RejectionReply {
        try RejectionClient.send(request, in: scene.workplace.runtimeDirectory, limit: .seconds(30))
      }
      #expect(try send() == .requested)
      try await scene.wait(for: "another token") { scene.token().map { $0 != token } ?? false }
      #expect(try send() == .newer)
    }
  }

  @Test("a storm of late reports is a few reports of the status, not one each")
  func storm() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      func inode() -> ino_t {
        var status = stat()
        return lstat(scene.workplace.runtimeDirectory + "/status.json", &status) == 0 ? status.st_ino : 0
      }
      var seen: Set<ino_t> = []
      let start = Clock.monotonic
      let request = RejectionRequest.rejected(name: "konexus", token: Secret("a.former.token"))
      for _ in 0..<2000 {
        let reply = try RejectionClient.send(request, in: scene.workplace.runtimeDirectory, limit: .seconds(30))
        #expect(reply == .newer)
        seen.insert(inode())
      }
      let elapsed = Clock.monotonic - start
      #expect(Double(seen.count) <= elapsed * 5 + 3, "\(seen.count) in \(elapsed) s")
      try await scene.wait(for: "the counts") { daemon.status?.tokens.first?.reports?.total == 2000 }
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("reports alone do not count as a time without a token")
  func availability() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let before = try #require(daemon.status?.tokens.first?.availability)
      let first = try #require(scene.token())
      #expect(try await report(first, in: scene, "--wait", "10s").code == 0)
      try await scene.wait(for: "the report") { daemon.status?.tokens.first?.reports?.total == 1 }
      #expect(daemon.status?.tokens.first?.availability == before)
    }
  }

  @Test("an outage that outlasts the token is a gap in `status`, with its cause, and in the metrics")
  func gap() async throws {
    try await withScene(lifetime: 6) { scene in
      let daemon = try await start(in: scene)
      await scene.sandbox.down()
      try await scene.wait(for: "the end of the token", atMost: 20) { scene.token() == nil }
      try await scene.pass(2)
      try await scene.sandbox.up()
      try await scene.wait(for: "a token", atMost: 90) { scene.token() != nil }
      try await scene.wait(for: "the gap") { daemon.status?.tokens.first?.availability?.hasToken == true }
      let gap = try #require(daemon.status?.tokens.first?.availability?.longestGap)
      #expect(gap.failure == .connection && gap.length >= .seconds(2))
      func metric(_ name: String) -> Double? {
        let prefix = "konexus_tokend_\(name){token=\"konexus\"} "
        let lines = (Workplace.read(scene.workplace.metricsFile) ?? "").split(separator: "\n")
        return lines.first { $0.hasPrefix(prefix) }.flatMap { Double($0.dropFirst(prefix.count)) }
      }
      try await scene.wait(for: "the metrics", atMost: 30) { metric("token_unavailable_seconds_total") ?? 0 >= 2 }
      #expect(metric("token_available_seconds_total") ?? 0 >= 4)
      // `status` leaves out what was counted for less than a minute.
      scene.sandbox.update { $0.lifetime = 3600 }
      daemon.signal(SIGUSR1)
      try await scene.pass(60)
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.output.contains("availability: token available "), "\(run.output)")
      #expect(run.output.contains("; longest gap SPAN (connection) on TIME"), "\(run.output)")
    }
  }
}
