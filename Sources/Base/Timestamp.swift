import Glibc

/// Points in time and spans of time as text.
public enum Timestamp {
  /// The time in UTC by RFC 3339: `2026-11-24T14:32:10Z`. With `milliseconds` it is `2026-11-24T14:32:10.123Z`.
  ///
  /// - Parameter unix: seconds since 1970. The text is `never` for a time about 3,000 years or more from 1970.
  public static func rfc3339(_ unix: Double, milliseconds: Bool = false) -> String {
    guard isTime(unix) else { return "never" }
    var second = time_t(unix.rounded(.down))
    var fields = tm()
    gmtime_r(&second, &fields)
    let fraction = milliseconds ? "." + padded(Int32((unix - unix.rounded(.down)) * 1000), 3) : ""
    let date = "\(padded(fields.tm_year + 1900, 4))-\(padded(fields.tm_mon + 1, 2))-\(padded(fields.tm_mday, 2))"
    return "\(date)T\(padded(fields.tm_hour, 2)):\(padded(fields.tm_min, 2)):\(padded(fields.tm_sec, 2))\(fraction)Z"
  }

  /// `14:32:10` in this host's time zone; with the date if it is not today.
  public static func clock(_ unix: Double, now: Double) -> String {
    guard isTime(unix) else { return "never" }
    let sameDay = formatted(unix, "%F") == formatted(now, "%F")
    return formatted(unix, sameDay ? "%T" : "%F %T")
  }

  /// `2026-11-24 14:32:10 UTC`, in this host's time zone.
  public static func zoned(_ unix: Double) -> String {
    isTime(unix) ? formatted(unix, "%F %T %Z") : "never"
  }

  /// `in 29 min 58 s`, `3 s ago`, `now`.
  public static func relative(_ unix: Double, now: Double) -> String {
    guard isTime(unix) else { return "never" }
    let distance = (unix - now).rounded()
    if distance == 0 { return "now" }
    return distance > 0 ? "in \(span(.seconds(distance)))" : "\(span(.seconds(-distance))) ago"
  }

  /// `2026-11-24 14:32:10 UTC (in 29 min 58 s)`.
  public static func full(_ unix: Double, now: Double) -> String {
    "\(zoned(unix)) (\(relative(unix, now: now)))"
  }

  /// `29 min 58 s`, `2 h 5 min`, `3 d 4 h`: the two largest units.
  public static func span(_ duration: Duration) -> String {
    let total = Int(min(max(duration.seconds, 0), 1e12))
    let units = [("d", total / 86_400), ("h", total / 3600 % 24), ("min", total / 60 % 60), ("s", total % 60)]
    guard let first = units.firstIndex(where: { $0.1 > 0 }) else { return "0 s" }
    return units[first...].prefix(2).filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: " ")
  }

  private static func isTime(_ unix: Double) -> Bool { unix.isFinite && abs(unix) < 1e11 }

  /// The time in this host's time zone, as strftime(3) formats it.
  private static func formatted(_ unix: Double, _ format: String) -> String {
    var time = time_t(unix)
    var fields = tm()
    localtime_r(&time, &fields)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, format, &fields)
    return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  private static func padded(_ value: Int32, _ width: Int) -> String {
    let digits = "\(value)"
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

/// How far a server's clock is ahead of this host's; negative if it is behind.
package enum ClockSkew {
  /// Smaller differences are not reported: they have no effect on tokens.
  private static let reportedMinimum = 5.0

  /// Whether the difference is large enough to report.
  package static func isReported(_ skew: Duration) -> Bool { abs(skew.seconds) >= reportedMinimum }

  /// `the server's clock is 10 min ahead of this host's`.
  package static func sentence(_ skew: Duration) -> String {
    "the server's clock is \(Timestamp.span(.seconds(abs(skew.seconds)))) "
      + (skew > .zero ? "ahead of" : "behind") + " this host's"
  }
}
