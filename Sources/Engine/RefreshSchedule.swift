public import Base

/// When a token of a given lifetime ends and when it is refreshed.
///
///     end     = request sent + lifetime - 1 s
///     refresh = request sent + max(1 s, fraction x (1 - 0.1 x jitter) x (lifetime - 1 s))
///
/// The second that is taken off: a token's `iat` and `exp` are cut to whole seconds (RFC 7519, NumericDate), so that up to
/// one second of `exp - iat` had passed before the token was made. The jitter is constant for a host and a token, not drawn anew:
/// hosts that were started by the same power cut drift apart by a constant each time, not by a random walk.
public struct RefreshSchedule: Hashable, Sendable {
  /// The fraction of the life at which a token is refreshed.
  public var fraction: Double

  /// From 0 to 1: this host's and token's own share of the spread.
  public var jitter: Double

  /// A tenth of the time to the refresh at the most.
  public static let spread = 0.1

  /// What is taken off a lifetime, for times that were cut to whole seconds.
  public static let rounding = Duration.seconds(1)

  /// A token that lives shorter than this is of no use to a reader, and would make for a request every second.
  public static let shortestLifetime = Duration.seconds(3)

  /// Two requests for the same token are never closer than this, however short it lives.
  public static let shortestInterval = Duration.seconds(1)

  /// A schedule; both values are brought into their range.
  public init(fraction: Double, jitter: Double) {
    self.fraction = min(max(fraction, 0.1), 0.9)
    self.jitter = min(max(jitter, 0), 1)
  }

  /// The times of a token whose request was sent at `requestedAt` and that lives for `lifetime`.
  public func plan(requestedAt: BootTime, lifetime: Duration) -> TokenTimes {
    let usable = lifetime - Self.rounding
    let share = fraction * (1 - Self.spread * jitter)
    return TokenTimes(
      requestedAt: requestedAt,
      refreshAt: requestedAt + max(Self.shortestInterval, .seconds(usable.seconds * share)),
      expiresAt: requestedAt + usable)
  }
}
