/// Dates as HTTP writes them (RFC 9110 5.6.7).
public enum HTTPDate {
  /// Unix seconds of a date in one of HTTP's three forms, or nil if `text` is none of them:
  ///
  /// - `Sun, 06 Nov 1994 08:49:37 GMT`, which is what servers ought to send,
  /// - `Sunday, 06-Nov-94 08:49:37 GMT`, of RFC 850,
  /// - `Sun Nov  6 08:49:37 1994`, of asctime(3).
  ///
  /// - Parameter unixTime: About the present, in Unix seconds: it gives a two-digit year its century, such that the date is at
  ///   most 50 years ahead.
  public static func parse(_ text: String, near unixTime: Int64) -> Int64? {
    guard text.utf8.count <= 40, text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return nil }
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    switch words.count {
    case 6: return words[2].isEmpty ? asctime(words) : fixdate(words)
    case 5: return asctime(words)
    case 4: return rfc850(words, near: unixTime)
    default: return nil
    }
  }

  private static let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
  private static let longDays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

  /// `Sun,` `06` `Nov` `1994` `08:49:37` `GMT`
  private static func fixdate(_ words: [Substring]) -> Int64? {
    guard words[5] == "GMT", words[0].hasSuffix(","), days.contains(String(words[0].dropLast())),
      let day = CivilTime.number(words[1], digits: 2), let month = CivilTime.month(words[2]),
      let year = CivilTime.number(words[3], digits: 4), let time = CivilTime.timeOfDay(words[4])
    else { return nil }
    return CivilTime(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
      .unixSeconds
  }

  /// `Sun` `Nov` `16` `08:49:37` `1994`; a day below 10 has a second space before it, which makes an empty word.
  private static func asctime(_ words: [Substring]) -> Int64? {
    let isShort = words.count == 6
    guard days.contains(String(words[0])), let month = CivilTime.month(words[1]),
      let day = CivilTime.number(words[isShort ? 3 : 2], digits: isShort ? 1 : 2),
      let time = CivilTime.timeOfDay(words[words.count - 2]),
      let year = CivilTime.number(words[words.count - 1], digits: 4)
    else { return nil }
    return CivilTime(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
      .unixSeconds
  }

  /// `Sunday,` `06-Nov-94` `08:49:37` `GMT`
  private static func rfc850(_ words: [Substring], near unixTime: Int64) -> Int64? {
    let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
    guard words[3] == "GMT", words[0].hasSuffix(","), longDays.contains(String(words[0].dropLast())), date.count == 3,
      let day = CivilTime.number(date[0], digits: 2), let month = CivilTime.month(date[1]),
      let shortYear = CivilTime.number(date[2], digits: 2), let time = CivilTime.timeOfDay(words[2])
    else { return nil }
    func seconds(century: Int) -> Int64? {
      CivilTime(
        year: century + shortYear, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second
      ).unixSeconds
    }
    let fiftyYears: Int64 = 50 * 31_556_952
    // The latest that is not more than 50 years ahead. The 29th of February exists in one century and not in another.
    for century in stride(from: 9900, through: 0, by: -100) {
      if let candidate = seconds(century: century), candidate <= unixTime + fiftyYears { return candidate }
    }
    return nil
  }
}
