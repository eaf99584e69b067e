import Glibc

/// One instant as each of the host's clocks tells it.
public struct Moment: Hashable, Sendable {
  /// `CLOCK_BOOTTIME`: what deadlines are counted on.
  public var boot: BootTime

  /// `CLOCK_REALTIME`, seconds since 1970 UTC: what tokens and people speak of. It may be wrong, and may be set.
  public var unix: Double

  /// `CLOCK_MONOTONIC`: as `boot`, but it stands still while the host is suspended.
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
