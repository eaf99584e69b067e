public import Base

/// The times of a verified token.
public struct TokenTimes: Hashable, Sendable {
  /// When its request was sent.
  public var requestedAt: BootTime

  /// When the next token is requested.
  public var refreshAt: BootTime

  /// When its files are removed: from then on the API can reject it.
  public var expiresAt: BootTime

  /// A token with the given times.
  public init(requestedAt: BootTime, refreshAt: BootTime, expiresAt: BootTime) {
    self.requestedAt = requestedAt
    self.refreshAt = refreshAt
    self.expiresAt = expiresAt
  }

  /// Why an application cannot use a token with these times at `now`; `nil` if it can.
  package func fault(at now: BootTime) -> AcquisitionFailure? {
    guard expiresAt > now else {
      return AcquisitionFailure(.lifetime, "the token expired before it arrived")
    }
    let lifetime = expiresAt - requestedAt + RefreshSchedule.rounding
    guard lifetime >= RefreshSchedule.shortestLifetime else {
      let seconds = Int(lifetime.seconds)
      return AcquisitionFailure(
        .lifetime, "the token is valid for \(seconds) s only")
    }
    return nil
  }
}

/// When a token of a given lifetime is refreshed and when it expires.
///
///     expiry  = request sent + lifetime - 1 s
///     refresh = request sent + max(1 s, (1 - 0.1 x jitter) x min(fraction x (lifetime - 1 s), max_age))
///
/// A key can be withdrawn and a client can be disabled long before a token of a month expires. `maxAge` limits the time
/// until the next request detects that.
///
/// One second is subtracted because `iat` and `exp` are whole seconds (RFC 7519, NumericDate): up to one second of `exp
/// - iat` has passed when the token is made. The jitter is constant for a host and a token, and only shortens the wait.
/// Hosts that start at the same time after a power cut therefore refresh at times that differ more after each refresh.
public struct RefreshSchedule: Hashable, Sendable {
  /// The fraction of the lifetime at which a token is refreshed.
  public var fraction: Double

  /// The maximum time to the refresh, for tokens with long lifetimes.
  public var maxAge: Duration

  /// From 0 to 1, constant for this host and token.
  public var jitter: Double

  /// The largest reduction of the time to the refresh.
  public static let spread = 0.1

  /// What is subtracted from a lifetime, because token times are whole seconds.
  public static let rounding = Duration.seconds(1)

  /// The shortest lifetime that is accepted. Applications cannot use a shorter one, and it would cause a request every
  /// second.
  public static let shortestLifetime = Duration.seconds(3)

  /// The shortest time between two requests for the same token.
  public static let shortestInterval = Duration.seconds(1)

  /// The remaining lifetime from which on no further request is sent before the expiry.
  static let lastPart = Duration.seconds(10)

  /// A schedule; values out of range are clamped.
  public init(fraction: Double, maxAge: Duration, jitter: Double) {
    self.fraction = min(max(fraction, 0.1), 0.9)
    self.maxAge = max(maxAge, Self.shortestInterval)
    self.jitter = min(max(jitter, 0), 1)
  }

  /// The times of a token with this `lifetime` whose request was sent at `requestedAt`.
  public func plan(requestedAt: BootTime, lifetime: Duration) -> TokenTimes {
    let wait = longestWait(lifetime: lifetime) * (1 - Self.spread * jitter)
    return TokenTimes(
      requestedAt: requestedAt, refreshAt: requestedAt + max(Self.shortestInterval, .seconds(wait)),
      expiresAt: requestedAt + lifetime - Self.rounding)
  }

  /// When the next token is requested, after the server returned an earlier one at `now`, instead of a new one.
  ///
  ///     R > 10 s     3/4 R later, or max_age later if that is less; up to a tenth earlier by the jitter
  ///     R <= 10 s    when it expires
  ///
  /// R is the remaining lifetime. If a server issues a new token in the last part of a lifetime, a request comes in
  /// that part. If it does so at the expiry, a request comes then, after about five requests in an hour.
  func next(afterRepetitionAt now: BootTime, expiresAt: BootTime) -> BootTime {
    let remaining = expiresAt - now
    guard remaining > Self.lastPart else { return expiresAt }
    return now + min(remaining * 3 / 4, maxAge) * (1 - Self.spread * jitter)
  }

  /// The seconds from the request to the refresh without jitter, which only shortens them.
  public func longestWait(lifetime: Duration) -> Double {
    min((lifetime - Self.rounding).seconds * fraction, maxAge.seconds)
  }
}
