import Testing
@testable import Base
@testable import Engine

/// Servers that return a token again: the same one until it expires, or two in turn.
@Suite struct KnownTokensTests {
  private typealias Host = HostEngineTests.Host

  private static let revoked = AcquisitionFailure(.tokenRevoked, "revoked")

  private static func boot(_ seconds: Double) -> BootTime { Host.moment(seconds).boot }

  /// The newest token: when it was requested, and when it expires, in seconds.
  private static func newest(_ host: Host) -> [Double?] {
    let times = host.engine.lifecycle(of: "a")?.newest
    return [times?.requestedAt, times?.expiresAt].map { $0.map { ($0 - Self.boot(0)).seconds } }
  }

  /// When the next request comes, in seconds.
  private static func next(_ host: Host) -> Double? {
    guard case .waiting(let until) = host.engine.lifecycle(of: "a")?.phase else { return nil }
    return (until - boot(0)).seconds
  }

  /// A host whose token of an hour was refreshed after half of its lifetime, and the server returned it again.
  private static func repeated(_ change: (inout TokenPlan) -> Void = { _ in }) -> Host {
    var host = Host(change)
    host.handle(.woke, at: 1800)
    host.succeed(1, lifetime: 1799, at: 1800)
    return host
  }

  @Test func theSameTokenIsNeitherWrittenNorSignalledNorReportedAsNew() {
    var host = Host()
    let (written, told) = (host.publications, host.signals)
    host.handle(.woke, at: 1800)
    host.succeed(1, lifetime: 1799, at: 1800)
    #expect(host.sends == 2 && host.kept == 1 && host.accepted == 1)
    #expect(host.publications == written && host.signals == told && written == 1)
    #expect(host.engine.lifecycle(of: "a")?.repetitions == 1)
    guard case .token("a", .returnedAgain(_, after: nil, isFirst: true))? = host.reports.last else {
      Issue.record("the log says \(host.reports)")
      return
    }
  }

  @Test(arguments: [1900.0, 3600, 1_000_000])
  func itsExpiryNeverMovesLater(_ lifetime: Double) {
    var host = Host()
    for _ in 0..<3 {
      guard let time = Self.next(host) else { break }
      host.handle(.woke, at: time)
      host.succeed(1, lifetime: lifetime, at: time)
      #expect(Self.newest(host) == [0, 3599])
    }
    #expect(host.sends == 4)
  }

  /// The host stood still, or the server has shortened the lifetime.
  @Test func itsExpiryMovesEarlierIfItCannotLiveForSoLong() {
    var host = Host()
    host.handle(.woke, at: 1800)
    host.succeed(1, lifetime: 60, at: 1800)
    #expect(Self.newest(host) == [0, 1860])
    #expect(host.accepted == 2 && host.publications == 2, "the next run must know it too")
    host.handle(.woke, at: 1860)
    #expect(Self.newest(host) == [nil, nil])
  }

  @Test func requestsFollowAtThreeQuartersOfTheRestAndAtTheExpiry() {
    var host = Host()
    var times: [Double] = []
    while let time = Self.next(host), time < 3599 {
      times.append(time)
      host.handle(.woke, at: time)
      host.succeed(1, lifetime: 3600 - time, at: time)
    }
    #expect(times.map { $0.rounded() } == [1800, 3149, 3487, 3571, 3592])
    #expect(Self.next(host) == 3599)
  }

  @Test func requestsAreNotLaterThanTheMaximumAge() {
    let host = Self.repeated { $0.schedule = RefreshSchedule(fraction: 0.5, maxAge: .seconds(600), jitter: 0) }
    // It was due at 600 s already.
    #expect(Self.next(host) == 2400)
  }

