/// A point on the host's boot-time clock (`CLOCK_BOOTTIME`): it goes on through suspend, and nobody can set it.
///
/// Every deadline of a token is counted on this clock. A pure value: reading the clock is `Moment.now()`'s job.
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

  /// The point `duration` later. Saturates instead of overflowing: an absurd duration means "never".
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
