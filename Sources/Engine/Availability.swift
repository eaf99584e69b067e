public import Base

/// How long applications had a valid token, as far as is known, and how long they had none.
///
///     available + unavailable = time since the first reading
///     gap                     = the time from a reading without a token to the next reading with one
///
/// The time between two readings belongs to the state of the first one. It is counted on `CLOCK_MONOTONIC`, which
/// stops while the host is suspended: no application runs then.
///
/// A reading of the same state changes nothing, so that a status document with this value need not be written again.
/// `totals(at:)` adds the time since the last change. The status document keeps the value over a restart, and
/// `continued` adds the time in which no daemon ran.
///
/// A report by an application is no reason to record a token as missing. A key that was withdrawn is one.
public struct Availability: Hashable, Sendable, Codable {
  /// The version of the stored form.
  private(set) var version = Self.currentVersion
  /// When the count began, seconds since 1970.
  public private(set) var since: Double
  /// The time with a token until the last change.
  private(set) var availableNanoseconds: Int64 = 0
  /// The time without a token until the last change.
  private(set) var unavailableNanoseconds: Int64 = 0
  /// When applications last got or lost a token, on `CLOCK_MONOTONIC`.
  private(set) var changedAtMonotonic: Int64
  /// When the present gap began, seconds since 1970; `nil` while there is a token.
  public private(set) var gapStartedAt: Double?
  /// The name of a `FailureCode`: the first known cause of the present gap.
  private(set) var gapCause: String?
  /// The longest gap that has ended.
  public private(set) var longestGap: Gap?

  private static let currentVersion = 1

  /// A time without a token.
  public struct Gap: Hashable, Sendable, Codable {
    /// Its length.
    private(set) var nanoseconds: Int64
    /// When it began by the wall clock of that time, seconds since 1970.
    public private(set) var startedAt: Double
    /// The name of a `FailureCode`.
    private(set) var cause: String?

    /// Its length.
    public var length: Duration { .nanoseconds(nanoseconds) }

    /// Why there was no token; `nil` if that is not known, as at a start.
    public var failure: FailureCode? { cause.flatMap(FailureCode.init(rawValue:)) }
  }

  /// The times until one moment.
  public struct Totals: Hashable, Sendable {
    /// The time with a token.
    public var available: Duration
    /// The time without a token.
    public var unavailable: Duration
    /// The longest gap, which can be the present one; `nil` if there was none.
    public var longestGap: Gap?

    /// The time since the first reading.
    public var elapsed: Duration { available + unavailable }
  }

  /// A count that begins with this reading.
  public init(hasToken: Bool, cause: FailureCode? = nil, at now: Moment) {
    since = Self.rounded(now.unix)
    changedAtMonotonic = now.monotonic.nanoseconds
    gapStartedAt = hasToken ? nil : since
    gapCause = hasToken ? nil : cause?.rawValue
  }

  /// Whether applications have a token since the last change.
  public var hasToken: Bool { gapStartedAt == nil }

  private var changedAt: BootTime { BootTime(nanoseconds: changedAtMonotonic) }

  /// Adds a reading.
  ///
  /// - Parameter cause: why there is no token. The first known cause of a gap is kept.
  public mutating func record(hasToken: Bool, cause: FailureCode? = nil, at now: Moment) {
    guard hasToken != self.hasToken else {
      if !hasToken, gapCause == nil { gapCause = cause?.rawValue }
      return
    }
    let totals = totals(at: now.monotonic)
    availableNanoseconds = totals.available.nanoseconds
    unavailableNanoseconds = totals.unavailable.nanoseconds
    longestGap = totals.longestGap
    changedAtMonotonic = max(changedAtMonotonic, now.monotonic.nanoseconds)
    gapStartedAt = hasToken ? nil : Self.rounded(now.unix)
    gapCause = hasToken ? nil : cause?.rawValue
  }

