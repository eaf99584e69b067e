import Testing
import HTTP

@Suite struct HTTPDateTests {
  @Test(arguments: [
    ("Sun, 06 Nov 1994 08:49:37 GMT", Int64(784_111_777)),
    ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
    ("Sun Nov  6 08:49:37 1994", 784_111_777),
    ("Wed Nov 16 08:49:37 1994", 784_975_777),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
    ("Tue, 24 Nov 2026 00:00:00 GMT", 1_795_478_400),
    ("Tuesday, 24-Nov-26 00:00:07 GMT", 1_795_478_407),
    ("Sunday, 06-Nov-77 08:49:37 GMT", 247_654_177),
    ("Tuesday, 29-Feb-00 00:00:00 GMT", 951_782_400),
    // As OpenSSL prints the dates of certificates.
    ("Nov  4 03:00:00 2026 GMT", 1_793_761_200),
    ("Nov 14 03:00:00 2026 GMT", 1_794_625_200),
    // A day that the month does not have counts on into the next month.
    ("Sun, 31 Nov 1994 08:49:37 GMT", 786_271_777),
    ("Wed, 29 Feb 2023 08:49:37 GMT", 1_677_660_577),
  ])
  func readsEveryForm(_ text: String, _ seconds: Int64) {
    #expect(HTTPDate.parse(text) == seconds)
  }

  @Test(arguments: [
    "", " ", "0", "-1", "60", "2027", "now", "Son, 06 Nov 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
    "Mon, 32 Jan 2026 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov +994 08:49:37 GMT", "Nov 24", "12:00", "٠٦",
    // libcurl takes these too: without a time of day, without GMT, of another zone, beyond the year 9999.
    "Thu, 26 Nov 2026", "Thu, 26 Nov 2026 19:40:00", "Thu, 26 Nov 2026 19:40:00 EST",
    "Thu, 26 Nov 2026 19:40:00 +0900", "19:40 GMT", "Sun, 06 Nov 300000 08:49:37 GMT", "Sat, 01 Jan 10000 00:00:00 GMT",
  ])
  func refusesWhatIsNone(_ text: String) {
    #expect(HTTPDate.parse(text) == nil)
  }

  @Test func countsEveryDayOfFourteenDecades() throws {
    // The calendar by another rule: month by month from the epoch.
    var expected: Int64 = 0
    for year in 1970..<2110 {
      let isLeap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
      for (month, name) in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        .enumerated()
      {
        let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month]
        for day in 1...days {
          let text = "Mon, \(day < 10 ? "0" : "")\(day) \(name) \(year) 00:00:00 GMT"
          let seconds = HTTPDate.parse(text)
          if seconds != expected { try #require(seconds == expected, "\(text)") }
          expected += 86_400
        }
      }
    }
  }
}
