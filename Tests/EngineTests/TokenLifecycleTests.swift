import Testing
@testable import Base
@testable import Engine

@Suite struct TokenLifecycleTests {
  static let down = AcquisitionFailure(.connection, "down")
  static let refused = AcquisitionFailure(.invalidClient, "no")

  static func at(_ seconds: Double) -> BootTime { BootTime(seconds: seconds) }
  static func token(_ sent: Double, _ lifetime: Double = 3600) -> TokenTimes {
    RefreshSchedule(fraction: 0.5, maxAge: .seconds(86_400), jitter: 0)
      .plan(requestedAt: at(sent), lifetime: .seconds(lifetime))
  }

  /// A lifecycle with a token that was requested at 100 s and published.
  static func fresh(_ lifetime: Double = 3600) -> TokenLifecycle {
    var life = TokenLifecycle(seed: 1)
    _ = life.handle(.started(restored: nil), at: at(100))
    _ = life.handle(.began(limit: at(165)), at: at(100))
    _ = life.handle(.acquired(token(100, lifetime)), at: at(100.2))
    _ = life.handle(.published, at: at(100.2))
    return life
  }

  /// A lifecycle in each phase, at 200 s.
  static let phases: [(String, TokenLifecycle)] = {
    var asked = TokenLifecycle(seed: 2)
    _ = asked.handle(.started(restored: nil), at: at(199))
    var requesting = asked
    _ = requesting.handle(.began(limit: at(264)), at: at(199.5))
    var failed = requesting
    _ = failed.handle(.failed(down), at: at(200))
    var full = requesting
    _ = full.handle(.acquired(token(199)), at: at(200))
    _ = full.handle(.publicationFailed("full"), at: at(200))
    var hanging = TokenLifecycle(seed: 3)
    _ = hanging.handle(.started(restored: nil), at: at(100))
    _ = hanging.handle(.began(limit: at(165)), at: at(100))
    return [
      ("waiting", fresh()), ("queued", asked), ("requesting", requesting), ("failed", failed),
      ("unpublished", full), ("hanging", hanging),
    ]
  }()

  static let events: [LifecycleEvent] = [
    .started(restored: nil), .started(restored: token(150)), .began(limit: at(400)), .acquired(token(199)),
    .acquired(token(100, 20)), .returnedAgain(token(199), isRewritten: false),
    .returnedAgain(token(199), isRewritten: true), .failed(down), .failed(refused), .published, .unpublished,
    .publicationFailed("x"), .modifiedExternally, .woke, .resumed, .refresh, .settingsChanged,
  ]

