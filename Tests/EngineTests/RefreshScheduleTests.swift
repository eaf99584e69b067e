import Testing
@testable import Base
@testable import Engine

@Suite struct RefreshScheduleTests {
  static let sent = BootTime(seconds: 100)

  /// Other programs send requests in a loop if a token is shorter than their margin.
  @Test(arguments: [1, 3, 10, 20, 300, 3600, 315_360_000] as [Double], [0.0, 0.5, 1])
  func noLifetimeMakesATightLoop(_ lifetime: Double, _ jitter: Double) {
    for fraction in [0.1, 0.5, 0.9] {
      let token = RefreshSchedule(fraction: fraction, jitter: jitter).plan(
        requestedAt: Self.sent, lifetime: .seconds(lifetime))
      #expect(token.expiresAt == Self.sent + .seconds(lifetime - 1))
      let wait = (token.refreshAt - Self.sent).seconds
      #expect(abs(wait - max(1, fraction * (1 - 0.1 * jitter) * (lifetime - 1))) < lifetime * 1e-9 + 1e-6)
      #expect(lifetime < 3 || token.refreshAt < token.expiresAt)
    }
  }

  @Test func whatIsOutOfRangeIsBroughtBack() {
    #expect(RefreshSchedule(fraction: 7, jitter: -3) == RefreshSchedule(fraction: 0.9, jitter: 0))
    #expect(RefreshSchedule(fraction: -1, jitter: 3) == RefreshSchedule(fraction: 0.1, jitter: 1))
  }
}
