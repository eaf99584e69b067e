/// A date and time of day in UTC, as messages on the wire write it.
struct CivilTime: Hashable, Sendable {
  var year: Int
  var month: Int
  var day: Int
  var hour: Int
  var minute: Int
  var second: Int

  /// Seconds since 1970-01-01T00:00:00Z, or nil if there is no such date. A leap second counts as the second after it.
  var unixSeconds: Int64? {
    guard (1...9999).contains(year), (1...12).contains(month), (1...Self.days(in: month, of: year)).contains(day),
      (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
    else { return nil }
    return Int64(dayNumber) * 86_400 + Int64(hour * 3600 + minute * 60 + second)
  }

  /// Days since 1970-01-01, counted in years that begin in March, so that the leap day comes last.
  private var dayNumber: Int {
    let shifted = month > 2 ? year : year - 1
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let leapDays = shifted / 4 - shifted / 100 + shifted / 400
    return shifted * 365 + leapDays + dayOfYear - 719_468
  }

  private static func days(in month: Int, of year: Int) -> Int {
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
  }

  /// The month, 1 to 12, of an English abbreviation.
  static func month(_ name: Substring) -> Int? {
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].firstIndex { $0 == name }.map {
      $0 + 1
    }
  }

  /// The hours, minutes and seconds of `08:49:37`.
  static func timeOfDay(_ text: Substring) -> (hour: Int, minute: Int, second: Int)? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 3, let hour = number(parts[0], digits: 2), let minute = number(parts[1], digits: 2),
      let second = number(parts[2], digits: 2)
    else { return nil }
    return (hour, minute, second)
  }

  /// A number of exactly so many ASCII digits.
  static func number(_ text: Substring, digits: Int) -> Int? {
    guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }

  /// Unix seconds of OpenSSL's `Nov  4 03:00:00 2026 GMT`.
  static func certificateDate(_ text: String) -> Int64? {
    let parts = text.split(separator: " ")
    guard parts.count == 5, parts[4] == "GMT", let month = month(parts[0]),
      let day = number(parts[1], digits: parts[1].utf8.count == 1 ? 1 : 2), let time = timeOfDay(parts[2]),
      let year = number(parts[3], digits: 4)
    else { return nil }
    return CivilTime(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
      .unixSeconds
  }
}
