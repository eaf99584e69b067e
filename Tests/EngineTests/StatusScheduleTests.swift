import Testing
@testable import Base
@testable import Engine

@Suite struct StatusScheduleTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }

  @Test func theEarliestWishCounts() {
    var status = StatusSchedule()
    status.want(after: .seconds(3), tokens: 1, at: Self.at(0))
    status.want(after: StatusSchedule.refreshDelay, tokens: 1, at: Self.at(1))
    status.want(after: .seconds(9), tokens: 1, at: Self.at(1))
    #expect(status.due == Self.at(1.25))
    let early = status.take(at: Self.at(1.2))
    let due = status.take(at: Self.at(1.25))
    let again = status.take(at: Self.at(9))
    #expect(!early && due && !again)
  }

  @Test(arguments: [(20, 0), (21, 121), (1000, 1100), (100_000, 5000)]) func manyTokensAreReportedTogether(
    _ tokens: Int, _ milliseconds: Int
  ) {
    var status = StatusSchedule()
    status.want(tokens: tokens, at: Self.at(0))
    #expect(status.due == Self.at(0) + .milliseconds(milliseconds))
  }

  @Test func itIsReadyOnceWhenAllAreSettledAndOneIsPublished() {
    var status = StatusSchedule()
    status.await(["a", "b"])
    status.settle("a")
    let early = status.becomeReady(true)
    status.settle("b")
    let withoutToken = status.becomeReady(false)
    let ready = status.becomeReady(true)
    let again = status.becomeReady(true)
    #expect(!early && !withoutToken && ready && !again && status.isReady)
  }
}
