import FleetSimulation
import Testing

/// Small fleets in virtual time, the same in every run. `make fleet` simulates large ones.
@Suite struct FleetTests {
  /// The window in seconds, in which 300 hosts send 316 requests on average. By chance, the largest number is a few
  /// percent higher.
  private static let window = 1800

  @Test func loadIsEvenOnADayOnWhichNothingHappens() async {
    let load = await Fleet(hosts: 300).live(Scenario("three hours", .running, seconds: 3 * 3600))
    let mean = Double(load.requests.reduce(0) { $0 + Int($1) }) / Double(load.requests.count)
    #expect(abs(mean / load.mean - 1) < 0.03, "the mean is what the schedule says")
    #expect(load.peak(window: Self.window) < 1.3)
    #expect(abs(load.readingsPerSecond / load.meanReadings - 1) < 0.03, "the key set is read once in an interval")
    #expect(load.peakOfReadings(window: Self.window) < 1.3)
    #expect(load.lost == 0 && load.without == 0)
  }

  /// `max_age` is a day by default.
  @Test func tokensOfAMonthAreRefreshedEachDay() async {
    var fleet = Fleet(hosts: 300)
    fleet.lifetime = 2_629_743
    let load = await fleet.live(Scenario("three days", .running, seconds: 3 * 86_400))
    let mean = Double(load.requests.reduce(0) { $0 + Int($1) }) / Double(load.requests.count)
    #expect(abs(mean / load.mean - 1) < 0.03, "the mean is what the schedule says")
    #expect((1...1.06).contains(load.mean * 86_400 / 300))
    #expect(load.lost == 0 && load.without == 0)
  }

  @Test(arguments: [20, 29]) func nobodyLosesATokenInAnOutageThatItOutlives(_ minutes: Int) async {
    var scenario = Scenario.outage(minutes: minutes)
    scenario.seconds = scenario.measuredFrom + 2400
    let load = await Fleet(hosts: 150).live(scenario)
    #expect(load.lost == 0 && load.without == 0)
    #expect(load.peak(window: 600, from: scenario.measuredFrom) < 5)
  }

  @Test func keySetsAreReadMoreOftenWhileTheServerIsUnavailable() async {
    let scenario = Scenario.outage(minutes: 20)
    let load = await Fleet(hosts: 150).live(scenario)
    let outage = load.readings[4200..<4800].reduce(0) { $0 + Int($1) }
    #expect((2.5...3.5).contains(Double(outage) / 600 / load.meanReadings), "a failed reading waits for a third")
    #expect(load.peakOfReadings(window: 600, from: scenario.measuredFrom) < 5)
  }

  @Test func everyHostHasATokenAMinuteAfterAnOutageThatNoTokenOutlives() async {
    var scenario = Scenario.outage(minutes: 70)
    scenario.seconds = scenario.measuredFrom + 120
    let load = await Fleet(hosts: 50).live(scenario)
    #expect(load.lost == 50, "the outage is long enough to be felt by all")
    #expect(load.lostWithoutReason == 0 && load.without == 0)
    #expect(load.longestWait <= 61)
  }

  @Test func aServerThatAnswersFewIsAskedByAllUntilAllHaveAToken() async {
    var scenario = Scenario("few answers", .booting(within: 30), seconds: 900)
    scenario.capacity = 5
    let load = await Fleet(hosts: 400).live(scenario)
    #expect(load.without == 0)
    #expect(load.longestWait > 61, "the limit is felt")
  }
}
