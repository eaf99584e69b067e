import Testing
@testable import Base
@testable import Engine

@Suite struct CredentialWaitsTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }
  private static func token(_ sent: Double, _ lifetime: Double) -> TokenTimes {
    TokenTimes(requestedAt: at(sent), refreshAt: at(sent + lifetime / 2), expiresAt: at(sent + lifetime))
  }

  @Test func aUnitGetsATokenThatIsValidForLongEnough() {
    var waits = CredentialWaits()
    let short = Self.token(-50, 60)
    waits.add(1, for: "a", since: Self.at(0), newest: short)
    waits.add(2, for: "b", since: Self.at(0), newest: nil)
    let early = waits.served("a", newest: short, minValidity: .seconds(60), at: Self.at(1))
    #expect(early.isEmpty && waits.isAwaited("a"))
    let served = waits.served("a", newest: Self.token(-1, 600), minValidity: .seconds(60), at: Self.at(2))
    #expect(served == [1] && !waits.isAwaited("a") && waits.isAwaited("b"))
  }

  @Test func aTokenThatWasRequestedAfterwardsIsAsNewAsCanBe() {
    var waits = CredentialWaits()
    waits.add(1, for: "a", since: Self.at(0), newest: nil)
    waits.add(2, for: "a", since: Self.at(5), newest: nil)
    let served = waits.served("a", newest: Self.token(1, 10), minValidity: .seconds(60), at: Self.at(6))
    #expect(served == [1], "the other unit waits for a newer one")
    #expect(waits.isAwaited("a"))
  }

  @Test func anExpiredTokenServesNobody() {
    var waits = CredentialWaits()
    waits.add(1, for: "a", since: Self.at(0), newest: nil)
    let served = waits.served("a", newest: Self.token(1, 10), minValidity: .zero, at: Self.at(11))
    #expect(served.isEmpty)
  }

  @Test func theWaitEndsAtItsLimit() {
    var waits = CredentialWaits()
    waits.add(1, for: "a", since: Self.at(0), newest: nil)
    waits.add(2, for: "b", since: Self.at(0), newest: Self.token(-80, 100))
    #expect(waits.firstLimit == Self.at(10), "half of the present lifetime")
    let first = waits.overdue(at: Self.at(10)).map(\.peer)
    let second = waits.overdue(at: Self.at(60)).map(\.peer)
    #expect(first == [2] && second == [1] && waits.firstLimit == nil)
  }

  @Test func allAreAnsweredInTheOrderInWhichTheyAsked() {
    var waits = CredentialWaits()
    for peer in 1...6 as ClosedRange<UInt64> { waits.add(peer, for: "t\(peer % 3)", since: Self.at(0), newest: nil) }
    let peers = waits.takeAll().map(\.peer)
    #expect(peers == [1, 2, 3, 4, 5, 6] && waits.firstLimit == nil)
  }
}
