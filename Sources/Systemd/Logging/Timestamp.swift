import Base
internal import Glibc

/// A time of the wall clock in RFC 3339 form, in UTC.
enum Timestamp {
  /// The present second: `2026-11-24T03:20:00Z`; with `milliseconds`, `2026-11-24T03:20:00.123Z`.
  static func now(milliseconds: Bool = false) -> String {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return string(from: time, milliseconds: milliseconds)
  }

  static func string(from time: timespec, milliseconds: Bool) -> String {
    var seconds = time.tv_sec
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let day = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
    return "\(day)T\(clock)\(milliseconds ? ".\(padded(Int32(time.tv_nsec / 1_000_000), 3))" : "")Z"
  }

  private static func padded(_ value: Int32, _ width: Int) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}
