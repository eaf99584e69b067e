import Testing
import Base
import Settings
@testable import Report

/// The step of `check` that shows when a token is refreshed.
@Suite struct RefreshStepTests {
  private func step(
    lifetime: Int, jitter: Double = 0, _ change: (inout TokenSettings) -> Void = { _ in }
  ) -> CheckStep {
    var settings = TokenSettings(name: "konexus")
    change(&settings)
    let check = TokenCheck(settings, daemon: DaemonSettings(), userID: 0)
    return check.refresh(lifetime: .seconds(lifetime), jitter: jitter)
  }

  @Test func anHour() {
    let step = step(lifetime: 3600, jitter: 0.5)
    #expect(step.outcome == .ok)
    #expect(step.summary == "every 28 min 30 s; an outage of 31 min 29 s goes unnoticed")
    #expect(
      step.details == [
        "at the earlier of half of the lifetime (30 min) and max_age (1 d), less up to 10 %",
        "end     = sent + lifetime - 1 s = sent + 3599 s",
        "refresh = sent + (1 - this host's jitter) x min(refresh_at x (lifetime - 1 s), max_age)",
        "        = sent + (1 - 0.05) x min(0.5 x 3599 s, 86400 s) = sent + 1710 s",
      ])
  }

  /// `max_age` comes first: an outage of weeks goes unnoticed.
  @Test func aMonth() {
    let step = step(lifetime: 2_629_743)
    #expect(step.summary == "every 1 d; an outage of 29 d 10 h goes unnoticed")
    #expect(
      step.details.first == "at the earlier of half of the lifetime (15 d 5 h) and max_age (1 d), less up to 10 %")
    #expect(step.details.last == "        = sent + (1 - 0.0) x min(0.5 x 2629742 s, 86400 s) = sent + 86400 s")
  }

  @Test func otherSettings() {
    let step = step(lifetime: 3600) { ($0.refreshAt, $0.maxAge) = (0.75, .seconds(600)) }
    #expect(step.summary == "every 10 min; an outage of 49 min 59 s goes unnoticed")
    #expect(
      step.details.first == "at the earlier of 0.75 of the lifetime (45 min) and max_age (10 min), less up to 10 %")
    #expect(step.details.last == "        = sent + (1 - 0.0) x min(0.75 x 3599 s, 600 s) = sent + 600 s")
  }

  @Test func tooShort() {
    let step = step(lifetime: 2)
    #expect(step.outcome == .failed)
    #expect(step.summary == "the token is valid for 2 s only")
  }
}
