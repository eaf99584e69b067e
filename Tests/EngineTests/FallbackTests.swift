import Testing
@testable import Base
@testable import Engine

/// New settings that the server rejects, as a typo does. The previous ones bring tokens until the new ones work.
@Suite struct FallbackTests {
  static let typo = AcquisitionFailure(.invalidClient, "no such client")

  /// A host whose settings were changed at 100 s. The server rejects the new ones.
  static func mistyped() -> HostEngineTests.Host {
    var host = HostEngineTests.Host()
    var change = HostChange(maxRequests: 4)
    change.changed = [
      (plan: HostEngineTests.Host.plan { _ in }, change: TokenChange(needsNewToken: true, movesFiles: false))
    ]
    host.handle(.configured(change), at: 100)
    host.fail(typo, at: 100)
    return host
  }

  /// The next attempt, and whether it may fall back.
  private func retry(_ host: inout HostEngineTests.Host) throws -> (at: Double, mayFallBack: Bool) {
    guard case .waiting(let until) = try #require(host.engine.lifecycle(of: "a")).phase else {
      Issue.record("no wait")
      return (0, false)
    }
    // A nanosecond can be lost in a `Double`.
    let time = (until - HostEngineTests.Host.moment(0).boot).seconds + 0.001
    let sends = host.sends
    host.handle(.woke, at: time)
    try #require(host.sends == sends + 1)
    return (time, host.mayFallBack)
  }

  @Test func aNewTokenIsRequestedWithThePreviousSettingsWhenItIsDue() throws {
    var host = Self.mistyped()
    #expect(!host.mayFallBack)
    var now = 100.0
    while now < 1800 {
      let next = try retry(&host)
      #expect(next.mayFallBack == (next.at >= 1799))
      now = next.at
      if !next.mayFallBack { host.fail(Self.typo, at: now) }
    }
    #expect(now < 1800 + 331)
    host.succeed(2, after: Self.typo, at: now)
    let life = try #require(host.engine.lifecycle(of: "a"))
    #expect(life.newest?.requestedAt == HostEngineTests.Host.moment(now).boot && host.accepted == 2)
    // The failure lasts, and the new settings are tried on.
    #expect(life.failureStreak?.failure == Self.typo && life.failureStreak?.count ?? 0 > 5)
    let next = try retry(&host)
    #expect(next.at < now + 331 && !next.mayFallBack)
    host.succeed(3, at: next.at)
    let healthy = try #require(host.engine.lifecycle(of: "a"))
    #expect(healthy.failureStreak == nil && healthy.newest?.requestedAt == HostEngineTests.Host.moment(next.at).boot)
  }

  @Test func aRejectedTokenIsReplacedWithThePreviousSettingsAtOnce() {
    var host = Self.mistyped()
    let sends = host.sends
    #expect(host.report(1, at: 110) == .requested)
    #expect(host.sends == sends + 1 && host.mayFallBack)
  }

  @Test func withoutATokenThePreviousSettingsAreTriedEachTime() throws {
    var host = Self.mistyped()
    host.handle(.woke, at: 3700)
    host.fail(Self.typo, at: 3700)
    #expect(host.engine.lifecycle(of: "a")?.newest == nil)
    #expect(try retry(&host).mayFallBack)
  }

  /// A server that returns the same token until it expires.
  @Test func aTokenThatThePreviousSettingsBringAgainChangesNothing() throws {
    var host = Self.mistyped()
    host.handle(.woke, at: 2500)
    #expect(host.mayFallBack)
    host.succeed(1, lifetime: 1100, after: Self.typo, at: 2500)
    let life = try #require(host.engine.lifecycle(of: "a"))
    #expect(host.kept == 1 && host.accepted == 1 && life.failureStreak?.failure == Self.typo)
    #expect(!(try retry(&host).mayFallBack))
  }

  @Test func aTokenOfThePreviousSettingsThatCannotBeUsedShowsTheFailureOfTheNewOnes() {
    var host = Self.mistyped()
    host.handle(.woke, at: 2500)
    host.succeed(2, lifetime: 1, after: Self.typo, at: 2500)
    #expect(host.engine.lifecycle(of: "a")?.failureStreak?.failure == Self.typo)
    #expect(host.accepted == 1)
  }
}
