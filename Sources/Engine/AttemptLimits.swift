package import Base

/// The time limits of one attempt for a token.
package enum AttemptLimits {
  /// The shortest limit, so that a slow server can still respond.
  static let shortestTimeout = Duration.seconds(10)

  /// The time for the work between the exchanges on a busy host.
  static let grace = Duration.seconds(5)

  /// The limit of one exchange: as configured, but at most a third of the remaining lifetime, or 10 s if that is more.
  ///
  /// A server that hangs then leaves time for further attempts.
  ///
  /// - Parameter remaining: the remaining lifetime of the newest token; `nil` if there is none.
  package static func timeout(_ configured: Duration, remaining: Duration?) -> Duration {
    guard let remaining else { return configured }
    return min(configured, max(shortestTimeout, remaining / 3))
  }

  /// When an attempt that is sent at `now` must have ended: all its exchanges together can take twice as long as one.
  ///
  /// - Parameter timeout: the limit of one exchange.
  package static func limit(from now: BootTime, timeout: Duration) -> BootTime { now + timeout * 2 + grace }
}

/// A unit's start that waits for a token as its credential.
///
/// The unit gets a token that is valid for `min_validity`. A token that was requested after the unit began to wait is
/// sent in any case, as a newer one would not be better. At the limit, any valid token is sent.
package struct CredentialWait: Hashable, Sendable {
  /// The longest wait: less than systemd allows a start (90 s), so that the start fails with a reason.
  package static let maximum = Duration.seconds(60)

  /// When the unit began to wait.
  package var since: BootTime

  /// The wait of a unit that asked at `since`.
  package init(since: BootTime) {
    self.since = since
  }

  /// The shortest remaining lifetime of a token that is sent before the longest wait is over.
  package static let shortestUse = Duration.seconds(10)

  /// The latest time at which the unit is answered. A short token is sent while half of its lifetime remains. One that
  /// is about to expire, or has just expired, is of no use to the unit, which waits for the next one.
  package func limit(newest: TokenTimes?) -> BootTime {
    let remaining = newest.map { $0.expiresAt - since } ?? .zero
    return since + (remaining >= Self.shortestUse ? min(remaining / 2, Self.maximum) : Self.maximum)
  }

  /// Whether this token, which is valid at `now`, ends the wait before the limit.
  package func isEnded(by newest: TokenTimes, minValidity: Duration, at now: BootTime) -> Bool {
    newest.expiresAt - now >= minValidity || newest.requestedAt >= since
  }
}
