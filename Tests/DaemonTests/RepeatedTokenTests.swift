import Glibc
import KonexusSandbox
import Testing

/// A server that returns the same token until it expires (WSO2, and caches before other servers).
@Suite("The same token again", .inTurn)
struct RepeatedTokenTests {
  /// The life of a token, in seconds.
  private static let lifetime: Int64 = 24

  private static func inode(_ path: String) -> UInt64? {
    var status = stat()
    return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  @Test(
    "it keeps its expiry, is neither written nor signalled again, and its successor follows at once",
    arguments: [SandboxSettings.Reissue.countsDown, .wholeLifetime], [SandboxSettings.TokenForm.jwt, .opaque])
  func repeated(_ way: SandboxSettings.Reissue, _ form: SandboxSettings.TokenForm) async throws {
    try await withScene(lifetime: Self.lifetime) { scene in
      scene.sandbox.update {
        $0.reissue = way
        $0.tokenForm = form
      }
      let verify = form == .opaque ? "\"none\"" : "\"jwt\""
      try scene.configure(scene.table("konexus", ["verify": verify]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let path = scene.workplace.tokenFile()
      let (first, inode) = (try #require(scene.token()), Self.inode(path))
      let expiry = try #require(daemon.status?.tokens.first?.expiresAtBoot)
      try await scene.wait(for: "two more requests", atMost: 30) { scene.sandbox.counts[.token] >= 3 }
      try await scene.wait(for: "a note") {
        daemon.status?.tokens.first?.notes.contains { $0.contains("the same token until it expires") } ?? false
      }
      #expect(scene.token() == first && Self.inode(path) == inode)
      #expect(daemon.status?.tokens.first?.expiresAtBoot == expiry)
      #expect(daemon.log(with: "got a token").count == 1, "\(daemon.log)")
      #expect(daemon.log(with: "returned a former token").count == 1, "\(daemon.log)")
      try await scene.wait(for: "the expiry", atMost: 30) { scene.token() == nil }
      let start = Clock.monotonic
      try await scene.wait(for: "its successor", atMost: 10) { scene.token().map { $0 != first } ?? false }
      #expect(Clock.monotonic - start < 4)
      // At half of the life, when a quarter of the rest is left, and at the expiry: not each second.
      #expect(scene.sandbox.counts[.token] <= 7)
    }
  }

  @Test("a restart recognizes it, and does not take it for a new one")
  func restarted() async throws {
    try await withScene(lifetime: 60) { scene in
      scene.sandbox.update { $0.reissue = .wholeLifetime }
      try scene.configure(scene.table("konexus", ["verify": "\"none\""]))
      scene.sandbox.update { $0.tokenForm = .opaque }
      let first = try scene.startDaemon()
      try await scene.settled()
      let token = try #require(scene.token())
      let expiry = try #require(first.status?.tokens.first?.expiresAtBoot)
      first.process.kill()
      let second = try scene.startDaemon()
      try await scene.wait(for: "adoption") { !second.log(with: "reusing the token of the previous run").isEmpty }
      second.signal(SIGUSR1)
      try await scene.wait(for: "the same token") { !second.log(with: "returned a former token").isEmpty }
      #expect(scene.token() == token && second.status?.tokens.first?.expiresAtBoot == expiry)
      #expect(second.log(with: "got a token").isEmpty, "\(second.log)")
    }
  }
}
