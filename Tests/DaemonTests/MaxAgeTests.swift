import Glibc
import KonexusSandbox
import Testing

/// A token of a month is renewed each day, or as often as `max_age` says.
@Suite("Maximum age", .inTurn)
struct MaxAgeTests {
  /// The time from a token's request to the next one, in seconds, as the daemon reports it.
  private func wait(_ daemon: DaemonProcess) -> Double? {
    guard let token = daemon.status?.tokens.first, let from = token.obtainedAt, let next = token.nextAttempt else {
      return nil
    }
    return next - from
  }

  /// A day or two hours, less up to a tenth, and some seconds for the request.
  private static let aDay = 77_750.0...86_405
  private static let twoHours = 6470.0...7205

  @Test("max_age holds for a token of a month; a reload asks for no token, a restart applies the new value")
  func month() async throws {
    try await withScene(lifetime: 2_629_743) { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.settled()
      try await scene.wait(for: "the next request within a day") { wait(first).map(Self.aDay.contains) ?? false }
      try scene.configure(scene.table("konexus", ["max_age": "\"2h\""]))
      first.signal(SIGHUP)
      try await scene.wait(for: "the reload") { first.status?.reloads == 1 }
      try await scene.pass(0.5)
      #expect(wait(first).map(Self.aDay.contains) == true)
      first.signal(SIGTERM)
      _ = try await scene.ending(of: first)
      let second = try scene.startDaemon()
      try await scene.wait(for: "the next request within two hours") {
        wait(second).map(Self.twoHours.contains) ?? false
      }
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }
}
