import Testing
@testable import Base
@testable import Engine

@Suite struct AttemptLimitsTests {
  static func at(_ seconds: Double) -> BootTime { BootTime(seconds: seconds) }
  static func token(_ sent: Double, expires: Double) -> TokenTimes {
    TokenTimes(requestedAt: at(sent), refreshAt: at((sent + expires) / 2), expiresAt: at(expires))
  }

  @Test(
    "a request has at most a third of the remaining lifetime, or ten seconds if that is more",
    arguments: [
      (30, nil, 30), (30, 1800, 30), (30, 90, 30), (30, 60, 20), (30, 20, 10), (30, 0.1, 10), (5, 6, 5),
      (300, 1800, 300),
      (300, 600, 200),
    ] as [(Double, Double?, Double)])
  func timeoutNearTheEnd(_ configured: Double, _ left: Double?, _ timeout: Double) {
    #expect(AttemptLimits.timeout(.seconds(configured), remaining: left.map { .seconds($0) }) == .seconds(timeout))
  }

  @Test func anAttemptHasFiveSecondsBesideItsExchanges() {
    #expect(AttemptLimits.limit(from: Self.at(100), timeout: .seconds(30)) == Self.at(165))
  }

  @Test(
    arguments: [
      (3, nil), (60, nil), (2.9, "is valid for 2 s"), (0, "is valid for 0 s"), (-5, "is valid for -5 s"),
    ] as [(Double, String?)])
  func aTokenThatIsTooShortIsOfNoUse(_ lifetime: Double, _ reason: String?) {
    let times = TokenTimes(
      requestedAt: Self.at(100), refreshAt: Self.at(100), expiresAt: Self.at(100 + lifetime - 1))
    let failure = times.fault(at: Self.at(90))
    #expect(failure?.code == (reason == nil ? nil : .lifetime))
    #expect(failure?.message.contains(reason ?? "") ?? true)
  }

  @Test func aTokenThatExpiredBeforeItArrivedIsOfNoUse() {
    let times = Self.token(100, expires: 160)
    #expect(times.fault(at: Self.at(159.9)) == nil)
    #expect(times.fault(at: Self.at(160))?.code == .lifetime)
  }

  @Test(
    arguments: [
      // Without a token, and with a long one: a minute. With a short one: half of the remaining lifetime.
      (nil, 160), (3700, 160), (220, 160), (200, 150), (110, 105),
      // One that is of no use: as without a token.
      (109.9, 160), (100, 160), (99, 160),
    ] as [(Double?, Double)])
  func aUnitIsAnsweredAtTheLatest(_ expires: Double?, _ limit: Double) {
    let wait = CredentialWait(since: Self.at(100))
    #expect(wait.limit(newest: expires.map { Self.token(50, expires: $0) }) == Self.at(limit))
  }

  @Test func aUnitGetsALongTokenOrOneThatIsAsNewAsCanBe() {
    let wait = CredentialWait(since: Self.at(100))
    func isEnded(_ sent: Double, expires: Double) -> Bool {
      wait.isEnded(by: Self.token(sent, expires: expires), minValidity: .seconds(30), at: Self.at(110))
    }
    #expect(isEnded(50, expires: 140))
    #expect(!isEnded(50, expires: 139.9))
    #expect(isEnded(100, expires: 139.9), "requested after the unit began to wait")
    #expect(!isEnded(99.9, expires: 139.9))
  }
}
