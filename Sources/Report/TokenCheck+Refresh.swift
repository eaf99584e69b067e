import Base
import Engine
import OAuth
import Settings

extension TokenCheck {
  /// The step that shows when a token with this lifetime is refreshed: `RefreshSchedule` with its values.
  ///
  /// - Parameter jitter: the value of this host and token, from 0 to 1.
  func refresh(lifetime: Duration, jitter: Double) -> CheckStep {
    let schedule = RefreshSchedule(fraction: settings.refreshAt, maxAge: settings.maxAge, jitter: jitter)
    guard lifetime >= RefreshSchedule.shortestLifetime else {
      return step(
        .refresh, .failed, "the token is valid for \(Timestamp.span(lifetime)) only",
        remedy: FailureCode.lifetime.remedy)
    }
    let start = BootTime(nanoseconds: 0)
    let plan = schedule.plan(requestedAt: start, lifetime: lifetime)
    let (usable, wait) = (Self.whole(plan.expiresAt - start), Self.whole(plan.refreshAt - start))
    let fraction = Self.decimal(settings.refreshAt, 3)
    let part = Timestamp.span(.seconds((lifetime.seconds * settings.refreshAt).rounded()))
    let share = Self.decimal(RefreshSchedule.spread * jitter, 3)
    let maxAge = Self.whole(settings.maxAge)
    return step(
      .refresh, .ok,
      "every \(Timestamp.span(.seconds(wait))); an outage of \(Timestamp.span(.seconds(usable - wait))) goes unnoticed",
      details: [
        "at the earlier of \(settings.refreshAt == 0.5 ? "half" : fraction) of the lifetime (\(part)) and max_age "
          + "(\(Timestamp.span(settings.maxAge))), less up to 10 %",
        "end     = sent + lifetime - 1 s = sent + \(usable) s",
        "refresh = sent + (1 - this host's jitter) x min(refresh_at x (lifetime - 1 s), max_age)",
        "        = sent + (1 - \(share)) x min(\(fraction) x \(usable) s, \(maxAge) s) = sent + \(wait) s",
      ])
  }

  private static func whole(_ duration: Duration) -> Int { Int(duration.seconds.rounded()) }

  /// A number from 0 to 1 with at most `places` decimals.
  static func decimal(_ number: Double, _ places: Int) -> String {
    var scale = 1.0
    for _ in 0..<places { scale *= 10 }
    return "\((number * scale).rounded() / scale)"
  }
}
