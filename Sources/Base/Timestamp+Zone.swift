extension Timestamp {
  /// `2026-11-24 14:32:10 UTC`, in this host's zone.
  public static func zoned(_ unix: Double) -> String {
    guard unix.isFinite, abs(unix) < 1e11 else { return "never" }
    return formatted(unix, "%F %T %Z")
  }

  /// `in 29 min 58 s`, `3 s ago`, `now`.
  public static func relative(_ unix: Double, now: Double) -> String {
    guard unix.isFinite, abs(unix) < 1e11 else { return "never" }
    let distance = (unix - now).rounded()
    if distance == 0 { return "now" }
    return distance > 0 ? "in \(span(.seconds(distance)))" : "\(span(.seconds(-distance))) ago"
  }

  /// `2026-11-24 14:32:10 UTC (in 29 min 58 s)`.
  public static func full(_ unix: Double, now: Double) -> String {
    "\(zoned(unix)) (\(relative(unix, now: now)))"
  }
}
