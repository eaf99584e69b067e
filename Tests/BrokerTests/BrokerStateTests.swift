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
}
