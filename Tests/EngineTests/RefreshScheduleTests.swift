import Testing
@testable import Base
@testable import Engine

@Suite struct RefreshScheduleTests {
  static let sent = BootTime(seconds: 100)
  static let day = 86_400.0
  /// The lifetime of a real customer's tokens, 30.4 days.
  static let month = 2_629_743.0
  static let year = 31_622_400.0

  /// The seconds until the refresh.
  private func wait(
    lifetime: Double, fraction: Double = 0.5, maxAge: Double = Self.day, jitter: Double = 0
  ) -> Double {
    let token = RefreshSchedule(fraction: fraction, maxAge: .seconds(maxAge), jitter: jitter).plan(
      requestedAt: Self.sent, lifetime: .seconds(lifetime))
    #expect(token.requestedAt == Self.sent)
    #expect(token.expiresAt == Self.sent + .seconds(lifetime - 1))
    #expect(lifetime < 3 || token.refreshAt < token.expiresAt)
    return (token.refreshAt - Self.sent).seconds
  }

  private static func near(_ left: Double, _ right: Double) -> Bool { abs(left - right) < right * 1e-9 + 1e-6 }

  /// Other programs send requests in a loop if a token is shorter than their margin.
  @Test(arguments: [1, 3, 10, 20, 300, 3600, 315_360_000] as [Double], [0.0, 0.5, 1])
  func noLifetimeMakesATightLoop(_ lifetime: Double, _ jitter: Double) {
    for fraction in [0.1, 0.5, 0.9] {
      for maxAge in [-1, 0, 1, 60, Self.day, Self.year] {
        let wait = wait(lifetime: lifetime, fraction: fraction, maxAge: maxAge, jitter: jitter)
        let expected = max(1, (1 - 0.1 * jitter) * min(fraction * (lifetime - 1), max(1, maxAge)))
        #expect(Self.near(wait, expected), "\(fraction) of \(lifetime) s, at most \(maxAge) s")
      }
    }
  }

  /// The first of `refresh_at` and `max_age`, with the default settings.
  @Test(
    arguments: [
      (3600, 1799.5), (day, 43_199.5), (2 * day, day - 0.5), (2 * day + 1, day), (month, day), (year, day),
    ] as [(Double, Double)])
  func refreshesOnceADayAtTheLatest(_ lifetime: Double, _ expected: Double) {
    #expect(Self.near(wait(lifetime: lifetime), expected))
  }

  /// Jitter shortens both limits, and never lengthens one.
  @Test(arguments: [3600, day, month, year])
  func jitterShortensByATenthAtMost(_ lifetime: Double) {
    let waits = (0...100).map { wait(lifetime: lifetime, jitter: Double($0) / 100) }
    let firstThatIsNotShorter = zip(waits, waits.dropFirst()).first { $0 <= $1 }
    #expect(firstThatIsNotShorter == nil)
    #expect(Self.near(waits[100], waits[0] * 0.9))
  }

  /// A `max_age` above the default has an effect too.
  @Test(arguments: [(month, 1_314_871), (year, 2_592_000)] as [(Double, Double)])
  func aLongMaxAgeLeavesTheFraction(_ lifetime: Double, _ expected: Double) {
    #expect(Self.near(wait(lifetime: lifetime, maxAge: 30 * Self.day), expected))
  }

  @Test func longestWaitHasNoJitter() {
    let schedule = RefreshSchedule(fraction: 0.5, maxAge: .seconds(Self.day), jitter: 1)
    #expect(schedule.longestWait(lifetime: .seconds(3600)) == 1799.5)
    #expect(schedule.longestWait(lifetime: .seconds(Self.month)) == Self.day)
  }

  @Test func whatIsOutOfRangeIsBroughtBack() {
    func schedule(_ fraction: Double, _ seconds: Double, _ jitter: Double) -> RefreshSchedule {
      RefreshSchedule(fraction: fraction, maxAge: .seconds(seconds), jitter: jitter)
    }
    #expect(schedule(7, -3, -3) == schedule(0.9, 1, 0))
    #expect(schedule(-1, 0, 3) == schedule(0.1, 1, 1))
  }
}

/// Tokens with long lifetimes, over years in virtual time.
@Suite struct LongLifetimeTests {
  /// One request a day, and no reader without a token.
  @Test(arguments: [RefreshScheduleTests.day, RefreshScheduleTests.month, RefreshScheduleTests.year], [0.0, 0.3, 1])
  func asksEachDay(_ lifetime: Double, _ jitter: Double) throws {
    let schedule = RefreshSchedule(fraction: 0.5, maxAge: .seconds(86_400), jitter: jitter)
    let host = Host(schedule: schedule, lifetime: lifetime)
    let requests = try host.requests(until: RefreshScheduleTests.year * 2)
    let pause = schedule.longestWait(lifetime: .seconds(lifetime)) * (1 - 0.1 * jitter)
    #expect(pause <= 86_400)
    let pauses = zip(requests, requests.dropFirst()).map { $1 - $0 }
    #expect(pauses.first { abs($0 - pause) >= 0.001 } == nil, "a pause of \(pause) s is due")
    // The last one is the first that is not before the end.
    #expect(requests.count == Int((RefreshScheduleTests.year * 2 / pause).rounded(.up)) + 1)
  }

  /// The server is away for a week. A token of a month outlives that, and the host sends a request soon afterwards.
  @Test func outlivesAWeekWithoutTheServer() throws {
    let day = RefreshScheduleTests.day
    let outage = 10 * day..<17 * day
    let host = Host(
      schedule: RefreshSchedule(fraction: 0.5, maxAge: .seconds(day), jitter: 0), lifetime: RefreshScheduleTests.month,
      outage: outage)
    let requests = try host.requests(until: 30 * day)
    let next = try #require(requests.first { $0 >= outage.upperBound })
    #expect(next < outage.upperBound + 3600)
    #expect(requests.filter(outage.contains).count < 1000)
  }

  /// One host, and a server that answers within 100 ms.
  struct Host {
    let schedule: RefreshSchedule
    let lifetime: Double
    var outage: Range<Double> = 0..<0

    /// The times of all requests, in seconds from the start.
    ///
    /// - Throws: if there is a time without a token.
    func requests(until end: Double) throws -> [Double] {
      var lifecycle = TokenLifecycle(seed: 1)
      var requests: [Double] = []
      var now = BootTime(seconds: 0)
      var events: [(event: LifecycleEvent, at: BootTime)] = [(.started(restored: nil), now)]
      while now < BootTime(seconds: end) {
        if events.isEmpty { events = [(.woke, try #require(lifecycle.nextWake(after: now)))] }
        let next = events.removeFirst()
        now = next.at
        for effect in lifecycle.handle(next.event, at: now) {
          switch effect {
          case .request:
            requests.append(now.nanoseconds.seconds)
            let answered = now + .milliseconds(100)
            events.append((.began(limit: now + .seconds(60)), now))
            events.append((outage.contains(now.nanoseconds.seconds) ? failure : token(at: now), answered))
          case .publish: events.append((.published, now))
          case .unpublish: throw Without(at: now)
          case .report: break
          }
        }
      }
      return requests
    }

    private func token(at now: BootTime) -> LifecycleEvent {
      .acquired(schedule.plan(requestedAt: now, lifetime: .seconds(lifetime)))
    }

    private var failure: LifecycleEvent { .failed(AcquisitionFailure(.connection, "down")) }

    struct Without: Error { var at: BootTime }
  }
}

extension Int64 {
  fileprivate var seconds: Double { Double(self) * 1e-9 }
}
