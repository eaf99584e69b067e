package import Base

/// How long to wait after a failed attempt.
///
/// After a transient failure, a random wait between a floor and a ceiling. Consecutive failures of one kind count.
///
///                        1st failure   2nd          3rd            4th and later
///     no token           0.25 - 1 s    0.25 - 2 s   0.25 - 4 s     0.25 - 8, 16, 32, 60 s
///     a valid token      0.25 - 1 s    7.5 - 10 s   75 - 100 s     750 - 1000 s
///
/// R is the remaining lifetime of the token. It sets two more limits:
///
///     R > 2 min     the ceiling is at most 3/4 R - 90 s, or 60 s if that is more;
///                   from the 2nd failure on, the floor is 3/4 of the ceiling
///     R <= 2 min    the ceiling is at most R / 2, or 1 s if that is more; the floor is 0.25 s
///
/// - The first retry comes within a second, because most failures are short.
/// - Later retries are slow while a valid token is published. Otherwise a fleet returns in the same second after a long
///   outage. The high floor takes a quarter off that peak, and makes no wait longer.
/// - Near expiry, retries become frequent. Assume that the server recovers at E, and that the token expires at X. The
///   next attempt comes while at least half of X - E, or one minute, is left.
///
/// If an application reported the token as rejected, the ceilings are those of no token. If those of R are less, they
/// apply. The floor is 0.25 s.
///
/// A `Retry-After` is obeyed up to 5 min, and up to 3/4 of R.
///
/// After a rejection, the waits vary by a tenth.
///
///     1st failure                              1 min
///     2nd and later                            5 min
///     2nd and later, `document-rejected`       1 min
///     a valid token                            at most R / 2, or 5 s if that is more
///
/// - Rejections are retried indefinitely, so that a secret which is corrected on the server is used without a restart.
/// - The waits are long, so that no account is locked. Reading a document cannot lock one.
/// - Some rejections end by themselves, such as a proxy's page with 403. About six attempts come before the token
///   expires.
package enum RetryBackoff {
  static let floor = Duration.milliseconds(250)
  static let first = Duration.seconds(1)
  static let ceilingWithoutToken = Duration.seconds(60)
  static let ceilingWithToken = Duration.seconds(1000)
  static let firstRefusal = Duration.seconds(60)
  static let laterRefusals = Duration.seconds(300)
  static let soonestRefusal = Duration.seconds(5)
  /// The longest `Retry-After` that is obeyed. A server that requires a longer wait sends it again.
  static let retryAfterLimit = Duration.seconds(300)

  /// The wait before the next attempt.
  ///
  /// - Parameters:
  ///   - failures: how many attempts in a row have failed in this way, including this one.
  ///   - remaining: the remaining lifetime of the newest token; `nil` if there is none.
  ///   - isReported: whether an application reported that the API rejects that token.
  package static func delay(
    after failure: AcquisitionFailure, failures: Int, remaining: Duration?, isReported: Bool = false,
    using random: inout SplitMix64
  ) -> Duration {
    switch failure.kind {
    case .refused:
      let usual = failures <= 1 || failure.code == .documentRejected ? firstRefusal : laterRefusals
      let base = remaining.map { min(usual, max(soonestRefusal, $0 / 2)) } ?? usual
      return .seconds(base.seconds * Double.random(in: 0.9...1.1, using: &random))
    case .transient:
      let quickest = isReported ? self.ceiling(failures: failures, remaining: nil) : ceilingWithToken
      let ceiling = min(quickest, ceiling(failures: failures, remaining: remaining))
      let isSlow = !isReported && isFarFromExpiry(failures: failures, remaining: remaining)
      let floor = isSlow ? ceiling * 3 / 4 : floor
      let own = Duration.seconds(Double.random(in: floor.seconds...ceiling.seconds, using: &random))
      guard let asked = failure.retryAfter, asked > .zero else { return own }
      let wait = self.asked(asked, using: &random)
      // The usual backoff is the minimum, for a server that always sends one second.
      return max(own, remaining.map { min(wait, maximumRetryAfter($0)) } ?? wait)
    }
  }

  /// The wait of a `Retry-After`, with a jitter of a tenth. Hosts that got the same number do not return at the same
  /// time.
  static func asked(_ wait: Duration, using random: inout SplitMix64) -> Duration {
    .seconds(min(wait, retryAfterLimit).seconds * Double.random(in: 1...1.1, using: &random))
  }

  /// The longest wait after so many failures, without `Retry-After`.
  static func ceiling(failures: Int, remaining: Duration?) -> Duration {
    let step = max(failures, 1) - 1
    guard let remaining else { return min(first * (1 << min(step, 6)), ceilingWithoutToken) }
    let exponential = [first, first * 10, first * 100, ceilingWithToken][min(step, 3)]
    return min(exponential, maximumInterval(remaining))
  }

  /// Whether the token is valid for so long that a retry can be slow. The first retry is never slow.
  private static func isFarFromExpiry(failures: Int, remaining: Duration?) -> Bool {
    failures > 1 && remaining.map { $0 > lastPart } ?? false
  }

  /// The part of a token's lifetime before its expiry in which retries are frequent.
  private static let lastPart = Duration.seconds(120)

  /// The longest time between two attempts when `remaining` of the lifetime is left.
  private static func maximumInterval(_ remaining: Duration) -> Duration {
    guard remaining > lastPart else { return max(first, remaining / 2) }
    return max(.seconds(60), remaining * 3 / 4 - .seconds(90))
  }

  /// The longest `Retry-After` that is obeyed: an attempt comes while a quarter of the remaining lifetime is left.
  private static func maximumRetryAfter(_ remaining: Duration) -> Duration {
    max(first, remaining * 3 / 4)
  }
}
