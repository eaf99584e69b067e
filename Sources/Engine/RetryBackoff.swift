import Base

/// How long to wait after a failed attempt.
///
/// Transient failures; the wait is drawn evenly between a floor and a ceiling:
///
///     no token to read                 0.25 s to 1 s, 2 s, 4 s ... 60 s
///     a token that lives for R more    0.25 s to 1 s, then 7.5 to 10 s, 75 to 100 s, 750 to 1000 s; but the ceiling is at most
///       while R > 2 min                  3/4 R - 90 s, or 60 s if that is more, and the floor 3/4 of the ceiling
///       in the last 2 minutes            R / 2, or 1 s if that is more, and the floor 0.25 s
///
/// The first retry comes at once, for the outage that was none. While a reader is served there is no haste after that: a fleet that asks often
/// in a long outage would come back all in the same seconds. That is also what the higher floor is for: it takes a quarter off what a server is asked
/// in the second of its return, and makes no wait longer. Towards the end attempts grow denser: a server that is
/// well again at any time E before the token's end X is asked while half of X - E, or a minute, is left.
///
/// Refusals: once more after a minute, then every five minutes, for ever: a rotated secret heals by itself, and no account is locked. While a
/// (Documents that are not there, once a minute: whoever just reads them locks no account, and a server that is being deployed is soon well.) While a
/// token serves, when half of what is left of it has passed, if that is sooner: some refusals pass (a page of a proxy's with 403, another
/// audience by mistake), and the last minutes are those that count. That makes some six attempts more before a token's end.
package enum RetryBackoff {
  static let floor = Duration.milliseconds(250)
  static let first = Duration.seconds(1)
  static let ceilingWithoutToken = Duration.seconds(60)
  static let ceilingWithToken = Duration.seconds(1000)
  static let firstRefusal = Duration.seconds(60)
  static let laterRefusals = Duration.seconds(300)
  static let soonestRefusal = Duration.seconds(5)
  /// A server that means more than this says it again.
  static let retryAfterLimit = Duration.seconds(300)

  /// The wait before the next attempt.
  ///
  /// - Parameters:
  ///   - failures: how many attempts in a row have failed in this way, this one included.
  ///   - remaining: what is left of the token in the file; `nil` if there is none.
  static func delay(
    after failure: AcquisitionFailure, failures: Int, remaining: Duration?, using random: inout SplitMix64
  ) -> Duration {
    switch failure.kind {
    case .refused:
      let usual = failures <= 1 || failure.code == .documentRejected ? firstRefusal : laterRefusals
      let base = remaining.map { min(usual, max(soonestRefusal, $0 / 2)) } ?? usual
      return .seconds(base.seconds * Double.random(in: 0.9...1.1, using: &random))
    case .transient:
      let ceiling = ceiling(failures: failures, remaining: remaining)
      let floor = isFarFromExpiry(failures: failures, remaining: remaining) ? ceiling * 3 / 4 : floor
      let own = Duration.seconds(Double.random(in: floor.seconds...ceiling.seconds, using: &random))
      guard let asked = failure.retryAfter, asked > .zero else { return own }
      // Spread over a tenth more, so that all who were told the same number do not come back in the same instant.
      let wait = Duration.seconds(
        min(asked, retryAfterLimit).seconds * Double.random(in: 1...1.1, using: &random))
      // A server that always says "one second" gets the usual pace.
      return max(own, remaining.map { min(wait, maximumRetryAfter($0)) } ?? wait)
    }
  }

  /// The longest wait after so many failures, `Retry-After` aside.
  static func ceiling(failures: Int, remaining: Duration?) -> Duration {
    let step = max(failures, 1) - 1
    guard let remaining else { return min(first * (1 << min(step, 6)), ceilingWithoutToken) }
    let exponential = [first, first * 10, first * 100, ceilingWithToken][min(step, 3)]
    return min(exponential, maximumInterval(remaining))
  }

  /// Whether readers are served for long enough that a retry need not come early. The first one does: most outages are none.
  private static func isFarFromExpiry(failures: Int, remaining: Duration?) -> Bool {
    failures > 1 && remaining.map { $0 > lastPart } ?? false
  }

  /// The end of a token's life, in which attempts grow dense.
  private static let lastPart = Duration.seconds(120)

  /// How long a token's last `remaining` may go without an attempt.
  private static func maximumInterval(_ remaining: Duration) -> Duration {
    guard remaining > lastPart else { return max(first, remaining / 2) }
    return max(.seconds(60), remaining * 3 / 4 - .seconds(90))
  }

  /// `Retry-After` is obeyed unless the token would end meanwhile: an attempt comes while a quarter of what is left remains.
  private static func maximumRetryAfter(_ remaining: Duration) -> Duration {
    max(first, remaining * 3 / 4)
  }
}
