import Testing
@testable import Base
@testable import Broker

/// The parts of the broker's state that are values.
@Suite struct BrokerStateTests {
  @Test func unauthorizedPeersAreReportedAtOnceThenEveryTenSeconds() {
    var peers = UnauthorizedPeers()
    let start = BootTime(seconds: 100)
    #expect(peers.count(at: start) == 1)
    for tenth in 1..<100 { #expect(peers.count(at: start + .milliseconds(tenth * 100)) == nil) }
    #expect(peers.count(at: start + .seconds(10)) == 100)
    #expect(peers.count(at: start + .seconds(100)) == 1)
  }

  @Test func aLaneRunsOneWorkAndRemembersThatThereIsMore() throws {
    var lane = FileLane()
    var last: UInt64 = 7
    #expect(lane.begin(after: &last) == 8)
    #expect(lane.running == 8)
    #expect(lane.begin(after: &last) == nil)
    #expect(last == 8, "a number is used once")
    #expect(lane.end(), "other work was requested")
    #expect(lane.running == nil)
    #expect(lane.begin(after: &last) == 9)
    #expect(!lane.end())
  }
}
