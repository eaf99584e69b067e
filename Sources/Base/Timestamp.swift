import FoundationEssentials
import Glibc

/// Points in time and spans, in words.
public enum Timestamp {
  /// `2026-11-24T14:32:10Z`.
  public static func rfc3339(_ unix: Double) -> String {
    guard unix.isFinite, abs(unix) < 1e11 else { return "never" }
    return Date(timeIntervalSince1970: unix.rounded(.down)).formatted(.iso8601)
  }

  /// `14:32:10` in this host's zone; with the date if it is not today.
  public static func clock(_ unix: Double, now: Double) -> String {
    guard unix.isFinite, abs(unix) < 1e11 else { return "never" }
    let sameDay = formatted(unix, "%F") == formatted(now, "%F")
    return formatted(unix, sameDay ? "%T" : "%F %T")
  }

  /// `29 min 58 s`, `2 h 5 min`, `3 d 4 h`: the two largest units.
  public static func span(_ duration: Duration) -> String {
    let total = Int(min(max(duration.seconds, 0), 1e12))
    let units = [("d", total / 86_400), ("h", total / 3600 % 24), ("min", total / 60 % 60), ("s", total % 60)]
    guard let first = units.firstIndex(where: { $0.1 > 0 }) else { return "0 s" }
    return units[first...].prefix(2).filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }.joined(separator: " ")
  }

  /// As strftime(3) writes it, in this host's zone.
  static func formatted(_ unix: Double, _ format: String) -> String {
    var time = time_t(unix)
    var fields = tm()
    localtime_r(&time, &fields)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, format, &fields)
    return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}
