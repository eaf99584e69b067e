import Testing
import HTTP

@Suite struct CacheLifetimeTests {
  private let now: Int64 = 1_795_478_400

  private func freshness(_ fields: [(String, String)]) -> Duration? {
    CacheLifetime.freshness(HTTPHeaders(fields.map { HTTPHeader($0, $1) }), unixTime: now)
  }

  @Test(arguments: [
    ("max-age=60", Duration.seconds(60)), ("public, max-age=60", .seconds(60)), ("MAX-AGE=60", .seconds(60)),
    ("max-age=\"60\"", .seconds(60)), ("max-age=60, max-age=30", .seconds(30)), ("max-age = 60", .seconds(60)),
    ("max-age=0", .zero), ("max-age=-1", .zero), ("max-age=", .zero), ("max-age", .zero), ("max-age=1.5", .zero),
    ("max-age=99999999999999999999999", .seconds(31_536_000)), ("s-maxage=5, max-age=60", .seconds(60)),
    ("no-store", .zero), ("no-store, max-age=60", .zero), ("no-cache", .zero), ("max-age=60,NO-CACHE", .zero),
    ("no-cache=\"Set-Cookie\", max-age=60", .seconds(60)), (",, max-age=60 ,", .seconds(60)),
  ])
  func readsCacheControl(_ value: String, _ lifetime: Duration) {
    #expect(freshness([("cache-control", value)]) == lifetime)
  }

  @Test(arguments: ["", "public", "s-maxage=60", "private, must-revalidate"])
  func saysNothingIfTheServerDoes(_ value: String) {
    #expect(freshness([("Cache-Control", value)]) == nil)
    #expect(freshness([]) == nil)
  }

  @Test func takesAllFieldsTogether() {
    #expect(freshness([("Cache-Control", "max-age=60"), ("Cache-Control", "no-store")]) == .zero)
  }

  @Test("an Age that is too large counts as the largest that RFC 9111, 1.2.2 knows")
  func largestAge() {
    for age in ["9223372036854775807", "10000000000000", "2147483647"] {
      #expect(CacheLifetime.age(HTTPHeaders([HTTPHeader("Age", age)])) == 2_147_483_647)
    }
  }

  @Test func takesOffTheAge() {
    #expect(freshness([("Cache-Control", "max-age=60"), ("Age", "20")]) == .seconds(40))
    #expect(freshness([("Cache-Control", "max-age=60"), ("Age", "99999999999999999999")]) == .zero)
    #expect(freshness([("Cache-Control", "max-age=60"), ("Age", "-20")]) == .seconds(60))
  }

  @Test func fallsBackOnExpires() {
    let date = ("Date", "Mon, 23 Nov 2026 00:00:00 GMT")
    #expect(freshness([date, ("Expires", "Mon, 23 Nov 2026 01:00:00 GMT")]) == .seconds(3600))
    #expect(freshness([("Expires", "Tue, 24 Nov 2026 01:00:00 GMT")]) == .seconds(3600))
    #expect(freshness([date, ("Expires", "Sun, 22 Nov 2026 01:00:00 GMT")]) == .zero)
    #expect(freshness([date, ("Expires", "0")]) == .zero)
    #expect(
      freshness([date, ("Expires", "Mon, 23 Nov 2026 01:00:00 GMT"), ("Cache-Control", "max-age=5")]) == .seconds(5))
    #expect(freshness([("Expires", "Fri, 31 Dec 9999 23:59:59 GMT")]) == .seconds(31_536_000))
  }
}