  /// The times until this point of `CLOCK_MONOTONIC`.
  public func totals(at monotonic: BootTime) -> Totals {
    let latest = max(.zero, monotonic - changedAt)
    var totals = Totals(
      available: .nanoseconds(availableNanoseconds), unavailable: .nanoseconds(unavailableNanoseconds),
      longestGap: longestGap)
    guard let gapStartedAt else {
      totals.available += latest
      return totals
    }
    totals.unavailable += latest
    if latest > longestGap?.length ?? .zero {
      totals.longestGap = Gap(nanoseconds: latest.nanoseconds, startedAt: gapStartedAt, cause: gapCause)
    }
    return totals
  }

  /// Rounds to milliseconds, which are shorter in a document.
  private static func rounded(_ unix: Double) -> Double { (unix * 1000).rounded() / 1000 }
}

extension Availability {
  /// Adds the time in which no daemon is known to have run: from `writtenAt`, when a status document stored this value,
  /// until `now`. The next reading must be at `now`.
  ///
  ///     stored with a token      available from `writtenAt` until `expiresAt`; without `expiresAt`, unavailable
  ///     stored without a token   unavailable, and available from `requestedAt` on if that is after the gap began
  ///
  /// The token's times are on `CLOCK_BOOTTIME`. If the host was suspended since, the token counts as expired too early,
  /// never too late.
  ///
  /// - Parameters:
  ///   - writtenAt: a point of `CLOCK_MONOTONIC` since the same boot.
  ///   - requestedAt: when the token in the file was requested.
  ///   - expiresAt: when the token in the file expires or expired; `nil` if the file did not keep its token.
  /// - Returns: `nil` if no daemon can have stored this value at `writtenAt`.
  public func continued(
    writtenAt: BootTime, requestedAt: BootTime?, expiresAt: BootTime?, at now: Moment
  ) -> Availability? {
    guard isConsistent(at: writtenAt), writtenAt <= now.monotonic else { return nil }
    func monotonic(_ time: BootTime) -> BootTime { now.monotonic - (now.boot - time) }
    func moment(_ time: BootTime) -> Moment {
      let age = now.monotonic - time
      return Moment(boot: now.boot - age, unix: now.unix - age.seconds, monotonic: time)
    }
    var next = self
    guard let expiresAt else {
      next.record(hasToken: false, at: moment(writtenAt))
      return next
    }
    let end = max(monotonic(expiresAt), writtenAt)
    if !hasToken {
      // An older token was in the file when the gap began. It is no longer accepted.
      guard let start = requestedAt.map(monotonic), start > changedAt else { return next }
      let begin = max(start, writtenAt)
      guard begin < min(end, now.monotonic) else { return next }
      next.record(hasToken: true, at: moment(begin))
    }
    if end < now.monotonic { next.record(hasToken: false, at: moment(end)) }
    return next
  }

  /// Whether a daemon can have stored this value at `writtenAt`, on `CLOCK_MONOTONIC`.
  public func isConsistent(at writtenAt: BootTime) -> Bool {
    let (sum, overflow) = availableNanoseconds.addingReportingOverflow(unavailableNanoseconds)
    let longest = longestGap?.nanoseconds ?? 0
    return version == Self.currentVersion && availableNanoseconds >= 0 && unavailableNanoseconds >= 0 && !overflow
      && sum <= changedAtMonotonic && changedAtMonotonic <= writtenAt.nanoseconds
      && (0...unavailableNanoseconds).contains(longest)
      && (longestGap == nil) == (unavailableNanoseconds == 0) && (longest == 0) == (unavailableNanoseconds == 0)
      && (gapStartedAt != nil || gapCause == nil) && times.allSatisfy { abs($0) < Self.latestTime }
  }

  /// The stored times, seconds since 1970.
  public var times: [Double] { [since, gapStartedAt, longestGap?.startedAt].compactMap(\.self) }

  /// Stored times are earlier than this. Arithmetic with them cannot overflow.
  private static let latestTime = 1e12
}
