import Testing
@testable import Base
@testable import Engine

@Suite struct KeySetScheduleTests {
  private static func at(_ seconds: Double) -> BootTime { BootTime(seconds: 1000 + seconds) }
  private static let interval = Duration.seconds(900)

  /// The shortest and the longest of 500 waits that a change plans at 0 s.
  private static func waits(_ change: (inout KeySetSchedule, inout SplitMix64) -> Void) -> (Double, Double) {
    let waits = (0..<500).compactMap { (seed: UInt64) -> Double? in
      var random = SplitMix64(seed: seed)
      var schedule = KeySetSchedule()
      change(&schedule, &random)
      return schedule.next.map { ($0 - at(0)).seconds }
    }
    return (waits.min() ?? .nan, waits.max() ?? .nan)
  }

  private static func isClose(_ waits: (Double, Double), _ shortest: Double, _ longest: Double) -> Bool {
    let tolerance = (longest - shortest) / 20 + 1e-6
    return (shortest...shortest + tolerance).contains(waits.0) && (longest - tolerance...longest).contains(waits.1)
  }

  @Test func theFirstReadingComesWithinAMinute() {
    #expect(Self.isClose(Self.waits { $0.begin(at: Self.at(0), using: &$1) }, 15, 60))
  }

  @Test func jitterOnlyShortensTheInterval() {
    let waits = Self.waits { $0.succeed(interval: Self.interval, freshness: nil, at: Self.at(0), using: &$1) }
    #expect(Self.isClose(waits, 810, 900))
  }

  @Test(arguments: [(3600, 810, 900), (300, 270, 300), (0, 60, 60)]) func freshnessOnlyShortensTheInterval(
    _ freshness: Int, _ shortest: Double, _ longest: Double
  ) {
    let waits = Self.waits {
      $0.succeed(interval: Self.interval, freshness: .seconds(freshness), at: Self.at(0), using: &$1)
    }
    #expect(Self.isClose(waits, shortest, longest))
  }

  @Test func anIntervalOfAMinuteIsNotShortened() {
    let waits = Self.waits { $0.succeed(interval: .seconds(60), freshness: nil, at: Self.at(0), using: &$1) }
    #expect(waits == (60, 60))
  }

  @Test func aFailedReadingIsRepeatedAfterAThirdOfTheInterval() {
    #expect(Self.isClose(Self.waits { $0.fail(interval: Self.interval, at: Self.at(0), using: &$1) }, 270, 300))
    #expect(Self.waits { $0.fail(interval: .seconds(90), at: Self.at(0), using: &$1) } == (60, 60))
  }

  @Test func aReadingWhoseResultIsLostIsRepeated() {
    var schedule = KeySetSchedule()
    schedule.read(at: Self.at(0))
    #expect(schedule.isReading && schedule.next == Self.at(120))
  }

  @Test func aTokenWithAShorterIntervalBringsTheReadingForward() {
    var random = SplitMix64(seed: 1)
    var schedule = KeySetSchedule()
    schedule.succeed(interval: .seconds(86_400), freshness: nil, at: Self.at(0), using: &random)
    schedule.shorten(to: .seconds(300), at: Self.at(10), using: &random)
    #expect(schedule.next.map { $0 <= Self.at(310) && $0 >= Self.at(280) } ?? false)
    schedule.shorten(to: .seconds(86_400), at: Self.at(10), using: &random)
    #expect(schedule.next.map { $0 <= Self.at(310) } ?? false, "not back")
    schedule.end()
    #expect(schedule.next == nil)
  }
}
