import Base
import Glibc
import KonexusSandbox
import Publication
import Testing

/// The authorization server withdraws what a held token rests on: its key, or the token itself.
///
/// The daemon looks once a minute: that is the shortest `recheck_interval`, and why these tests take a minute.
@Suite("Withdrawn tokens", .inTurn)
struct WithdrawnTokenTests {
  /// How long after a withdrawal a new token may take: the minute, and an attempt on a busy machine.
  static let limit = 100.0

  private func start(in scene: Scene, _ settings: KeyValuePairs<String, String> = [:]) async throws -> DaemonProcess {
    try scene.configure(scene.table("konexus", settings) + "recheck_interval = \"1m\"\n")
    let daemon = try scene.startDaemon()
    try await scene.settled()
    return daemon
  }

  private func failure(_ daemon: DaemonProcess) -> String? { daemon.status?.tokens.first?.failure?.code }

  @Test("the key of an hour token is withdrawn: a new token follows, the old one stays until then, `status` says why")
  func withdrawnKey() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      // Time for a look at the status.
      scene.sandbox.inject(.delay(seconds: 5), at: [.token])
      try await scene.sandbox.rotateKeys(dropOld: true)
      try await scene.wait(for: "the failure", atMost: Self.limit) { failure(daemon) == "key-withdrawn" }
      #expect(scene.token() == first && scene.sandbox.refusal(of: first) == "unknownKey")
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1 && run.output.contains("no longer verify the published token"), "\(run.output)")
      #expect(try await CommandRun(["status", "--json"], in: scene.workplace).output.contains(#""key-withdrawn""#))
      try await scene.wait(for: "a token of the new key", atMost: 20) { scene.token().map { $0 != first } ?? false }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.sandbox.counts[.token] == 2 && daemon.log(with: "no longer verify").count == 1, "\(daemon.log)")
      try await scene.wait(for: "the end of the failure") { failure(daemon) == nil }
      #expect(try await CommandRun(["status"], in: scene.workplace).code == 0)
      let gap = try #require(daemon.status?.tokens.first?.availability?.longestGap)
      #expect(gap.failure == .keyWithdrawn && gap.length >= .seconds(4) && gap.length < .seconds(20))
    }
  }

  @Test("a withdrawn key and a server without tokens: a restart goes on where it was")
  func withdrawnKeyAndRestart() async throws {
    try await withScene { scene in
      var daemon = try await start(in: scene)
      let first = try #require(scene.token())
      scene.sandbox.inject(.retryAfter(status: 503, .seconds(300)), at: [.token])
      try await scene.sandbox.rotateKeys(dropOld: true)
      try await scene.wait(for: "the first attempt", atMost: Self.limit) { scene.sandbox.counts[.token] == 2 }
      try await scene.wait(for: "its failure") { failure(daemon) == "server-error" }
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1 && run.output.contains("no longer verify the published token"), "\(run.output)")
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      let requests = scene.sandbox.counts[.token]
      daemon = try scene.startDaemon()
      // It does not wait for the key set: it knows that the token is of no use.
      try await scene.wait(for: "an attempt", atMost: 15) { scene.sandbox.counts[.token] > requests }
      #expect(scene.token() == first)
      let status = try #require(daemon.status?.tokens.first)
      #expect(status.availability?.hasToken == false, "a restart ends no gap")
      scene.sandbox.clearFaults()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key", atMost: 20) { scene.token().map { $0 != first } ?? false }
      try await scene.wait(for: "the end of the gap") { daemon.status?.tokens.first?.availability?.hasToken == true }
      #expect(daemon.status?.tokens.first?.availability?.longestGap?.failure == .keyWithdrawn)
    }
  }

  @Test("as in SPIRE's suite: a key is prepared, activated, and the old one withdrawn; no application is rejected")
  func forcedRotation() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene)
      let first = try #require(scene.token())
      let reader = try APIReader(scene.workplace.tokenFile(), at: scene.sandbox, in: scene.workplace)
      try await scene.wait(for: "a call") { reader.answers == ["200"] }
      try await scene.sandbox.prepareKey()
      // The API has both keys from now on, as it reads the key set in time.
      scene.sandbox.update { $0.apiKeyCache = .learnsFromRejection }
      #expect(scene.sandbox.refusal(of: first) == nil)
      try await scene.sandbox.rotateKeys()
      scene.sandbox.dropOldKeys()
      try await scene.wait(for: "a token of the new key", atMost: Self.limit) { reader.answers.count > 1 }
      try await scene.pass(1)
      #expect(reader.answers == ["200", "200"] && scene.token() != first)
      #expect(daemon.log(with: "no longer verify").count == 1, "\(daemon.log)")
    }
  }

  @Test("two key sets that alternate cause no storm of requests, and no application is rejected")
  func alternatingKeySets() async throws {
    try await withScene(options: { $0.settings.keySetCacheControl = "max-age=60" }) { scene in
      let daemon = try await start(in: scene)
      scene.sandbox.update { $0.alternatesKeySets = true }
      let reader = try APIReader(scene.workplace.tokenFile(), at: scene.sandbox, in: scene.workplace)
      let sets = scene.sandbox.counts[.jwks]
      try await scene.wait(for: "four readings of the key set", atMost: 280) { scene.sandbox.counts[.jwks] >= sets + 4 }
      try await scene.pass(2)
      let requests = scene.sandbox.requests.filter { $0.endpoint == .token }.map(\.time)
      #expect((2...4).contains(requests.count), "the token was invalid once: \(requests)")
      for (one, next) in zip(requests.dropFirst(), requests.dropFirst(2)) { #expect(next - one > 50, "\(requests)") }
      #expect(Set(reader.answers) == ["200"], "\(reader.rows)")
      #expect(daemon.process.ending == nil)
    }
  }

  @Test("a token that the introspection calls inactive is replaced")
  func revoked() async throws {
    try await withScene { scene in
      let daemon = try await start(in: scene, ["verify": "\"introspection\""])
      let first = try #require(scene.token())
      scene.sandbox.inject(.delay(seconds: 5), at: [.token])
      scene.sandbox.revoke(first)
      try await scene.wait(for: "the failure", atMost: Self.limit) { failure(daemon) == "token-revoked" }
      #expect(scene.token() == first)
      #expect(try await CommandRun(["status"], in: scene.workplace).code == 1)
      try await scene.wait(for: "another token", atMost: 20) { scene.token().map { $0 != first } ?? false }
      #expect(try scene.sandbox.refusal(of: #require(scene.token())) == nil && scene.sandbox.counts[.token] == 2)
      try await scene.wait(for: "the end of the failure") { failure(daemon) == nil }
      #expect(daemon.log(with: "inactive").count == 1, "\(daemon.log)")
    }
  }
}
