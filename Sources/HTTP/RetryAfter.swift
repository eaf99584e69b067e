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
