internal import CCurl

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
    guard let date = HTTPDate.parse(value) else { return 0 }
    let now = headers["Date"].flatMap(HTTPDate.parse) ?? unixTime
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
    guard let date = HTTPDate.parse(value) else { return nil }
    let now = headers["Date"].flatMap(HTTPDate.parse) ?? unixTime
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
  /// Reads a date in any of HTTP's three forms, or in the form in which OpenSSL prints the dates of a certificate.
  ///
  /// libcurl takes further forms, and the 31st day of every month. A wrong `Date`, `Expires` or `Retry-After` of a server
  /// is no danger: the caller bounds what it computes from it.
  /// - Returns: Unix seconds; nil if `text` is no date.
  public static func parse(_ text: String) -> Int64? {
    let time = curl_getdate(text, nil)
    return time == -1 ? nil : Int64(time)
  }
}
