import Glibc

/// A point on the host's boot-time clock (`CLOCK_BOOTTIME`), which counts through a suspend and cannot be set.
///
/// Every deadline of a token is counted on this clock. ``Moment/now()`` reads it.
public struct BootTime: Hashable, Sendable, Comparable, Codable {
  /// Nanoseconds since the host booted.
  public var nanoseconds: Int64

  /// The point `nanoseconds` after boot.
  public init(nanoseconds: Int64) {
    self.nanoseconds = nanoseconds
  }

  /// The point `seconds` after boot.
  public init(seconds: Double) {
    self.init(nanoseconds: Duration.seconds(seconds).nanoseconds)
  }

  /// Whether `lhs` is earlier.
  public static func < (lhs: BootTime, rhs: BootTime) -> Bool { lhs.nanoseconds < rhs.nanoseconds }

  /// The point `duration` later. The result saturates: a duration that is too long means "never".
  public static func + (time: BootTime, duration: Duration) -> BootTime {
    let (sum, overflow) = time.nanoseconds.addingReportingOverflow(duration.nanoseconds)
    return BootTime(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
  }

  /// The point `duration` earlier.
  public static func - (time: BootTime, duration: Duration) -> BootTime {
    time + .nanoseconds(-duration.nanoseconds)
  }

  /// The time from `rhs` to `lhs`.
  public static func - (lhs: BootTime, rhs: BootTime) -> Duration {
    let (difference, overflow) = lhs.nanoseconds.subtractingReportingOverflow(rhs.nanoseconds)
    return .nanoseconds(overflow ? (lhs < rhs ? .min : .max) : difference)
  }
}

/// One instant on each of the host's clocks.
public struct Moment: Hashable, Sendable {
  /// `CLOCK_BOOTTIME`, which deadlines are counted on.
  public var boot: BootTime

  /// `CLOCK_REALTIME`, seconds since 1970 UTC. It can be wrong, and can be set.
  public var unix: Double

  /// `CLOCK_MONOTONIC`, which stands still while the host is suspended.
  public var monotonic: BootTime

  /// An instant with the given readings.
  public init(boot: BootTime, unix: Double, monotonic: BootTime) {
    self.boot = boot
    self.unix = unix
    self.monotonic = monotonic
  }

  /// Reads the clocks.
  public static func now() -> Moment {
    Moment(
      boot: BootTime(nanoseconds: read(CLOCK_BOOTTIME)),
      unix: Double(read(CLOCK_REALTIME)) / 1e9,
      monotonic: BootTime(nanoseconds: read(CLOCK_MONOTONIC)))
  }

  private static func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}

extension Duration {
  /// Whole nanoseconds, saturating at 292 years.
  public var nanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return seconds < 0 ? -.max : .max }
    let (sum, carried) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return carried ? (seconds < 0 ? -.max : .max) : sum
  }

  /// Seconds, with their fraction.
  public var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
