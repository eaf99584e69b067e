import Glibc
import KonexusSandbox
import Publication
import Testing

/// The count of the time in which applications had a token, in the status of a daemon that is restarted.
@Suite("Availability", .inTurn)
struct AvailabilityCountTests {
  @Test("a gap is counted with its cause; a restart, after kill -9 too, continues the count and adds no gap")
  func restarts() async throws {
    try await withScene { scene in
      try scene.configure()
      await scene.sandbox.down()
      var daemon = try scene.startDaemon()
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      try await scene.pass(1)
      try await scene.sandbox.up()
      let first = try await token(of: daemon, in: scene)
      let before = try #require(first.availability)
      let gap = try #require(before.longestGap)
      #expect(gap.length >= .seconds(1) && gap.failure == .connection)
      for signal in [SIGKILL, SIGTERM] {
        daemon.signal(signal)
        _ = try await scene.ending(of: daemon)
        daemon = try scene.startDaemon()
        let restored = try await token(of: daemon, in: scene)
        #expect(restored.availability == before, "nothing has changed for applications")
      }
      daemon.signal(SIGTERM)
      _ = try await scene.ending(of: daemon)
      let written = try #require(daemon.status?.writtenAtMonotonic)
      #expect(unlink(scene.workplace.runtimeDirectory + "/konexus.token") == 0)
      try await scene.pass(1)
      daemon = try scene.startDaemon()
      let after = try #require(try await token(of: daemon, in: scene).availability)
      #expect(after.since == before.since && after.hasToken)
      let last = try #require(after.longestGap)
      let growth = after.totals(at: .init(nanoseconds: written)).unavailable - gap.length
      #expect(growth >= .seconds(1), "the file was lost while no daemon ran")
      #expect(last.length == max(gap.length, growth))
    }
  }

  /// The status of the token that this daemon has published.
  private func token(of daemon: DaemonProcess, in scene: Scene) async throws -> TokenStatus {
    try await scene.wait(for: "a token") {
      daemon.status?.pid == daemon.process.pid && daemon.status?.tokens.first?.condition == .valid
    }
    return try #require(daemon.status?.tokens.first)
  }
}
