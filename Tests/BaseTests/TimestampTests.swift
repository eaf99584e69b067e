import Testing
@testable import Base

@Suite struct TimestampTests {
  @Test(arguments: [
    (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
    (1_795_490_400.008, "2026-11-24T03:20:00Z", "2026-11-24T03:20:00.007Z"),
    (951_782_399.999_999, "2000-02-28T23:59:59Z", "2000-02-28T23:59:59.999Z"),
    (-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"),
    (-0.5, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.500Z"),
    (1e11, "never", "never"), (.nan, "never", "never"), (-.infinity, "never", "never"),
  ])
  func rfc3339(time: Double, short: String, long: String) {
    #expect(Timestamp.rfc3339(time) == short)
    #expect(Timestamp.rfc3339(time, milliseconds: true) == long)
  }

  @Test(arguments: [
    (600, "the server's clock is 10 min ahead of this host's", true),
    (-5, "the server's clock is 5 s behind this host's", true),
    (4.9, "the server's clock is 4 s ahead of this host's", false),
  ])
  func clockSkew(seconds: Double, sentence: String, isReported: Bool) {
    #expect(ClockSkew.sentence(.seconds(seconds)) == sentence)
    #expect(ClockSkew.isReported(.seconds(seconds)) == isReported)
  }
}
