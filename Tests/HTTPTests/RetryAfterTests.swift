import Testing
import HTTP

@Suite struct RetryAfterTests {
  /// 2026-11-24T00:00:00Z by this host's clock.
  private let now: Int64 = 1_795_478_400

  @Test(arguments: [
    ("0", Duration.zero), ("1", .seconds(1)), ("120", .seconds(120)), ("3600", .seconds(3600)),
    ("3601", .seconds(3600)), ("1000000000000000000000000000000", .seconds(3600)),
    ("9223372036854775807", .seconds(3600)), ("-1", .zero), ("-99999999999999999999999999", .zero),
    ("Tue, 24 Nov 2026 00:02:00 GMT", .seconds(120)), ("Mon, 23 Nov 2026 00:02:00 GMT", .zero),
    ("Fri, 31 Dec 9999 23:59:59 GMT", .seconds(3600)), ("Tuesday, 24-Nov-26 00:00:07 GMT", .seconds(7)),
  ])
  func isBetweenZeroAndAnHour(_ value: String, _ wait: Duration) {
    #expect(RetryAfter.parse(HTTPHeaders([HTTPHeader("retry-after", value)]), unixTime: now) == wait)
  }

  @Test(arguments: ["", "-", "soon", "1.5", "1e3", "0x10", "+5", "5 s", "٣"])
  func isNothingIfUnreadable(_ value: String) {
    #expect(RetryAfter.parse(HTTPHeaders([HTTPHeader("Retry-After", value)]), unixTime: now) == nil)
  }

  @Test func isNothingIfAbsent() {
    #expect(RetryAfter.parse(HTTPHeaders([HTTPHeader("Retry", "5")]), unixTime: now) == nil)
  }

  @Test func comparesADateWithTheServersOwnClock() {
    // The server's clock is a day behind ours: by ours the date has passed long ago.
    let headers = HTTPHeaders([
      HTTPHeader("Date", "Mon, 23 Nov 2026 00:00:00 GMT"), HTTPHeader("Retry-After", "Mon, 23 Nov 2026 00:00:30 GMT"),
    ])
    #expect(RetryAfter.parse(headers, unixTime: now) == .seconds(30))
  }
}
