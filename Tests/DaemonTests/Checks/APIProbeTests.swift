import Base
import Broker
import Glibc
import KonexusSandbox
import Publication
import Testing

/// The API that the tokens are for, `api_url`: what it does not accept yet, or not any more.
@Suite("The API's verdict", .inTurn)
struct APIProbeTests {
  private func table(_ scene: Scene, _ settings: KeyValuePairs<String, String> = [:]) -> String {
    let url = "\(scene.sandbox.issuer)/api/v2/settings/subscriptions"
    return scene.table("konexus", settings) + "api_url = \"\(url)\"\n"
  }

  private func start(in scene: Scene, _ settings: KeyValuePairs<String, String> = [:]) async throws -> DaemonProcess {
    try scene.configure(table(scene, settings))
    let daemon = try scene.startDaemon()
    try await scene.settled()
    return daemon
  }

  private func token(_ daemon: DaemonProcess) -> TokenStatus? { daemon.status?.tokens.first }

  private func reader(in scene: Scene) async throws -> APIReader {
    let reader = try APIReader(scene.workplace.tokenFile(), at: scene.sandbox, in: scene.workplace)
    try await scene.wait(for: "a call") { reader.answers == ["200"] }
    return reader
  }

  /// Lets the server sign with a key that the API does not have.
  private func rotate(_ scene: Scene, _ cache: SandboxSettings.APIKeyCache) async throws {
    scene.sandbox.update { $0.apiKeyCache = cache }
    // It has the keys of this moment.
    _ = scene.sandbox.refusal(of: "")
    _ = scene.sandbox.refusal(of: scene.token() ?? "")
    try await scene.sandbox.rotateKeys()
  }

  // MARK: New tokens

  static let caches: [SandboxSettings.APIKeyCache] = [.learnsFromRejection, .seconds(5)]

  @Test("with api_url, no application sees the 401 of an API that learns a new key late", arguments: caches)
  func lateKeys(_ cache: SandboxSettings.APIKeyCache) async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      try await scene.wait(for: "the API's verdict") { token(daemon)?.apiAcceptedAt != nil }
      let reader = try await reader(in: scene)
      try await rotate(scene, cache)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key", atMost: 40) { reader.answers.count > 1 }
      try await scene.pass(1)
      #expect(reader.answers == ["200", "200"])
      let rejections = scene.sandbox.counts.apiRefusals
      #expect(rejections.keys.sorted() == ["unknownKey"], "the daemon saw it: \(rejections)")
      #expect(scene.sandbox.counts[.token] == 2)
      #expect(daemon.status?.tokens.first?.failure == nil)
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.output.contains("subscriptions accepted a token TIME (REL)"), "\(run.output)")
    }
  }

  @Test("without api_url, applications see that 401: they must try again")
  func lateKeysWithoutProbe() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let reader = try await reader(in: scene)
      try await rotate(scene, .learnsFromRejection)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the 401", atMost: 40) { reader.answers == ["200", "401", "200"] }
    }
  }

  @Test("a new token is published at last when a tenth of the old one's lifetime is left, whatever the API says")
  func publishesAnyway() async throws {
    try await withScene(lifetime: 20) { scene in
      let daemon = try await start(in: scene)
      try await scene.wait(for: "the API's verdict") { token(daemon)?.apiAcceptedAt != nil }
      let first = try #require(scene.token())
      let reader = try await reader(in: scene)
      try await rotate(scene, .seconds(1000))
      try await scene.wait(for: "the second token", atMost: 40) { scene.token() != first }
      #expect(scene.token() != nil)
      try await scene.wait(for: "the call with it") { reader.answers.count > 1 }
      #expect(reader.answers == ["200", "401"])
      let (end, now) = (try #require(TokenReader.expiry(of: first)), reader.rows[1].time - reader.rows[0].time)
      #expect(now > 8 && end > 0)
      #expect(scene.sandbox.counts.apiRefusals["unknownKey", default: 0] >= 3, "1, 2, 4 s")
    }
  }

  @Test("an API that never accepted a token does not count: a note, one line in the log, tokens as ever")
  func neverAccepts() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(401), at: [.api])
      let daemon = try await start(in: scene)
      try await scene.wait(for: "the note") { token(daemon)?.notes.isEmpty == false }
      for _ in 0..<3 {
        let before = scene.token()
        daemon.signal(SIGUSR1)
        try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != before } ?? false }
        try await scene.pass(1.1)
      }
      #expect(daemon.log(with: "has never accepted a token").count == 1, "\(daemon.log)")
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 0 && run.output.split(separator: "\n").count { $0.contains("check api_url") } == 1, "\(run)")
      #expect(token(daemon)?.availability?.longestGap.map { $0.length < .seconds(5) } ?? true)
      // From the first acceptance on, it counts.
      scene.sandbox.clearFaults()
      let before = scene.token()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != before } ?? false }
      try await scene.wait(for: "the end of the note") { token(daemon)?.notes == [] }
      #expect(token(daemon)?.apiAcceptedAt != nil)
    }
  }

  // MARK: Held tokens

  @Test("a token that the API rejects is replaced after the next probe, without a report")
  func revokedAtAPI() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene, ["recheck_interval": "\"1m\""])
      try await scene.wait(for: "the API's verdict") { token(daemon)?.apiAcceptedAt != nil }
      let first = try #require(scene.token())
      scene.sandbox.inject(.delay(seconds: 3), at: [.token])
      scene.sandbox.revokeAtAPI(first)
      try await scene.wait(for: "another token", atMost: 90) { scene.token().map { $0 != first } ?? false }
      #expect(try scene.sandbox.refusal(of: #require(scene.token())) == nil && scene.sandbox.counts[.token] == 2)
      #expect(daemon.log(with: "answered 401", "Requesting another one").count == 1, "\(daemon.log)")
      try await scene.wait(for: "the count") { token(daemon)?.availability?.longestGap?.failure == .apiProbe }
    }
  }

  @Test(
    "a restart knows that the API accepted tokens before: the next rejection counts", arguments: [SIGTERM, SIGKILL])
  func restart(_ signal: Int32) async throws {
    try await withScene { scene in
      var daemon = try await start(in: scene)
      try await scene.wait(for: "the API's verdict") { token(daemon)?.apiAcceptedAt != nil }
      let accepted = try #require(token(daemon)?.apiAcceptedAt)
      let first = try #require(scene.token())
      let reader = try await reader(in: scene)
      try await rotate(scene, .seconds(15))
      daemon.signal(SIGUSR1)
      // In the middle of a candidate's trial.
      try await scene.wait(for: "a probe", atMost: 20) { scene.sandbox.counts.apiRefusals["unknownKey"] != nil }
      daemon.signal(signal)
      _ = try await scene.ending(of: daemon)
      daemon = try scene.startDaemon()
      try await scene.wait(for: "the new run") {
        daemon.status?.pid == daemon.process.pid && daemon.status?.isReady == true
      }
      #expect(token(daemon)?.apiAcceptedAt ?? 0 >= accepted)
      #expect(scene.token() == first)
      let rejections = scene.sandbox.counts.apiRefusals["unknownKey", default: 0]
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key", atMost: 40) { reader.answers.count > 1 }
      try await scene.pass(1)
      #expect(reader.answers == ["200", "200"])
      #expect(scene.sandbox.counts.apiRefusals["unknownKey", default: 0] > rejections, "the new run probes too")
    }
  }
}
