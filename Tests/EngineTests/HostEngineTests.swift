import Testing
@testable import Base
@testable import Engine

/// The engine of a host with one token, "a", that lives for an hour.
@Suite struct HostEngineTests {
  // MARK: Stop

  /// A suspend delays one timer, and a clock that is set back delays the other one.
  @Test func aStopThatIsOverEndsAtAHeartbeat() {
    var host = Host { $0.revokesOnStop = true }
    host.handle(.stop(revokes: true), at: 10)
    host.handle(.heartbeat, at: 14)
    #expect(!host.hasExited)
    host.handle(.heartbeat, at: 15)
    #expect(host.hasExited)
  }

  // MARK: Reports

  /// While an application has only a rejected token, requests come as often as without any.
  @Test func failuresAfterAReportAreRepeatedWithinAMinute() throws {
    var host = Host()
    #expect(host.report(1, at: 10) == .requested)
    var now = 10.0
    for _ in 0..<8 {
      host.fail(AcquisitionFailure(.serverError, "503"), at: now)
      guard case .waiting(let until) = try #require(host.engine.lifecycle(of: "a")).phase else {
        Issue.record("no wait at \(now)")
        return
      }
      let wait = (until - Host.moment(now).boot).seconds
      #expect(wait > 0 && wait <= 60, "\(wait) at \(now)")
      now += wait
      host.handle(.woke, at: now)
    }
  }

  /// The API accepted a token that was reported, and an application reports it again.
  @Test func aReportEndsTheWaitWithAnAcceptedToken() throws {
    var host = Host { $0.probesAPI = true }
    #expect(host.report(1, at: 10) == .requested)
    host.handle(.checked("a", requestedAt: Host.moment(0).boot, .api(.accepted)), at: 11)
    for now in [11.0, 12, 22, 122] {
      host.handle(.woke, at: now)
      host.fail(AcquisitionFailure(.serverError, "503"), at: now)
    }
    let sends = host.sends
    #expect(host.report(1, at: 130) == .requested)
    #expect(host.sends == sends + 1)
    guard case .rateLimited? = host.report(1, at: 131) else { return }
    Issue.record("a request is under way")
  }

  /// The rest of a reload can bring the settings that end the failure.
  @Test func onlyTheEndOfAReloadRepeatsRequestsThatFail() {
    var host = Host()
    host.handle(.refreshAll, at: 10)
    host.fail(AcquisitionFailure(.invalidClient, "no"), at: 10.1)
    let sends = host.sends
    var change = HostChange(maxRequests: 4)
    change.isComplete = false
    host.handle(.configured(change), at: 20)
    #expect(host.sends == sends)
    change.isComplete = true
    host.handle(.configured(change), at: 20)
    #expect(host.sends == sends + 1)
  }

  // MARK: Timers

  /// To arm them takes two wake-ups.
  @Test func heartbeatsLeaveTheTimersAsTheyAre() {
    var host = Host()
    let arms = host.arms
    for second in 1...60 { host.handle(.heartbeat, at: Double(second)) }
    #expect(host.arms == arms)
  }

  @Test func aTimerThatFiredIsArmedAgain() {
    var host = Host()
    let arms = host.arms
    host.handle(.woke, at: 1)
    #expect(host.arms == arms + 1)
  }

  /// Steps and suspends that are too short to be reported add up.
  @Test(arguments: [(asleep: 0.006, step: 0.0), (0, -0.006)])
  func aHeartbeatArmsTimersThatAreLate(asleep: Double, step: Double) {
    var host = Host()
    let arms = host.arms
    for second in 1...4 {
      var moment = Host.moment(Double(second))
      moment.unix += step * Double(second)
      moment.monotonic = moment.monotonic - .seconds(asleep * Double(second))
      host.handle(.heartbeat, at: moment)
    }
    #expect(host.arms == arms + 2)
  }

  // MARK: Replies

  @Test func aReportOfAnUnknownTokenGetsItsReply() {
    var host = Host()
    let reply = host.report(1, of: "other", at: 10)
    #expect(reply == .unknownToken && host.sends == 1)
  }

  @Test func aReportOfAFormerTokenGetsThatANewerOneIsInPlace() {
    var host = Host()
    let reply = host.report(7, at: 10)
    #expect(reply == .newerInPlace && host.sends == 1)
  }

  @Test func theFirstReportCausesARequest() {
    var host = Host()
    let reply = host.report(1, at: 10)
    let joined = host.report(1, at: 10.1)
    #expect(reply == .requested && joined == .requested && host.sends == 2)
    #expect(host.engine.reports(of: "a")?.total == 2 && host.engine.reports(of: "a")?.requested == 1)
  }

  @Test func aWishForANewTokenCausesARequest() {
    var host = Host()
    let reply = host.report(nil, at: 10)
    #expect(reply == .requested && host.sends == 2)
  }

  @Test func tenThousandReportsCauseOneRequest() {
    var host = Host()
    for index in 0..<10_000 { _ = host.report(1, at: 10 + Double(index) / 10_000) }
    #expect(host.sends == 2)
  }

  @Test func aReportOfTheSuccessorWaits() {
    var host = Host()
    _ = host.report(1, at: 10)
    host.succeed(2, at: 10.2)
    let reply = host.report(2, at: 10.4)
    guard case .rateLimited(let wait) = reply else {
      Issue.record("\(String(describing: reply))")
      return
    }
    #expect(wait > .zero && wait <= .seconds(1) && host.sends == 2)
    host.handle(.woke, at: 10.4 + wait.seconds + 0.001)
    #expect(host.sends == 3, "the report is not lost")
  }

  @Test func aServerThatRejectsTheClientIsObeyed() {
    var host = Host()
    _ = host.report(1, at: 10)
    host.fail(AcquisitionFailure(.invalidClient, "no"), at: 10.2)
    let reply = host.report(1, at: 20)
    guard case .rejectedByServer(let wait, .invalidClient) = reply else {
      Issue.record("\(String(describing: reply))")
      return
    }
    #expect((.seconds(44)...(.seconds(57))).contains(wait), "54 to 66 s after the failure")
    host.handle(.woke, at: 20 + wait.seconds - 0.001)
    #expect(host.sends == 2)
    host.handle(.woke, at: 20 + wait.seconds + 0.001)
    #expect(host.sends == 3)
  }

  @Test func aServerThatAsksToWaitIsObeyedAndNotForLonger() {
    var host = Host()
    // The slow backoff of a valid token, after several failures.
    host.handle(.refreshAll, at: 10)
    for second in [12.0, 2000] {
      host.fail(AcquisitionFailure(.serverError, "503"), at: second)
      host.handle(.refreshAll, at: second + 2)
    }
    host.fail(AcquisitionFailure(.tooManyRequests, "429", retryAfter: .seconds(20)), at: 2010)
    let sends = host.sends
    let reply = host.report(1, at: 2011)
    guard case .rateLimited(let wait) = reply else {
      Issue.record("\(String(describing: reply))")
      return
    }
    #expect((.seconds(19)...(.seconds(21))).contains(wait))
    host.handle(.woke, at: 2011 + wait.seconds + 0.001)
    #expect(host.sends == sends + 1)
  }

  @Test func aTransientFailureDoesNotKeepAReportBack() {
    var host = Host()
    host.handle(.refreshAll, at: 10)
    host.fail(AcquisitionFailure(.connection, "down"), at: 10.5)
    let reply = host.report(1, at: 11.5)
    #expect(reply == .requested && host.sends == 3)
  }

  @Test func aReportBeforeTheFormerTokenIsRestoredCausesARequest() {
    var host = Host()
    var configuration = HostChange(maxRequests: 4)
    configuration.added = [Host.plan("b") { $0.mayHang = true }]
    host.handle(.configured(configuration), at: 10)
    let reply = host.report(1, of: "b", at: 10.1)
    #expect(reply == .requested && host.sends == 1)
    var token = RestoredToken(requestedAt: Host.moment(0).boot, lifetime: .seconds(3600))
    token.digest = RejectionReportsTests.digest(1)
    host.handle(.restored("b", token, nil), at: 10.2)
    #expect(host.sends == 2)
  }

  // MARK: The API

  private static let rejection = ProbeVerdict.rejected(AcquisitionFailure(.apiProbe, "401"))

  /// A host whose API has accepted token 1, and then got token 2 to try, at 1800 s.
  private static func tryingHost() -> Host {
    var host = Host { $0.probesAPI = true }
    host.handle(.checked("a", requestedAt: Host.moment(0).boot, .api(.accepted)), at: 1)
    host.handle(.refreshAll, at: 1800)
    host.succeed(2, at: 1800)
    return host
  }

  @Test func aTokenThatTheAPIRejectsDoesNotReplaceAValidOne() {
    var host = Self.tryingHost()
    #expect(host.candidates == 1)
    host.handle(.probed("a", attempt: host.attempt, Self.rejection), at: 1801)
    host.handle(.woke, at: 1801.9)
    #expect(host.candidates == 1)
    host.handle(.woke, at: 1802)
    #expect(host.candidates == 2 && host.engine.lifecycle(of: "a")?.newest?.requestedAt == Host.moment(0).boot)
    host.handle(.probed("a", attempt: host.attempt, .accepted), at: 1803)
    #expect(host.engine.lifecycle(of: "a")?.newest?.requestedAt == Host.moment(1800).boot)
  }

  @Test func aReportOfThePresentTokenPublishesTheOneThatIsTried() {
    var host = Self.tryingHost()
    host.handle(.probed("a", attempt: host.attempt, Self.rejection), at: 1801)
    let sends = host.sends
    let reply = host.report(1, at: 1801.1)
    #expect(reply == .requested && host.sends == sends)
    #expect(host.engine.lifecycle(of: "a")?.newest?.requestedAt == Host.moment(1800).boot)
  }

  @Test func anAPIThatHasAcceptedNoTokenDoesNotCount() {
    var host = Host { $0.probesAPI = true }
    #expect(host.probes == 1, "it is tried after it was published")
    host.handle(.checked("a", requestedAt: Host.moment(0).boot, .api(Self.rejection)), at: 1)
    #expect(host.engine.isAPIDoubtful("a") && host.engine.lifecycle(of: "a")?.rejection == nil && host.sends == 1)
    host.handle(.refreshAll, at: 1800)
    host.succeed(2, at: 1800)
    host.handle(.probed("a", attempt: host.attempt, Self.rejection), at: 1801)
    #expect(host.engine.lifecycle(of: "a")?.newest?.requestedAt == Host.moment(1800).boot)
  }

  @Test func theProofOfAnAPIIsLostWithItsURL() {
    var host = Self.tryingHost()
    host.handle(.probed("a", attempt: host.attempt, .accepted), at: 1801)
    let plan = Host.plan { $0.probesAPI = true }
    var configuration = HostChange(maxRequests: 4)
    configuration.changed = [(plan, TokenChange(needsNewToken: false, movesFiles: false, movesAPI: true))]
    host.handle(.configured(configuration), at: 1900)
    host.handle(.checked("a", requestedAt: Host.moment(1800).boot, .api(Self.rejection)), at: 1901)
    #expect(host.engine.isAPIDoubtful("a") && host.engine.lifecycle(of: "a")?.rejection == nil)
  }

  // MARK: Key sets, and the availability

  private static func reading(_ keySet: String, isWithdrawn: Bool) -> HostEvent {
    var reading = KeySetReading(keySet: keySet, freshness: nil)
    if isWithdrawn {
      reading.withdrawn = [("a", Host.moment(0).boot, AcquisitionFailure(.keyWithdrawn, "gone"))]
    } else {
      reading.valid = [("a", Host.moment(0).boot)]
    }
    return .keySetRead(ServerID(1), .success(reading))
  }

  @Test func aWithdrawnKeyCausesARequestAndCountsAsUnavailable() {
    var host = Host { $0.verification = .keySet }
    host.handle(Self.reading("new", isWithdrawn: true), at: 100)
    #expect(host.sends == 2 && host.engine.lifecycle(of: "a")?.published != nil)
    host.succeed(2, at: 103)
    let totals = host.engine.availability(of: "a")?.totals(at: Host.moment(200).monotonic)
    #expect(totals?.unavailable == .seconds(3) && totals?.available == .seconds(197))
  }

  @Test func aReportAloneDoesNotCountAsUnavailable() {
    var host = Host()
    _ = host.report(1, at: 100)
    let totals = host.engine.availability(of: "a")?.totals(at: Host.moment(200).monotonic)
    #expect(totals?.unavailable == .zero && totals?.available == .seconds(200))
  }

  @Test func aTokenOfFormerSettingsIsNotJudgedByThoseOfNow() {
    var host = Host { $0.verification = .keySet }
    let plan = Host.plan { $0.verification = .keySet }
    var configuration = HostChange(maxRequests: 4)
    configuration.changed = [(plan, TokenChange(needsNewToken: true, movesFiles: false))]
    host.handle(.configured(configuration), at: 100)
    host.handle(Self.reading("other", isWithdrawn: true), at: 101)
    #expect(host.engine.lifecycle(of: "a")?.rejection == nil && host.sends == 2)
  }
}
