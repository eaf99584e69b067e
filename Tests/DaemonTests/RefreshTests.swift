import Glibc
import KonexusSandbox
import Testing

/// The token is replaced ahead of its end, again and again.
@Suite("Refresh", .inTurn)
struct RefreshTests {
  @Test("a token that waits for another one's slow key request fails by its own limit, and the heartbeats go on")
  func ownLimit() async throws {
    try await withScene { scene in
      try scene.configure(
        scene.table("patient", ["timeout": "\"2m\""]), scene.table("brief", ["timeout": "\"5s\""]))
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "2000000"])
      try await scene.ready()
      let (patient, brief) = (scene.token("patient"), scene.token("brief"))
      scene.sandbox.inject(.hang, at: [.jwks])
      try await scene.sandbox.rotateKeys()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure of the brief one", atMost: 30) {
        daemon.status?.tokens.first { $0.name == "brief" }?.failure?.code == "timeout"
      }
      // Twice its timeout, and five seconds for the work between: from then on heartbeats would stop.
      try await scene.pass(18)
      let last = try #require(scene.notify.messages.last { $0["WATCHDOG"] == "1" })
      #expect(Clock.monotonic - last.time < 3, "\(daemon.log)")
      #expect(daemon.log(with: "no heartbeat").isEmpty, "\(daemon.log)")
      #expect(scene.token("patient") == patient && scene.token("brief") == brief)
    }
  }

  @Test("a token that expires before it arrives is a failure, in the status too")
  func expiredOnItsWay() async throws {
    try await withScene(lifetime: 4) { scene in
      scene.sandbox.inject(.delay(seconds: 4.5), at: [.token])
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "lifetime" }
      let token = try #require(daemon.status?.tokens.first)
      #expect(token.successes == 0 && token.lastFailure?.code == "lifetime", "\(token)")
      #expect(token.failure?.message.contains("expired before it arrived") ?? false)
    }
  }

  @Test("a reader finds an accepted token at each read, through many refreshes")
  func againAndAgain() async throws {
    try await withScene(lifetime: 5) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "six tokens") { reader.report().tokens >= 6 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty && report.empty == 0, "\(report)")
      #expect(report.accepted == report.reads && report.reads > 100)
      // Discovery and keys were read once, because they are fresh for at least a minute.
      #expect(scene.sandbox.counts[.discovery] == 1 && scene.sandbox.counts[.jwks] == 1)
      let times = scene.sandbox.requests.filter { $0.endpoint == .token }.map(\.time)
      for (one, next) in zip(times, times.dropFirst()) {
        // Half of the usable 4 s, minus at most a tenth, is 1.8 s. A request can take some time to arrive.
        #expect(next - one > 1.2, "refreshed after \(next - one) s")
      }
    }
  }

  @Test("each token has a life of its own: one that fails does not touch the others")
  func independence() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure(
        scene.table("sound"),
        scene.table("dead", ["issuer": "\"https://localhost:1\""]),
        scene.table("refused", ["client_secret": "\"no-such-secret\""]))
      try scene.startDaemon()
      try await scene.wait(for: "the sound token") { scene.token("sound") != nil }
      let reader = try await scene.startReader(of: "sound")
      try await scene.wait(for: "four tokens") { reader.report().tokens >= 4 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
      // A server that is merely down may come up yet: READY=1 waits for it.
      #expect(scene.notify.readyAt == nil)
      let honest = scene.sandbox.requests.filter { $0.endpoint == .token && $0.status == 200 }
      #expect(honest.count <= 5)
      // Refused once, and not asked again for a minute.
      #expect(scene.sandbox.counts.tokenRefusals == 1)
    }
  }

  @Test("a server that is slow delays nobody else's tokens")
  func slowServer() async throws {
    var options = SandboxOptions()
    options.algorithm = .es256
    let slow = try await Sandbox.start(options)
    slow.inject(.hang)
    do {
      try await withScene(lifetime: 6) { scene in
        try scene.workplace.write(scene.sandbox.caPEM + slow.caPEM, to: scene.workplace.caFile)
        // More of them than requests may be under way at one issuer.
        let waiting = (1...6).map { scene.table("slow\($0)", ["issuer": "\"\(slow.issuer)\""]) }
        let text = (["[daemon]\nmax_requests = 2\n", scene.table("sound")] + waiting).joined(separator: "\n")
        try scene.workplace.write(text, to: scene.workplace.configFile)
        try scene.startDaemon()
        try await scene.wait(for: "the sound token") { scene.token("sound") != nil }
        let reader = try await scene.startReader(of: "sound")
        try await scene.wait(for: "four tokens") { reader.report().tokens >= 4 }
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)\n\(scene.story)")
        #expect(slow.counts[.discovery] >= 1)
      }
    } catch {
      await slow.stop()
      throw error
    }
    await slow.stop()
  }

  @Test("no more requests are under way at one issuer than max_requests allows, also after an outage")
  func bounded() async throws {
    try await withScene { scene in
      let names = (1...9).map { "t\($0)" }
      let tables = names.map { scene.table($0) }
      try scene.workplace.write(
        (["[daemon]\nmax_requests = 3\n"] + tables).joined(separator: "\n"), to: scene.workplace.configFile)
      scene.sandbox.inject(.delay(seconds: 1), at: [.token])
      // The first attempts fail together, and the tokens are asked for again when the server is back.
      scene.sandbox.inject(.status(503), at: [.token], requests: 9)
      try scene.startDaemon()
      try await scene.wait(for: "all tokens") { names.allSatisfy { scene.token($0) != nil } }
      let times = scene.sandbox.requests.filter { $0.endpoint == .token }.map(\.time)
      #expect(times.count >= 18)
      // Each takes a second: of four in a row the last begins when the first has ended.
      for (first, fourth) in zip(times, times.dropFirst(3)) {
        #expect(fourth - first > 0.9, "\(times)")
      }
    }
  }

  @Test("several tokens at one issuer refresh side by side")
  func several() async throws {
    try await withScene(lifetime: 5) { scene in
      let names = (1...5).map { "t\($0)" }
      try scene.workplace.write(names.map { scene.table($0) }.joined(separator: "\n"), to: scene.workplace.configFile)
      try scene.startDaemon()
      try await scene.ready()
      var readers: [TokenReader] = []
      for name in names { readers.append(try await scene.startReader(of: name)) }
      try await scene.wait(for: "three tokens each") { readers.allSatisfy { $0.report().tokens >= 3 } }
      for reader in readers {
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
      }
      #expect(scene.sandbox.counts[.discovery] == 1, "one discovery serves all")
    }
  }

  @Test("SIGUSR1 gets new tokens now; in a loop it makes no storm")
  func refreshNow() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let first = scene.token()
      let start = Clock.monotonic
      try await scene.wait(for: "another token") {
        daemon.signal(SIGUSR1)
        return scene.token() != first
      }
      let count = scene.sandbox.counts[.token]
      while Clock.monotonic < start + 4 {
        daemon.signal(SIGUSR1)
        try await Task.sleep(for: .milliseconds(5))
      }
      // There is one request per second, however often it is requested.
      #expect(Double(scene.sandbox.counts[.token] - count) <= Clock.monotonic - start + 1)
      #expect(daemon.process.ending == nil)
    }
  }

  @Test(
    "tokens of 1, 3 and 10 s make no tight loop, and a dead one is never there", arguments: [1, 2, 3, 10] as [Int64])
  func shortLives(lifetime: Int64) async throws {
    try await withScene(lifetime: lifetime) { scene in
      try scene.configure()
      let reader = try await scene.startReader()
      let daemon = try scene.startDaemon()
      let start = Clock.monotonic
      try await scene.wait(for: "the first word") { daemon.status?.tokens.first.map { $0.requests > 0 } ?? false }
      try await scene.pass(lifetime == 10 ? 12 : 8)
      let elapsed = Clock.monotonic - start
      // At most one request a second; failures of 1 s and 2 s tokens are spread between 250 ms and more and more.
      let count = scene.sandbox.counts[.token]
      #expect(Double(count) <= elapsed / (lifetime < 3 ? 0.25 : 1) + 1, "\(count) requests in \(elapsed) s")
      let report = reader.finish()
      #expect(report.refused.isEmpty, "\(report)")
      if lifetime < 3 {
        #expect(report.tokens == 0)
        #expect(daemon.status?.tokens.first?.lastFailure?.code == "lifetime")
        #expect(scene.notify.readyAt == nil)
      } else {
        // Of 3 s there is one for the next request: a server that takes longer leaves a gap.
        #expect(report.tokens >= 2 && (lifetime == 3 || report.gaps.isEmpty), "\(report)")
      }
    }
  }

  @Test("the smaller of expires_in and exp - iat counts", arguments: [6, 3600] as [Int64])
  func disagreement(said: Int64) async throws {
    try await withScene(lifetime: said == 6 ? 3600 : 6) { scene in
      scene.sandbox.inject(.setMembers(["expires_in": .integer(said)]), at: [.token])
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test(
    "an expires_in that is a string of digits counts as the number; if it is too large, the token's own times count",
    arguments: [
      JSON.string("3600"), .string("6"), .string("1e3"), .integer(.max), .number(1e300), .string("1e300"),
      .string("99999999999999999999999999"),
    ])
  func oddNumbers(said: JSON) async throws {
    try await withScene(lifetime: 6) { scene in
      scene.sandbox.inject(.setMembers(["expires_in": said]), at: [.token])
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("a string of digits that is smaller than exp - iat counts")
  func smallString() async throws {
    try await withScene(lifetime: 3600) { scene in
      scene.sandbox.inject(.setMembers(["expires_in": .string("60")]), at: [.token])
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      try await scene.wait(for: "the status") { daemon.status?.tokens.first?.expiresAt != nil }
      let status = try #require(daemon.status?.tokens.first)
      #expect(try #require(status.expiresAt) - (try #require(status.obtainedAt)) < 61)
    }
  }

  @Test("without expires_in the token's own times count")
  func unsaid() async throws {
    try await withScene(lifetime: 6) { scene in
      scene.sandbox.inject(.removeMembers(["expires_in"]), at: [.token])
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try await scene.wait(for: "three tokens") { reader.report().tokens >= 3 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }
}
