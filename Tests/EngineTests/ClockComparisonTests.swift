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

  /// The changes that a comparison finds in these readings, in order.
  static func changes(_ readings: Moment...) -> [ClockComparison.Change?] {
    var clocks = ClockComparison(start)
    return readings.map { clocks.compare($0) }
  }

  @Test(arguments: [0, 0.5, -0.5, 0.999, -0.999])
  func smallDifferencesAreNoChange(_ step: Double) {
    #expect(Self.changes(Self.after(3600, step: step)) == [nil])
  }

  @Test(arguments: [-1e9, -3600, -6, -1.5, 1.5, 4.9])
  func aStepArmsTheTimersAnew(_ step: Double) throws {
    let change = try #require(Self.changes(Self.after(15, step: step))[0])
    #expect(change.sleep == nil && !change.mayHavePaused && abs(change.step - step) < 1e-3)
    #expect(change.events == [.woke])
  }

  /// A virtual machine that was paused: NTP steps the clock, and no other clock shows the pause.
  @Test(arguments: [5.1, 3600, 1e9] as [Double])
  func aLargeForwardStepCanBeAPause(_ step: Double) throws {
    let change = try #require(Self.changes(Self.after(15, step: step))[0])
    #expect(change.mayHavePaused && change.events == [.resumed, .refresh])
  }

  @Test(arguments: [1.1, 28_800] as [Double])
  func aSuspendIsNoStep(_ asleep: Double) throws {
    let change = try #require(Self.changes(Self.after(asleep + 15, asleep: asleep))[0])
    #expect(abs((change.sleep ?? 0) - asleep) < 1e-3 && abs(change.step) < 1e-3)
    #expect(change.events == [.resumed])
  }

  @Test func aPauseDuringASuspendIsBoth() throws {
    let change = try #require(Self.changes(Self.after(100, asleep: 50, step: 60))[0])
    #expect(change.sleep != nil && change.events == [.resumed, .refresh])
  }

  @Test func eachChangeIsReportedOnce() {
    let changes = Self.changes(Self.after(15, step: 100), Self.after(30, step: 100), Self.after(45))
    #expect(changes.map { $0 == nil } == [false, true, false])
  }

  @Test(arguments: [(0, 0, false), (0.005, -0.005, false), (0.02, 0, true), (0, -0.02, true), (0, 0.02, false)])
  func aTimerIsLateIfItsClockFellBehind(asleep: Double, step: Double, isLate: Bool) {
    #expect(ClockComparison.delaysTimer(from: Self.start, to: Self.after(15, asleep: asleep, step: step)) == isLate)
  }
}