  @Test func oneRequestComesAtTheExpiryAndASecondAfterIt() {
    var host = Host()
    host.handle(.woke, at: 3595)
    host.succeed(1, lifetime: 4, at: 3595)
    let before = host.sends
    host.handle(.woke, at: 3599)
    #expect(host.sends == before + 1 && Self.newest(host) == [nil, nil])
    host.succeed(1, lifetime: 3600, at: 3599.1)
    #expect(host.engine.lifecycle(of: "a")?.failureStreak?.failure.code == .tokenExpired)
    host.handle(.woke, at: 3600.1)
    host.succeed(2, lifetime: 3600, at: 3600.2)
    #expect((Self.newest(host)[1] ?? 0) > 7199)
  }

  /// The first response came late, so that the token expires earlier here than at the server.
  @Test func anExpiredTokenIsRequestedAgainWhenTheServerCanIssueANewOne() {
    var host = Host()
    host.handle(.woke, at: 3599)
    var time = 3599.0
    for _ in 0..<20 where time < 3640 {
      host.succeed(1, lifetime: 3640 - time, at: time)
      let next = Self.next(host) ?? .infinity
      #expect(next <= 3640.25 && next > time)
      // Two requests are a second apart.
      time = max(next, time + 1) + 0.001
      host.handle(.woke, at: time)
    }
    #expect(time >= 3640 && time < 3641.1)
  }

  @Test func aFormerTokenThatIsNoBetterIsNotTaken() {
    var host = Host()
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    host.handle(.refreshAll, at: 1900)
    // The response states the whole lifetime once more.
    host.succeed(1, at: 1900)
    #expect(Self.newest(host) == [1800, 5399] && host.kept == 1 && host.publications == 2)
  }

  @Test func anExpiredFormerTokenIsNoFailureWhileAnotherOneIsValid() {
    var host = Host()
    host.handle(.woke, at: 3000)
    host.succeed(2, at: 3000)
    host.handle(.refreshAll, at: 3700)
    host.succeed(1, at: 3700)
    #expect(host.kept == 1 && host.engine.lifecycle(of: "a")?.failureStreak == nil)
    #expect(Self.newest(host) == [3000, 6599])
  }

  @Test func aFormerTokenKeepsItsExpiryIfItIsTakenAgain() {
    var host = Host()
    host.handle(.woke, at: 1800)
    host.succeed(2, lifetime: 60, at: 1800)
    host.handle(.refreshAll, at: 1850)
    host.succeed(1, at: 1850)
    #expect(Self.newest(host) == [0, 3599] && host.publications == 3)
    // It is not requested again at once, though its first half has passed.
    #expect((Self.next(host) ?? 0) > 3000)
  }

  @Test func aFormerTokenThatWasRejectedIsNotTakenAgain() {
    var host = Host { $0.verification = .introspection }
    host.handle(.checked("a", requestedAt: Self.boot(0), .inactive(Self.revoked)), at: 100)
    host.succeed(2, lifetime: 600, at: 100)
    host.handle(.refreshAll, at: 200)
    host.succeed(1, at: 200)
    #expect(Self.newest(host) == [100, 699] && host.kept == 1)
  }

  @Test func anExpiredTokenIsNotTakenAgainAfterARestart() {
    var host = Host(restored: RestoredToken(requestedAt: Self.boot(-3500), lifetime: .seconds(3600)))
    host.handle(.woke, at: 99)
    host.succeed(1, at: 99)
    #expect(Self.newest(host) == [nil, nil] && host.accepted == 0)
  }

  @Test func aRestoredTokenIsRecognized() {
    var host = Host(restored: RestoredToken(requestedAt: Self.boot(-2000), lifetime: .seconds(3600)))
    host.succeed(1, at: 1)
    #expect(Self.newest(host) == [-2000, 1599] && host.kept == 1 && host.publications == 0)
  }

