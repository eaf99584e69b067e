internal import CCurl

/// The freshness of a response (RFC 9111 4.2).
public enum CacheLifetime {
  /// The remaining freshness of the response, at most a year. Zero if it must not be stored or is stale already. Nil if
  /// the server states none.
  ///
  /// `no-store` and `no-cache` come first, then `max-age`, then `Expires`. The `Age` that it spent in caches on the way
  /// is subtracted. `s-maxage` is for shared caches only.
  /// - Parameter unixTime: The present by this host's clock in Unix seconds, used if the response has no `Date`.
  public static func freshness(_ headers: HTTPHeaders, unixTime: Int64) -> Duration? {
    var maxAge: Int64?
    for directive in directives(headers) {
      switch (directive.name, directive.argument) {
      case ("no-store", _), ("no-cache", nil): return .zero
      // An unreadable value means stale (RFC 9111 4.2.1). If there are several values, the shortest one is used.
      case ("max-age", let argument): maxAge = min(maxAge ?? .max, argument.flatMap(seconds) ?? 0)
      default: break
      }
    }
    guard let lifetime = maxAge ?? expires(headers, unixTime: unixTime) else { return nil }
    return .seconds(max(0, min(lifetime, 31_536_000) - age(headers)))
  }

  /// The time in seconds that the response spent in caches on the way; zero by default.
  package static func age(_ headers: HTTPHeaders) -> Int64 {
    headers["Age"].flatMap { seconds($0[...]) } ?? 0
  }

  private static func expires(_ headers: HTTPHeaders, unixTime: Int64) -> Int64? {
    guard let value = headers["Expires"] else { return nil }
    // An invalid date, such as 0, means expired (RFC 9111 5.3).
    guard let date = HTTPDate.parse(value) else { return 0 }
    let now = headers["Date"].flatMap(HTTPDate.parse) ?? unixTime
    return max(0, date - now)
  }

  /// The directives of all `Cache-Control` fields. A comma within quotes also separates. This splits an argument, but
  /// only of directives that are not used here.
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

  /// Reads `delta-seconds` (RFC 9111 1.2.2). A number that is too large becomes the maximum.
  private static func seconds(_ text: Substring) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return min(Int64(text) ?? .max, Int64(Int32.max))
  }
}

/// The waiting time that a server requests (RFC 9110 10.2.3).
public enum RetryAfter {
  /// The longest accepted wait.
  public static let maximum = Duration.seconds(3600)

  /// The wait that `Retry-After` requests, from zero to an hour; nil if it is absent or unreadable.
  ///
  /// It is a number of seconds or a date. A date is compared with the response's own `Date`, so that a clock skew does
  /// not matter; without one, with `unixTime`. Past dates and negative numbers mean zero.
  /// - Parameter unixTime: The present by this host's clock, in Unix seconds.
  public static func parse(_ headers: HTTPHeaders, unixTime: Int64) -> Duration? {
    guard let value = headers["Retry-After"] else { return nil }
    if let seconds = delta(value) { return min(maximum, .seconds(max(0, seconds))) }
    guard let date = HTTPDate.parse(value) else { return nil }
    let now = headers["Date"].flatMap(HTTPDate.parse) ?? unixTime
    return min(maximum, .seconds(max(0, date - now)))
  }

  /// Reads the number. A number that is too large becomes the maximum. Nil if it is no number.
  private static func delta(_ text: String) -> Int64? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative ? text.dropFirst() : text[...]
    guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return isNegative ? 0 : Int64(digits) ?? .max >> 1
  }
}

/// Dates as HTTP writes them (RFC 9110 5.6.7).
public enum HTTPDate {
  /// Reads a date in any of HTTP's three forms, or in the form in which OpenSSL prints the dates of a certificate.
  ///
  /// libcurl also reads dates without a time of day, without a zone and of other zones. They count as unreadable,
  /// because a date that is misread would mean that the server's clock is wrong. Day 31 is accepted in every month.
  /// - Returns: Unix seconds before the year 10000; nil if `text` is no such date.
  public static func parse(_ text: String) -> Int64? {
    let last = text.split(separator: " ").last ?? ""
    // The form of C's asctime ends with the year, the others with the zone.
    let isYear = last.utf8.count == 4 && last.utf8.allSatisfy { (0x30...0x39).contains($0) }
    guard last == "GMT" || isYear, text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 2 else { return nil }
    let time = curl_getdate(text, nil)
    return time == -1 || time >= 253_402_300_800 ? nil : Int64(time)
  }
}
