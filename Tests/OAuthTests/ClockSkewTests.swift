import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

@Suite struct ClockSkewTests {
  @Test("the age of an answer from a cache is added to its date")
  func age() {
    func time(_ fields: [HTTPHeader]) -> Double? {
      ClockSkew.serverTime(of: HTTPResponse(status: 200, headers: HTTPHeaders(fields), body: []))
    }
    let date = HTTPHeader("Date", "Fri, 15 Jan 2027 08:00:00 GMT")
    #expect(time([date]) == 1_800_000_000)
    #expect(time([date, HTTPHeader("Age", "1800")]) == 1_800_001_800)
    #expect(time([date, HTTPHeader("Age", "soon")]) == 1_800_000_000)
    #expect(time([HTTPHeader("Age", "1800")]) == nil)
  }
}
