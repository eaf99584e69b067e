import Testing
@testable import Base
@testable import OAuth

/// Which reading of a document an attempt may wait for.
@Suite struct ReadingTests {
  @Test func isSharedUntilItMustHaveEndedAndForItsOwnDocumentAlone() {
    let start = BootTime(nanoseconds: 1_000_000_000)
    let reading = Reading<Int>(of: "https://a/keys", limit: start + .seconds(60), Task { .success(1) })
    #expect(reading.serves("https://a/keys", at: start))
    #expect(reading.serves("https://a/keys", at: start + .seconds(60)))
    #expect(!reading.serves("https://a/keys", at: start + .seconds(61)), "a host that was suspended meanwhile")
    #expect(!reading.serves("https://a/moved", at: start))
  }
}
