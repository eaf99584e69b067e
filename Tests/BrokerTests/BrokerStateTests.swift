import Testing
@testable import Base
@testable import Broker

/// The parts of the broker's state that are values.
@Suite struct BrokerStateTests {
  @Test func unauthorizedPeersAreReportedAtOnceThenEveryTenSeconds() {
    var peers = UnauthorizedPeers()
    let reports = [0, 1, 5, 9.9, 10, 15, 100].map { peers.count(at: BootTime(seconds: 100 + $0)) }
    #expect(reports == [1, nil, nil, nil, 4, nil, 2])
  }

  @Test func aLaneRunsOneWorkAndRemembersThatThereIsMore() {
    var lane = FileLane()
    var last: UInt64 = 7
    let numbers = [lane.begin(after: &last), lane.begin(after: &last)]
    #expect(numbers == [8, nil] && lane.running == 8)
    let isBehind = lane.end()
    #expect(isBehind && lane.running == nil)
    let next = lane.begin(after: &last)
    #expect(next == 9, "a number is used once")
    let isBehindAgain = lane.end()
    #expect(!isBehindAgain)
  }
}
