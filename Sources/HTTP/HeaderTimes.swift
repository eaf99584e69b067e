/// For how long a response may be used again without asking (RFC 9111 4.2).
public enum CacheLifetime {
  /// What is left of the response's freshness, at most a year; zero if it must not be stored or is stale already; nil if the
  /// server says nothing about it.
  ///
  /// `no-store` and `no-cache` come first, then `max-age`, then `Expires`; the `Age` it spent in caches on the way is taken off.
  /// `s-maxage` is for shared caches, which this is none of.
  /// - Parameter unixTime: The present by the wall clock of this host in Unix seconds, taken if the response has no `Date`.
  public static func freshness(_ headers: HTTPHeaders, unixTime: Int64) -> Duration? {
    var maxAge: Int64?
    for directive in directives(headers) {
      switch (directive.name, directive.argument) {
      case ("no-store", _), ("no-cache", nil): return .zero
      // What cannot be read counts as stale (RFC 9111 4.2.1), and of several the shortest.
      case ("max-age", let argument): maxAge = min(maxAge ?? .max, argument.flatMap(seconds) ?? 0)
      default: break
      }
    }
    guard let lifetime = maxAge ?? expires(headers, unixTime: unixTime) else { return nil }
    return .seconds(max(0, min(lifetime, 31_536_000) - age(headers)))
  }

  /// How long the response was in caches on the way, in seconds; zero if none says so.
  package static func age(_ headers: HTTPHeaders) -> Int64 {
    headers["Age"].flatMap { seconds($0[...]) } ?? 0
  }

  private static func expires(_ headers: HTTPHeaders, unixTime: Int64) -> Int64? {
    guard let value = headers["Expires"] else { return nil }
    // Invalid dates, 0 above all, mean that it has expired (RFC 9111 5.3).
    guard let date = HTTPDate.parse(value, near: unixTime) else { return 0 }
    let now = headers["Date"].flatMap { HTTPDate.parse($0, near: unixTime) } ?? unixTime
    return max(0, date - now)
  }

  /// The directives of all `Cache-Control` fields. A comma within quotes splits an argument that nobody here reads.
  private static func directives(_ headers: HTTPHeaders) -> [(name: String, argument: Substring?)] {
    headers.values(for: "Cache-Control").joined(separator: ",").split(separator: ",").map { directive in
      let directive = directive.filter { $0 != " " && $0 != "\t" }
      let parts = directive.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = parts.first.map { $0.lowercased() } ?? ""
      guard parts.count == 2 else { return (name, nil) }
      let isQuoted = parts[1].utf8.count >= 2 && parts[1].hasPrefix("\"") && parts[1].hasSuffix("\"")
      return (name, isQuoted ? parts[1].dropFirst().dropLast() : parts[1])
    }
  }

  /// `delta-seconds` (RFC 9111 1.2.2): one too large to hold is as large as can be.
  private static func seconds(_ text: Substring) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text) ?? Int64(Int32.max)
  }
}

/// How long a server asks to be left alone (RFC 9110 10.2.3).
public enum RetryAfter {
  /// The longest wait that is granted, whatever the server says.
  public static let maximum = Duration.seconds(3600)

  /// The wait that `Retry-After` asks for, from zero to an hour; nil if there is none or it cannot be read.
  ///
  /// It is a number of seconds or a date. A date is compared with the response's own `Date`, so that a difference between the
  /// clocks does not matter, and only without one with `unixTime`. What is past or negative is no wait at all; what is absurdly
  /// long is an hour.
  /// - Parameter unixTime: The present by the wall clock of this host, in Unix seconds.
  public static func parse(_ headers: HTTPHeaders, unixTime: Int64) -> Duration? {
    guard let value = headers["Retry-After"] else { return nil }
    if let seconds = delta(value) { return min(maximum, .seconds(max(0, seconds))) }
    guard let date = HTTPDate.parse(value, near: unixTime) else { return nil }
    let now = headers["Date"].flatMap { HTTPDate.parse($0, near: unixTime) } ?? unixTime
    return min(maximum, .seconds(max(0, date - now)))
  }

  /// The number, one too large for any use as an hour and more. Nil if it is no number.
  private static func delta(_ text: String) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return isNegative ? 0 : Int64(digits) ?? .max >> 1
  }
}

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
