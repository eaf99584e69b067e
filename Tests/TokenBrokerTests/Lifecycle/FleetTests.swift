import FleetSimulation
import Testing

/// A small fleet in virtual time; `make fleet` has the large ones.
@Suite struct FleetTests {
  /// 3000 hosts ask 1.76 times a second: in ten minutes 1054 times, of which chance makes 3 % more or less.
  private static let window = 600

  @Test func loadIsEvenOnADayOnWhichNothingHappens() async {
    let load = await Fleet(hosts: 3000).live(Scenario("six hours", .running, seconds: 6 * 3600))
    let mean = Double(load.requests.reduce(0) { $0 + Int($1) }) / Double(load.requests.count)
    #expect(abs(mean / load.mean - 1) < 0.02, "the mean is what the schedule says")
    #expect(load.peak(window: Self.window) < 1.3)
    #expect(load.lost == 0 && load.without == 0)
  }

  @Test func nobodyLosesATokenInAnOutageThatATokenOutlives() async {
    for minutes in [20, 58] {
      let scenario = Scenario.outage(minutes: minutes)
      let load = await Fleet(hosts: 3000).live(scenario)
      #expect(load.lost == 0 && load.without == 0, "\(minutes) min")
      if minutes == 20 { #expect(load.peak(window: 60, from: scenario.measuredFrom) < 5) }
    }
  }

  @Test func everyHostHasATokenAMinuteAfterAnOutageThatNoTokenOutlives() async {
    let load = await Fleet(hosts: 3000).live(.outage(minutes: 120))
    #expect(load.lost > 2900, "the outage is long enough to be felt")
    #expect(load.lostWithoutReason == 0 && load.without == 0)
    #expect(load.longestWait <= 61)
  }

  @Test func aServerThatAnswersFewIsAskedByAllUntilAllHaveAToken() async {
    let load = await Fleet(hosts: 3000).live(.blackout.limited(to: 5))
    #expect(load.without == 0)
    #expect(load.longestWait > 61, "the limit is felt")
  }
}
