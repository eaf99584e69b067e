import Glibc
import KonexusSandbox
import Testing

/// A start with the valid tables of a configuration that has faults.
@Suite("Partial configuration", .inTurn)
struct PartialConfigurationTests {
  @Test("a restart without a stored configuration leaves the token of a broken table in its file, until it expires")
  func partKeepsTokens() async throws {
    try await withScene { scene in
      try scene.configure(scene.table(), scene.table("other"))
      let first = try scene.startDaemon()
      try await scene.wait(for: "both tokens") { scene.token() != nil && scene.token("other") != nil }
      try await scene.settled()
      let token = scene.token("other")
      first.process.kill()
      try scene.configure(scene.table(), scene.table("other", ["client_id": "5"]))
      let second = try scene.startDaemon()
      try await scene.wait(for: "the fault") {
        second.status?.configurationProblem?.contains("configuration used in part") == true
      }
      try await scene.wait(for: "the healthy table's token") { second.status?.tokens.first?.condition == .valid }
      try await scene.pass(1)
      #expect(scene.token("other") == token)
      let requests = scene.sandbox.counts[.token]
      try scene.configure(scene.table(), scene.table("other"))
      second.signal(SIGHUP)
      try await scene.wait(for: "the corrected table") {
        second.status?.tokens.count == 2 && second.status?.tokens.last?.condition == .valid
      }
      #expect(scene.token("other") == token && scene.sandbox.counts[.token] == requests)
    }
    try await withScene(lifetime: 6) { scene in
      try scene.configure(scene.table(), scene.table("other"))
      let first = try scene.startDaemon()
      try await scene.wait(for: "both tokens") { scene.token() != nil && scene.token("other") != nil }
      try await scene.settled()
      let token = try #require(scene.token("other"))
      first.process.kill()
      try scene.configure(scene.table(), scene.table("other", ["client_id": "5"]))
      try scene.startDaemon()
      try await scene.wait(for: "the removal of what has expired", atMost: 20) { scene.token("other") == nil }
      #expect(try #require(TokenReader.expiry(of: token)) <= Clock.unix + 1)
    }
  }
}
