import Testing
@testable import Base
@testable import Engine

@Suite struct RetryBackoffTests {
  static let down = AcquisitionFailure(.connection, "down")
  static let refused = AcquisitionFailure(.invalidClient, "no")

  static func waits(_ failure: AcquisitionFailure, _ failures: Int, left: Duration?) -> [Double] {
    var random = SplitMix64(seed: 7)
    return (0..<2000).map { _ in
      RetryBackoff.delay(after: failure, failures: failures, remaining: left, using: &random).seconds
    }
  }

  /// Vault #20645: a backoff that was computed and never waited for. Each wait must come close to its own floor and
  /// ceiling.
  @Test(
    arguments: [
      (1, nil, 0.25, 1), (2, nil, 0.25, 2), (3, nil, 0.25, 4), (4, nil, 0.25, 8), (6, nil, 0.25, 32),
      (7, nil, 0.25, 60), (100, nil, 0.25, 60), (1 << 40, nil, 0.25, 60),
      (1, 1800, 0.25, 1), (2, 1800, 7.5, 10), (3, 1800, 75, 100), (4, 1800, 750, 1000), (90, 1800, 750, 1000),
      (4, 600, 270, 360), (4, 200, 45, 60), (4, 121, 45, 60), (50, 315_360_000, 750, 1000),
      // Near expiry, the waits are short.
      (4, 120, 0.25, 60), (4, 60, 0.25, 30), (2, 10, 0.25, 5), (9, 1.5, 0.25, 1), (9, 0.1, 0.25, 1),
    ] as [(Int, Double?, Double, Double)])
  func jitterBetweenFloorAndCeiling(_ failures: Int, _ left: Double?, _ floor: Double, _ ceiling: Double) throws {
    let waits = Self.waits(Self.down, failures, left: left.map { .seconds($0) })
    let longest = try #require(waits.max())
    let shortest = try #require(waits.min())
    let width = ceiling - floor
    #expect(longest <= ceiling && longest > ceiling - width * 0.02)
    #expect(shortest >= floor && shortest < floor + width * 0.02)
    #expect(abs(waits.reduce(0, +) / 2000 - (ceiling + floor) / 2) < width * 0.03)
  }

  @Test(arguments: [nil, 3600, 600] as [Double?])
  func refusalsAfterOneMinuteThenFive(_ left: Double?) {
    for (failures, minutes) in [(1, 1), (2, 5), (3, 5), (10_000, 5)] {
      let waits = Self.waits(Self.refused, failures, left: left.map { .seconds($0) })
      #expect(waits.allSatisfy { $0 >= Double(minutes) * 54 && $0 <= Double(minutes) * 66 })
    }
  }

  @Test("documents that do not exist are requested once a minute", arguments: [1, 2, 20])
  func documents(_ failures: Int) {
    for wait in Self.waits(AcquisitionFailure(.documentRejected, "404"), failures, left: nil) {
      #expect(wait >= 54 && wait <= 66)
    }
  }

  @Test(
    "after a rejection, the wait is at most half of the remaining lifetime, and at least five seconds",
    arguments: [(1, 100, 50), (1, 120, 60), (2, 500, 250), (2, 100, 50), (9, 30, 15), (9, 10, 5), (9, 0.1, 5)]
      as [(Int, Double, Double)])
  func refusalsNearTheEnd(_ failures: Int, _ left: Double, _ wait: Double) {
    let waits = Self.waits(Self.refused, failures, left: .seconds(left))
    #expect(waits.allSatisfy { $0 >= wait * 0.9 - 1e-9 && $0 <= wait * 1.1 + 1e-9 })
    #expect(Set(waits).count > 1000)
  }

  @Test(
    arguments: [
      (20, nil, 20, 22), (299, nil, 299, 329), (3600, nil, 300, 330), (1e9, nil, 300, 330), (300, 1800, 300, 330),
      // Never beyond the token's expiry.
      (300, 100, 75, 75), (300, 4, 3, 3), (300, 0.5, 1, 1), (20, 3600, 20, 22),
    ] as [(Double, Double?, Double, Double)])
  func retryAfterIsObeyed(_ asked: Double, _ left: Double?, _ shortest: Double, _ longest: Double) {
    let busy = AcquisitionFailure(.tooManyRequests, "busy", retryAfter: .seconds(asked))
    let waits = Self.waits(busy, 1, left: left.map { .seconds($0) })
    #expect(waits.allSatisfy { $0 >= shortest - 1e-9 && $0 <= longest + 1e-9 })
    #expect(longest == shortest || Set(waits).count > 1000, "all who were told the same must not come back together")
  }

  @Test func aServerThatAlwaysSaysOneSecondGetsTheUsualPace() {
    let busy = AcquisitionFailure(.serverError, "503", retryAfter: .seconds(1))
    let waits = Self.waits(busy, 8, left: nil)
    #expect(waits.allSatisfy { $0 >= 1 } && waits.contains { $0 > 50 })
    for none in [Duration.zero, .seconds(-5)] {
      #expect(
        Self.waits(AcquisitionFailure(.serverError, "503", retryAfter: none), 1, left: nil).allSatisfy { $0 <= 1 })
    }
  }
}
