/// Bounds for the numbers of `status.json` and of state files, which the daemon's user could have written. The readers
/// check every number once, so that later arithmetic cannot overflow.
enum PlausibleNumbers {
  /// Bounds for times and for differences of clocks, in seconds. A server's `Date` can be in the year 9999.
  private static let seconds = -1e12...1e12

  static func areSeconds(_ values: Double?...) -> Bool {
    values.allSatisfy { $0.map(seconds.contains) ?? true }
  }

  static func areSeconds(_ values: [Double]) -> Bool { values.allSatisfy(seconds.contains) }

  static func areNatural(_ values: Int...) -> Bool { values.allSatisfy { $0 >= 0 } }
}
