import Testing
@testable import Base
@testable import Engine

@Suite struct HeldTokenTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }

  // MARK: Evidence

  @Test func eachKeySetThatInvalidatesATokenCausesOneRequestAtOnce() {
    var held = HeldToken()
    let first = held.invalidate(by: .keySet("a"), at: Self.at(0))
    let second = held.invalidate(by: .keySet("b"), at: Self.at(60))
    let api = held.invalidate(by: .api, at: Self.at(61))
    let again = held.invalidate(by: .keySet("a"), at: Self.at(120))
    #expect(first && second && api && !again)
    #expect(held.requestAt == Self.at(180), "the first wait is a minute")
  }

  @Test func repeatedEvidenceWaitsLongerEachTime() {
    var held = HeldToken()
    var now = 0.0
    _ = held.invalidate(by: .introspection, at: Self.at(now))
    var waits: [Double] = []
    for _ in 0..<8 {
      held.replace(checkAfter: nil, at: Self.at(now))
      let isAtOnce = held.invalidate(by: .introspection, at: Self.at(now))
      #expect(!isAtOnce)
      // More of it changes nothing.
      _ = held.invalidate(by: .introspection, at: Self.at(now + 1))
      let wait = held.requestAt.map { ($0 - Self.at(now)).seconds } ?? 0
      waits.append(wait)
      now += wait
      let isTaken = held.takeRequest(at: Self.at(now))
      #expect(isTaken && held.requestAt == nil)
    }
    #expect(waits == [60, 120, 240, 480, 960, 1800, 1800, 1800])
  }

  @Test func anHourWithoutAnInvalidTokenBeginsAnew() {
    var held = HeldToken()
    _ = held.invalidate(by: .api, at: Self.at(0))
    let soon = held.invalidate(by: .api, at: Self.at(3599))
    held.replace(checkAfter: nil, at: Self.at(3600))
    let later = held.invalidate(by: .api, at: Self.at(3599 + 3600))
    #expect(!soon && later)
  }

  @Test func everNewKeySetsDoNotCauseRequestsWithoutAnEnd() {
    var held = HeldToken()
    let requests = (0..<100).filter { held.invalidate(by: .keySet("\($0)"), at: Self.at(Double($0))) }
    #expect(requests.count == HeldToken.memory)
  }

  @Test func aTokenThatIsValidAfterAllNeedsNoSuccessor() {
    var held = HeldToken()
    for _ in 0..<2 { _ = held.invalidate(by: .keySet("a"), at: Self.at(0)) }
    #expect(held.requestAt != nil)
    held.validate()
    #expect(held.requestAt == nil)
  }

  // MARK: Checks

  @Test func aTokenIsCheckedAfterTheInterval() {
    var held = HeldToken()
    held.replace(checkAfter: .seconds(900), at: Self.at(0))
    #expect(held.deadline == Self.at(900))
    let early = held.takeCheck(at: Self.at(899))
    let due = held.takeCheck(at: Self.at(900))
    let again = held.takeCheck(at: Self.at(900))
    #expect(!early && due && !again)
  }

  @Test func theAPIIsAskedOnceAMinuteAtMost() {
    var held = HeldToken()
    held.replace(checkAfter: .zero, at: Self.at(0))
    _ = held.takeCheck(at: Self.at(0))
    held.checkSoon(at: Self.at(10))
    #expect(held.checkAt == Self.at(60), "a report")
    held.replace(checkAfter: .zero, at: Self.at(20))
    #expect(held.checkAt == Self.at(60), "another token")
    held.check(within: .zero, at: Self.at(30))
    #expect(held.checkAt == Self.at(60), "new settings")
  }

  @Test func newSettingsBringACheckForward() {
    var held = HeldToken()
    held.replace(checkAfter: .seconds(86_400), at: Self.at(0))
    held.check(within: .seconds(60), at: Self.at(100))
    #expect(held.checkAt == Self.at(160))
    held.check(within: .seconds(900), at: Self.at(100))
    #expect(held.checkAt == Self.at(160), "not back")
    held.check(within: nil, at: Self.at(100))
    #expect(held.deadline == nil)
  }

  @Test func nothingIsDueForATokenThatHasExpired() {
    var held = HeldToken()
    held.replace(checkAfter: .seconds(60), at: Self.at(0))
    for _ in 0..<2 { _ = held.invalidate(by: .api, at: Self.at(0)) }
    held.isReported = true
    held.end()
    #expect(held.deadline == nil && !held.isReported)
  }
}

@Suite struct CandidateTokenTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }
  private static func token(_ sent: Double, _ lifetime: Double) -> TokenTimes {
    TokenTimes(requestedAt: at(sent), refreshAt: at(sent + lifetime / 2), expiresAt: at(sent + lifetime))
  }

  @Test func itIsPublishedWhenATenthOfThePresentLifetimeIsLeft() {
    let candidate = CandidateToken(Self.token(500, 1000), replacing: Self.token(0, 1000), at: Self.at(501))
    #expect(candidate.publishAt == Self.at(900))
    #expect(!candidate.isDue(at: Self.at(510)) && candidate.isDue(at: Self.at(900)))
  }

  @Test func rejectionsDoubleTheWaitUpToAMinute() {
    var candidate = CandidateToken(Self.token(0, 1_000_000), replacing: Self.token(0, 1_000_000), at: Self.at(1))
    var waits: [Double] = []
    for _ in 0..<8 {
      candidate.reject(at: Self.at(10))
      waits.append(candidate.retryAt.map { ($0 - Self.at(10)).seconds } ?? 0)
    }
    #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60])
    let early = candidate.takeRetry(at: Self.at(69))
    let due = candidate.takeRetry(at: Self.at(70))
    #expect(!early && due && candidate.retryAt == nil)
  }

  @Test func aProbeWithoutAnAnswerCountsAsLost() {
    var candidate = CandidateToken(Self.token(500, 1000), replacing: Self.token(0, 1000), at: Self.at(501))
    #expect(candidate.deadline == Self.at(521))
    #expect(!candidate.isDue(at: Self.at(520)) && candidate.isDue(at: Self.at(521)))
    candidate.reject(at: Self.at(502))
    #expect(candidate.deadline == Self.at(503) && !candidate.isDue(at: Self.at(521)))
    _ = candidate.takeRetry(at: Self.at(503))
    #expect(candidate.isDue(at: Self.at(523)))
  }

  @Test func anotherTokenIsRequestedWhenItWouldBeRefreshed() {
    let month = CandidateToken(Self.token(1000, 3600), replacing: Self.token(0, 2_629_743), at: Self.at(1001))
    #expect(month.limit == Self.at(1000 + 1800))
    let short = CandidateToken(Self.token(1000, 8), replacing: Self.token(0, 2_629_743), at: Self.at(1001))
    #expect(short.limit == Self.at(1008), "it has expired")
  }
}