  @Test(arguments: phases.indices, events)
  func everyEventInEveryPhaseLeavesATimerAhead(_ index: Int, _ event: LifecycleEvent) {
    let (name, before) = Self.phases[index]
    for seconds in [200.0, 270, 600, 4000, 40_000_000] {
      var life = before
      let now = Self.at(seconds)
      let effects = life.handle(event, at: now)
      guard let time = life.nextWake(after: now) else {
        Issue.record("\(event) in \(name) arms nothing")
        continue
      }
      #expect(time > now, "\(event) in \(name) at \(seconds)")
      // Except for a request that hangs, or a publication whose result comes next.
      let isUnderWay = effects.contains(.publish) || effects.contains(.unpublish)
      if case .requesting = life.phase {} else { #expect(isUnderWay || life.deadline.map { $0 > now } == true) }
      #expect(life.newest.map { $0.expiresAt > now } ?? true)
      #expect(life.published == nil || life.newest != nil)
    }
  }

  /// The disk was read-only at the expiry, and is full when the successor comes.
  @Test func aRemovalThatFailedIsRepeatedAfterANewTokenCame() {
    var life = Self.fresh()
    _ = life.handle(.woke, at: Self.at(3699))
    _ = life.handle(.publicationFailed("read-only"), at: Self.at(3699))
    _ = life.handle(.began(limit: Self.at(3800)), at: Self.at(3700))
    _ = life.handle(.acquired(Self.token(3700)), at: Self.at(3700.5))
    _ = life.handle(.publicationFailed("full"), at: Self.at(3701))
    #expect(life.handle(.woke, at: Self.at(3711)).contains(.unpublish))
    _ = life.handle(.unpublished, at: Self.at(3711))
    _ = life.handle(.publicationFailed("full"), at: Self.at(3711))
    #expect(!life.handle(.woke, at: Self.at(3730)).contains(.unpublish))
  }

  /// A new token does not delay the removal of the expired one, even if the disk is full.
  @Test func aRemovalThatFailedIsRepeatedWhenItWasPlanned() {
    var life = Self.fresh()
    _ = life.handle(.woke, at: Self.at(3699))
    for _ in 0..<5 { _ = life.handle(.publicationFailed("read-only"), at: Self.at(3700)) }
    guard case .failing(_, _, let planned) = life.publication else {
      Issue.record("the removal has not failed")
      return
    }
    #expect(planned == Self.at(3708))
    _ = life.handle(.began(limit: Self.at(3800)), at: Self.at(3705))
    _ = life.handle(.acquired(Self.token(3705)), at: Self.at(3706))
    _ = life.handle(.publicationFailed("full"), at: Self.at(3706))
    #expect(!life.handle(.woke, at: planned - .milliseconds(1)).contains(.unpublish))
    #expect(life.handle(.woke, at: planned).contains(.unpublish))
  }

  /// The server returns an expired token until a time that its response implies.
  @Test func theAttemptAfterAnExpiredTokenComesAtItsRenewal() {
    var life = TokenLifecycle(seed: 1)
    _ = life.handle(.started(restored: nil), at: Self.at(100))
    let expired = AcquisitionFailure(.tokenExpired, "expired")
    func wait(at now: Double, renewal: Double) -> Double? {
      _ = life.handle(.began(limit: Self.at(now + 30)), at: Self.at(now))
      _ = life.handle(.returnedExpired(expired, renewal: Self.at(renewal)), at: Self.at(now))
      guard case .waiting(let until) = life.phase else { return nil }
      return (until - Self.at(now)).seconds
    }
    for number in 0..<10 { _ = wait(at: 200 + 100 * Double(number), renewal: 9000) }
    #expect(wait(at: 2000, renewal: 2003) == 3)
    #expect(wait(at: 2100, renewal: 2000) == 0.25)
    #expect(wait(at: 2200, renewal: 9000).map { $0 > 3 && $0 < 200 } == true)
  }

  @Test func everyEventBeforeTheStartIsHarmless() {
    for event in [LifecycleEvent.modifiedExternally, .woke, .resumed, .refresh, .settingsChanged, .unpublished] {
      var life = TokenLifecycle(seed: 1)
      #expect(life.handle(event, at: Self.at(1)).isEmpty)
      #expect(life.deadline == nil)
    }
  }

  @Test func aSecondStartChangesNothing() {
    var life = Self.fresh()
    #expect(life.handle(.started(restored: nil), at: Self.at(200)).isEmpty)
    #expect(life.nextWake(after: Self.at(200)) == Self.token(100).refreshAt)
  }

  @Test func atItsEndWithoutASuccessorTheFileGoes() {
    var life = Self.fresh(20)
    let end = Self.token(100, 20).expiresAt
    _ = life.handle(.woke, at: Self.at(109.5))
    _ = life.handle(.began(limit: Self.at(500)), at: Self.at(109.5))
    #expect(life.nextWake(after: Self.at(118)) == end)
    #expect(life.handle(.woke, at: Self.at(118.999)).contains(.unpublish) == false)
    let effects = life.handle(.woke, at: end)
    #expect(effects.starts(with: [.unpublish, .report(.expired)]))
    #expect(life.published == nil && life.newest == nil)
    #expect(life.handle(.woke, at: end).contains(.unpublish) == false)
  }

  @Test func withASuccessorNobodyNoticesTheEnd() {
    var life = Self.fresh(20)
    _ = life.handle(.woke, at: Self.at(110))
    _ = life.handle(.began(limit: Self.at(500)), at: Self.at(110))
    let effects = life.handle(.acquired(Self.token(110, 20)), at: Self.at(110.1))
    #expect(effects.contains(.publish))
    _ = life.handle(.published, at: Self.at(110.1))
    #expect(life.handle(.woke, at: Self.at(119)).contains(.unpublish) == false)
  }

  @Test(arguments: [
    (0.0, false), (1000, false), (1799.4, false), (1799.5, true), (3000, true), (3598.9, true),
  ])
  func anAdoptedTokenServesOn(_ age: Double, _ asks: Bool) {
    var life = TokenLifecycle(seed: 1)
    let effects = life.handle(.started(restored: Self.token(100)), at: Self.at(100 + age))
    #expect(effects.first == .report(.restored(Self.token(100))))
    #expect(effects.contains(.request) == asks)
    #expect(!effects.contains(.unpublish))
    #expect(life.published == Self.token(100))
  }

  /// It expired between the read of its file and the start.
  @Test(arguments: [3599.0, 3600, 1e7]) func anEndedTokenIsNotAdopted(_ age: Double) {
    var life = TokenLifecycle(seed: 1)
    let effects = life.handle(.started(restored: Self.token(100)), at: Self.at(100 + age))
    #expect(effects.starts(with: [.unpublish, .request]))
    #expect(life.published == nil)
  }

  @Test func aTokenThatEndedOnItsWayReplacesNothing() {
    var life = Self.fresh()
    _ = life.handle(.refresh, at: Self.at(200))
    _ = life.handle(.began(limit: Self.at(265)), at: Self.at(200))
    let effects = life.handle(.acquired(Self.token(200, 3)), at: Self.at(202))
    #expect(!effects.contains(.publish))
    #expect(life.newest == Self.token(100) && life.failureStreak?.failure.code == .lifetime)
  }

  /// An administrator corrects the server while a request is under way, and sends SIGUSR1.
  @Test func aRefreshDuringARequestThatFailsIsNotLost() {
    var life = Self.fresh()
    _ = life.handle(.refresh, at: Self.at(200))
    _ = life.handle(.began(limit: Self.at(265)), at: Self.at(200))
    #expect(!life.handle(.refresh, at: Self.at(200.1)).contains(.request))
    _ = life.handle(.failed(Self.refused), at: Self.at(200.2))
    // At most one request a second.
    #expect(life.phase == .waiting(until: Self.at(201)))
    #expect(life.handle(.woke, at: Self.at(201)).contains(.request))
    _ = life.handle(.began(limit: Self.at(265)), at: Self.at(201))
    _ = life.handle(.failed(Self.refused), at: Self.at(205))
    #expect(!life.handle(.woke, at: Self.at(220)).contains(.request))
  }

  @Test func aRefreshDuringARequestThatSucceedsIsDone() {
    var life = Self.fresh()
    _ = life.handle(.refresh, at: Self.at(200))
    _ = life.handle(.began(limit: Self.at(265)), at: Self.at(200))
    _ = life.handle(.refresh, at: Self.at(200.1))
    _ = life.handle(.acquired(Self.token(200)), at: Self.at(200.2))
    // The secrets of the next attempt cannot be read.
    #expect(life.handle(.woke, at: Self.at(2000)).contains(.request))
    _ = life.handle(.failed(Self.refused), at: Self.at(2000.1))
    #expect(!life.handle(.woke, at: Self.at(2020)).contains(.request))
  }

  @Test func whoeverAsksInALoopGetsOneRequestASecond() {
    var life = Self.fresh()
    var sent: [Double] = []
    for step in 0..<1000 {
      let now = 200 + Double(step) / 100
      if life.handle(step % 2 == 0 ? .refresh : .woke, at: Self.at(now)).contains(.request) {
        sent.append(now)
        _ = life.handle(.began(limit: Self.at(now + 65)), at: Self.at(now))
        _ = life.handle(.acquired(Self.token(now)), at: Self.at(now))
        _ = life.handle(.published, at: Self.at(now))
      }
    }
    #expect(sent.count == 10)
    #expect(zip(sent, sent.dropFirst()).allSatisfy { $1 - $0 >= 1 - 1e-6 })
  }

  @Test func newSettingsAskAtOnceAndKeepTheGoodToken() {
    for (name, before) in Self.phases where name != "requesting" && name != "failed" {
      var life = before
      let effects = life.handle(.settingsChanged, at: Self.at(200.9))
      #expect(effects.contains(.request), "\(name)")
      #expect(!effects.contains(.unpublish))
      #expect(life.newest == before.newest && life.failureStreak == nil)
    }
    // A request was just sent: the next follows a second later.
    var life = Self.phases[2].1
    #expect(!life.handle(.settingsChanged, at: Self.at(200)).contains(.request))
    #expect(life.handle(.woke, at: Self.at(200.5)).contains(.request))
  }

  @Test func aRefusalCountsFromTheServersFirstWord() {
    var life = Self.phases[2].1
    var now = 200.0
    var waits: [Double] = []
    for failure in [Self.down, Self.down, Self.down, Self.refused, Self.refused, Self.refused, Self.down] {
      _ = life.handle(.failed(failure), at: Self.at(now))
      guard case .waiting(let until) = life.phase else {
        Issue.record("no pause")
        return
      }
      waits.append((until - Self.at(now)).seconds)
      now = until.nanoseconds.seconds
      #expect(life.handle(.woke, at: until).contains(.request))
      _ = life.handle(.began(limit: Self.at(now + 60)), at: until)
      now += 1
    }
    let bounds = [0.25...1, 0.25...2, 0.25...4, 54...66, 270...330, 270...330, 0.25...1]
    #expect(zip(waits, bounds).allSatisfy { $1.contains($0) }, "\(waits)")
    #expect(life.failureStreak?.count == 7 && life.failureStreak?.since == Self.at(200))
  }

  @Test func aLastingFailureIsToldOnceAndItsEndOnce() {
    var life = Self.phases[2].1
    var told: [LifecycleReport] = []
    for step in 0..<5 {
      told += reports(life.handle(.failed(Self.down), at: Self.at(200 + Double(step) * 100)))
      _ = life.handle(.woke, at: Self.at(299 + Double(step) * 100))
    }
    told += reports(life.handle(.acquired(Self.token(700)), at: Self.at(700)))
    #expect(told.filter { if case .failing = $0 { true } else { false } }.count == 1)
    #expect(told.filter { if case .stillFailing = $0 { true } else { false } }.count == 4)
    guard case .acquired(_, let failureStreak) = told.last else {
      Issue.record("the end was not told")
      return
    }
    #expect(failureStreak?.count == 5)
  }

  /// `rm *` removes the files of one token one after the other. The first can be restored before the last is removed.
  @Test func aDisturbedFileIsBackAtOnceTwiceThenOnceASecond() {
    var life = Self.fresh()
    for time in [200, 200.1] {
      #expect(life.handle(.modifiedExternally, at: Self.at(time)).contains(.publish))
      #expect(life.handle(.published, at: Self.at(time)).contains(.report(.republished)))
    }
    for time in [201.0, 202] {
      #expect(!life.handle(.modifiedExternally, at: Self.at(time - 0.8)).contains(.publish))
      #expect(life.deadline == Self.at(time))
      #expect(!life.handle(.modifiedExternally, at: Self.at(time - 0.5)).contains(.publish))
      #expect(life.handle(.woke, at: Self.at(time)).contains(.publish))
      #expect(life.handle(.published, at: Self.at(time)).contains(.report(.republished)))
    }
    // After a rest, twice at once again.
    for time in [204, 204.1] {
      #expect(life.handle(.modifiedExternally, at: Self.at(time)).contains(.publish))
      #expect(life.handle(.published, at: Self.at(time)).contains(.report(.republished)))
    }
  }

  @Test func publicationIsTriedAgainAtItsOwnPace() {
    var life = Self.fresh(36_000)
    var now = 200.0
    #expect(life.handle(.modifiedExternally, at: Self.at(now)).contains(.publish))
    for wait in [0.5, 1, 2, 4, 8, 10, 10, 10] {
      let told = reports(life.handle(.publicationFailed("full"), at: Self.at(now)))
      #expect(told == (wait == 0.5 ? [.publicationFailing("full")] : []))
      #expect(!life.handle(.woke, at: Self.at(now + wait - 0.01)).contains(.publish))
      now += wait
      #expect(life.handle(.woke, at: Self.at(now)).contains(.publish))
    }
    #expect(reports(life.handle(.published, at: Self.at(now))) == [.publicationRecovered])
  }

  /// The second of two files could not be written: the first holds a token that must be removed at its expiry.
  @Test func aTokenThatWasHalfPublishedGoesAtItsEnd() {
    var life = Self.phases[2].1
    _ = life.handle(.acquired(Self.token(200, 20)), at: Self.at(200))
    _ = life.handle(.publicationFailed("full"), at: Self.at(200))
    _ = life.handle(.acquired(Self.token(210, 3600)), at: Self.at(210))
    _ = life.handle(.publicationFailed("full"), at: Self.at(210))
    let effects = life.handle(.woke, at: Self.at(219))
    #expect(effects.starts(with: [.unpublish, .publish]))
    #expect(life.newest == Self.token(210, 3600))
  }

  @Test func whatCannotBeRemovedIsTriedAgain() {
    var life = Self.fresh(20)
    #expect(life.handle(.woke, at: Self.at(119)).contains(.unpublish))
    let told = reports(life.handle(.publicationFailed("read-only"), at: Self.at(119)))
    #expect(told == [.removalFailing("read-only")])
    #expect(life.handle(.woke, at: Self.at(119.5)).contains(.unpublish))
    _ = life.handle(.unpublished, at: Self.at(119.5))
    #expect(!life.handle(.woke, at: Self.at(140)).contains(.unpublish))
  }

  @Test func aRequestThatHangsHidesNothing() {
    var life = Self.fresh()
    _ = life.handle(.refresh, at: Self.at(3500))
    _ = life.handle(.began(limit: Self.at(3565)), at: Self.at(3500))
    // The watchdog uses this deadline.
    #expect(life.deadline == Self.at(3565))
    #expect(life.nextWake(after: Self.at(3698.5)) == Self.at(3699))
    #expect(life.handle(.woke, at: Self.at(3699)).contains(.unpublish))
    #expect(!life.handle(.woke, at: Self.at(3864)).contains(.request))
    #expect(life.handle(.woke, at: Self.at(3865)).contains(.request))
  }

  @Test func aRequestDoesNotOutliveASuspend() {
    var life = Self.phases[2].1
    #expect(life.handle(.resumed, at: Self.at(7200)).contains(.request))
    #expect(life.deadline.map { $0 > Self.at(7200) } == true)
  }

  @Test func aLostTurnIsAskedForAgain() {
    var life = Self.phases[1].1
    #expect(!life.handle(.woke, at: Self.at(258)).contains(.request))
    #expect(life.handle(.woke, at: Self.at(259)).contains(.request))
  }

  private func reports(_ effects: [LifecycleEffect]) -> [LifecycleReport] {
    effects.compactMap { if case .report(let report) = $0 { report } else { nil } }
  }
}

extension Int64 {
  fileprivate var seconds: Double { Double(self) / 1e9 }
}