  /// The token was requested with previous settings, and the server returns it for the present ones.
  @Test func aTokenOfFormerSettingsIsWrittenOnceMore() {
    var token = RestoredToken(requestedAt: Self.boot(-100), lifetime: .seconds(3600))
    token.needsSuccessor = true
    var host = Host(restored: token)
    host.succeed(1, at: 1)
    #expect(Self.newest(host) == [-100, 3499] && host.accepted == 1 && host.publications == 1)
    host.handle(.refreshAll, at: 10)
    host.succeed(1, at: 10)
    #expect(host.kept == 1 && host.publications == 1)
  }

  @Test func theSameTokenForOneThatIsNotAcceptedCausesRequestsThatWaitLongerEachTime() {
    var host = Host { $0.verification = .introspection }
    host.handle(.checked("a", requestedAt: Self.boot(0), .inactive(Self.revoked)), at: 100)
    #expect(host.sends == 2)
    var time = 100.0
    for wait in [60.0, 120, 240, 480] {
      host.succeed(1, lifetime: 3600 - time, at: time)
      let sends = host.sends
      host.handle(.woke, at: time + wait - 1)
      #expect(host.sends == sends, "after \(wait - 1) s")
      time += wait
      host.handle(.woke, at: time)
      #expect(host.sends == sends + 1, "after \(wait) s")
    }
    #expect(host.engine.lifecycle(of: "a")?.rejection?.code == .tokenRevoked)
  }

  @Test func aRequestThatBroughtTheSameTokenDefersTheNextOne() {
    var host = Host { $0.verification = .introspection }
    host.handle(.checked("a", requestedAt: Self.boot(0), .inactive(Self.revoked)), at: 100)
    host.succeed(1, lifetime: 3500, at: 100)
    host.handle(.refreshAll, at: 159)
    host.succeed(1, lifetime: 3441, at: 159)
    let sends = host.sends
    host.handle(.woke, at: 161)
    #expect(host.sends == sends)
    host.handle(.woke, at: 159 + 120)
    #expect(host.sends == sends + 1)
  }

  @Test func theSameTokenForAReportedOneDefersFurtherReports() {
    var host = Host()
    #expect(host.report(1, at: 10) == .requested)
    host.succeed(1, lifetime: 3590, at: 10)
    #expect(host.report(1, at: 10.5) == .rateLimited(.milliseconds(500)))
    host.handle(.woke, at: 11)
    host.succeed(1, lifetime: 3589, at: 11)
    #expect(host.sends == 3 && host.report(1, at: 11) == .rateLimited(.seconds(2)))
  }

  /// The server has no newer token. The unit gets this one at once, and does not cause a request each second.
  @Test func aUnitGetsTheTokenThatTheServerReturnedAgain() {
    var host = Host { $0.minValidity = .seconds(3590) }
    host.handle(.credentialRequested(peer: 1, token: "a", since: Self.boot(100)), at: 100)
    #expect(host.sends == 2 && host.answers.isEmpty)
    host.succeed(1, lifetime: 3500, at: 100)
    #expect(host.answers == [.token(isShort: false)] && host.sends == 2)
  }

  @Test func aCandidateThatIsReturnedAgainKeepsItsExpiry() {
    var host = Host { $0.probesAPI = true }
    host.handle(.checked("a", requestedAt: Self.boot(0), .api(.accepted)), at: 1)
    host.handle(.woke, at: 1800)
    host.succeed(2, at: 1800)
    host.handle(.refreshAll, at: 1900)
    host.succeed(2, at: 1900)
    host.handle(.probed("a", attempt: host.attempt, .accepted), at: 1901)
    #expect(Self.newest(host) == [1800, 5399])
  }

  @Test func onlyTheLastTokensAreRemembered() {
    var known = KnownTokens()
    let times = TokenTimes(requestedAt: Self.boot(0), refreshAt: Self.boot(1), expiresAt: Self.boot(2))
    for number in 1...20 { known.note(RejectionReportsTests.digest(UInt64(number)), times) }
    let remembered = (1...20).filter { known.entry(RejectionReportsTests.digest(UInt64($0))) != nil }
    #expect(remembered == Array(13...20) && known.entry(nil) == nil)
  }
}
