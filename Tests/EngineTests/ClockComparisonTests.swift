import Testing
@testable import Base
@testable import Engine

@Suite struct ClockComparisonTests {
  static let start = Moment(boot: BootTime(seconds: 1000), unix: 1_800_000_000, monotonic: BootTime(seconds: 900))

  /// The reading after `passed` seconds, of which `asleep` in suspend, with a wall clock that was stepped by `step`.
  static func after(_ passed: Double, asleep: Double = 0, step: Double = 0) -> Moment {
    Moment(
      boot: start.boot + .seconds(passed), unix: start.unix + passed + step,
      monotonic: start.monotonic + .seconds(passed - asleep))
  }

  @Test(arguments: [0, 0.5, -0.5, 0.999, -0.999])
  func smallDifferencesAreNoChange(_ step: Double) {
    var clocks = ClockComparison(Self.start)
    #expect(clocks.compare(Self.after(3600, step: step)) == nil)
  }

  @Test(arguments: [-1e9, -3600, -6, -1.5, 1.5, 4.9])
  func aStepArmsTheTimersAnew(_ step: Double) throws {
    var clocks = ClockComparison(Self.start)
    let change = try #require(clocks.compare(Self.after(15, step: step)))
    #expect(change.sleep == nil && !change.mayHavePaused && abs(change.step - step) < 1e-3)
    #expect(change.events == [.woke])
  }

  /// A virtual machine that was paused: NTP steps the clock, and no other clock shows the pause.
  @Test(arguments: [5.1, 3600, 1e9])
  func aLargeForwardStepCanBeAPause(_ step: Double) throws {
    var clocks = ClockComparison(Self.start)
    let change = try #require(clocks.compare(Self.after(15, step: step)))
    #expect(change.mayHavePaused && change.events == [.resumed, .refresh])
  }

  @Test(arguments: [1.1, 8 * 3600])
  func aSuspendIsNoStep(_ asleep: Double) throws {
    var clocks = ClockComparison(Self.start)
    let change = try #require(clocks.compare(Self.after(asleep + 15, asleep: asleep)))
    #expect(abs((change.sleep ?? 0) - asleep) < 1e-3 && abs(change.step) < 1e-3)
    #expect(change.events == [.resumed])
  }

  @Test func aPauseDuringASuspendIsBoth() throws {
    var clocks = ClockComparison(Self.start)
    let change = try #require(clocks.compare(Self.after(100, asleep: 50, step: 60)))
    #expect(change.sleep != nil && change.events == [.resumed, .refresh])
  }

  @Test func eachChangeIsReportedOnce() {
    var clocks = ClockComparison(Self.start)
    #expect(clocks.compare(Self.after(15, step: 100)) != nil)
    #expect(clocks.compare(Self.after(30, step: 100)) == nil)
    #expect(clocks.compare(Self.after(45)) != nil)
  }
}
