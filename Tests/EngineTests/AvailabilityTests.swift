import FoundationEssentials
import Testing
@testable import Base
@testable import Engine

@Suite struct AvailabilityTests {
  static let start = Moment(boot: BootTime(seconds: 1000), unix: 1_800_000_000, monotonic: BootTime(seconds: 900))

  /// The reading after `passed` seconds, of which `asleep` in suspend, with a wall clock that was stepped by `step`.
  static func after(_ passed: Double, asleep: Double = 0, step: Double = 0) -> Moment {
    Moment(
      boot: start.boot + .seconds(passed), unix: start.unix + passed + step,
      monotonic: start.monotonic + .seconds(passed - asleep))
  }

  /// A count that begins without a token and has one from the second `token` on.
  static func count(tokenAt token: Double) -> Availability {
    var count = Availability(hasToken: false, at: start)
    count.record(hasToken: true, at: after(token))
    return count
  }

  /// The seconds with a token, those without, and the longest gap: its length, its start after the first reading, and
  /// its cause.
  struct Seconds: Equatable {
    var available: Double
    var unavailable: Double
    var gap: Double?
    var gapStart: Double?
    var cause: FailureCode?

    init(
      _ available: Double, _ unavailable: Double, gap: Double? = nil, at gapStart: Double? = nil,
      _ cause: FailureCode? = nil
    ) {
      self.available = available
      self.unavailable = unavailable
      self.gap = gap
      self.gapStart = gapStart
      self.cause = cause
    }

    init(_ count: Availability?, at now: Moment) throws {
      let totals = try #require(count).totals(at: now.monotonic)
      self.init(
        totals.available.seconds, totals.unavailable.seconds, gap: totals.longestGap?.length.seconds,
        at: (totals.longestGap?.startedAt).map { $0 - AvailabilityTests.start.unix }, totals.longestGap?.failure)
    }
  }

  // MARK: Readings

  @Test("the time between two readings belongs to the state of the first")
  func states() throws {
    var count = Availability(hasToken: false, at: Self.start)
    #expect(try Seconds(count, at: Self.after(0)) == Seconds(0, 0))
    #expect(try Seconds(count, at: Self.after(4)) == Seconds(0, 4, gap: 4, at: 0))
    count.record(hasToken: true, at: Self.after(5))
    #expect(try Seconds(count, at: Self.after(100)) == Seconds(95, 5, gap: 5, at: 0))
    count.record(hasToken: false, cause: .serverError, at: Self.after(100))
    #expect(try Seconds(count, at: Self.after(103)) == Seconds(95, 8, gap: 5, at: 0), "the longer one")
    #expect(try Seconds(count, at: Self.after(110)) == Seconds(95, 15, gap: 10, at: 100, .serverError), "still open")
    count.record(hasToken: true, at: Self.after(110))
    #expect(try Seconds(count, at: Self.after(200)) == Seconds(185, 15, gap: 10, at: 100, .serverError))
  }

  @Test("a count that begins with a token has no gap")
  func noGap() throws {
    var count = Availability(hasToken: true, at: Self.start)
    count.record(hasToken: true, at: Self.after(50))
    #expect(try Seconds(count, at: Self.after(100)) == Seconds(100, 0))
  }

  @Test("readings without a change leave the value as it is, so that no document is written again")
  func unchanged() {
    var count = Self.count(tokenAt: 5)
    let before = count
    for second in stride(from: 6.0, to: 600, by: 15) { count.record(hasToken: true, at: Self.after(second)) }
    #expect(count == before)
  }

  @Test("the first known cause of a gap is kept")
  func causes() throws {
    var count = Availability(hasToken: false, at: Self.start)
    count.record(hasToken: false, cause: .nameResolution, at: Self.after(1))
    count.record(hasToken: false, cause: .serverError, at: Self.after(2))
    count.record(hasToken: true, cause: .serverError, at: Self.after(3))
    #expect(try Seconds(count, at: Self.after(9)) == Seconds(6, 3, gap: 3, at: 0, .nameResolution))
    count.record(hasToken: false, at: Self.after(10))
    #expect(try Seconds(count, at: Self.after(20)) == Seconds(7, 13, gap: 10, at: 10), "not the cause of another gap")
  }

  @Test("of two gaps of equal length, the first one is kept as the longest")
  func equalGaps() throws {
    var count = Self.count(tokenAt: 5)
    count.record(hasToken: false, at: Self.after(50))
    count.record(hasToken: true, at: Self.after(55))
    #expect(try Seconds(count, at: Self.after(60)) == Seconds(50, 10, gap: 5, at: 0))
  }

  @Test("a suspend counts neither as available nor as unavailable time")
  func suspend() throws {
    var count = Self.count(tokenAt: 5)
    count.record(hasToken: false, at: Self.after(3605, asleep: 3500))
    #expect(try Seconds(count, at: Self.after(3605, asleep: 3500)) == Seconds(100, 5, gap: 5, at: 0))
  }

  @Test("the wall clock names the start of a gap; its steps do not count", arguments: [-86_400, 3600] as [Double])
  func steppedClock(_ step: Double) throws {
    var count = Self.count(tokenAt: 5)
    count.record(hasToken: false, at: Self.after(10, step: step))
    count.record(hasToken: true, at: Self.after(20))
    #expect(try Seconds(count, at: Self.after(30)) == Seconds(15, 15, gap: 10, at: 10 + step))
  }

  @Test("a reading that is earlier than the last one does not reduce the times")
  func backwards() throws {
    var count = Self.count(tokenAt: 10)
    count.record(hasToken: false, at: Self.after(4))
    #expect(try Seconds(count, at: Self.after(2)) == Seconds(0, 10, gap: 10, at: 0))
    #expect(try Seconds(count, at: Self.after(15)) == Seconds(0, 15, gap: 10, at: 0))
  }

  // MARK: Restarts

  /// What a restart 100 s after the first reading finds of a count that was stored after 40 s.
  static func restarted(
    _ count: Availability, requestedAt: Double? = nil, expiresAt: Double?, asleep: Double = 0
  ) throws -> Seconds {
    let now = after(100 + asleep, asleep: asleep)
    let continued = count.continued(
      writtenAt: after(40).monotonic, requestedAt: requestedAt.map { after($0).boot },
      expiresAt: expiresAt.map { after($0).boot }, at: now)
    return try Seconds(continued, at: now)
  }

  @Test("while no daemon runs, the token stays in its file until it expires")
  func restarts() throws {
    let count = Self.count(tokenAt: 5)
    #expect(try Self.restarted(count, expiresAt: 3600) == Seconds(95, 5, gap: 5, at: 0), "restored")
    #expect(try Self.restarted(count, expiresAt: 100) == Seconds(95, 5, gap: 5, at: 0), "expires now")
    #expect(try Self.restarted(count, expiresAt: 70) == Seconds(65, 35, gap: 30, at: 70), "expired meanwhile")
    #expect(try Self.restarted(count, expiresAt: 20) == Seconds(35, 65, gap: 60, at: 40), "expired, yet stored as held")
    #expect(try Self.restarted(count, expiresAt: nil) == Seconds(35, 65, gap: 60, at: 40), "gone")
  }

  @Test("a gap continues until a newer token is in the file")
  func gapOverRestart() throws {
    var count = Self.count(tokenAt: 5)
    count.record(hasToken: false, cause: .serverError, at: Self.after(30))
    let open = Seconds(25, 75, gap: 70, at: 30, .serverError)
    #expect(try Self.restarted(count, expiresAt: nil) == open)
    #expect(try Self.restarted(count, expiresAt: 3600) == open, "not known when it was requested")
    #expect(try Self.restarted(count, requestedAt: 10, expiresAt: 3600) == open, "the token that is not accepted")
    for (requestedAt, gap) in [(35.0, 10.0), (60, 30)] {
      #expect(
        try Self.restarted(count, requestedAt: requestedAt, expiresAt: 3600)
          == Seconds(95 - gap, 5 + gap, gap: gap, at: 30, .serverError))
    }
    #expect(try Self.restarted(count, requestedAt: 60, expiresAt: 65) == Seconds(30, 70, gap: 35, at: 65))
    #expect(try Self.restarted(count, requestedAt: 200, expiresAt: 3600) == open, "requested in the future")
  }

  @Test("after a suspend, a token counts as expired too early, not too late")
  func suspendOverRestart() throws {
    let count = Self.count(tokenAt: 5)
    let asleep = try Self.restarted(count, expiresAt: 70, asleep: 20)
    #expect(asleep == Seconds(45, 55, gap: 50, at: 70))
    #expect(try Self.restarted(count, expiresAt: 500, asleep: 20) == Seconds(95, 5, gap: 5, at: 0))
  }

  // MARK: The stored form

  static let stored = """
    {"availableNanoseconds":90,"changedAtMonotonic":500,"gapCause":"dns","gapStartedAt":7.5,\
    "longestGap":{"cause":"server-error","nanoseconds":6,"startedAt":5.25},"since":1.5,"unavailableNanoseconds":10,\
    "version":1}
    """

  static func decoded(_ text: String) throws -> Availability {
    try JSONDecoder().decode(Availability.self, from: Data(text.utf8))
  }

  @Test("the stored form does not change by accident")
  func storedForm() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let count = try Self.decoded(Self.stored)
    #expect(String(decoding: try encoder.encode(count), as: UTF8.self) == Self.stored)
    #expect(count.isConsistent(at: BootTime(nanoseconds: 500)))
    let gap = try #require(count.totals(at: BootTime(nanoseconds: 1000)).longestGap)
    #expect(gap.length == .nanoseconds(500) && gap.failure == .nameResolution && gap.startedAt == 7.5)
  }

  @Test("a cause that only a later release has counts as unknown, and its text is not shown")
  func unknownCause() throws {
    let count = try Self.decoded(Self.stored.replacing("dns", with: "\\u001b[31m"))
    #expect(try #require(count.totals(at: BootTime(nanoseconds: 1000)).longestGap).failure == nil)
  }

  @Test(
    "a value that no daemon can have stored is discarded",
    arguments: [
      ("\"version\":1", "\"version\":2"), ("\"version\":1", "\"version\":-1"),
      ("\"availableNanoseconds\":90", "\"availableNanoseconds\":-90"),
      ("\"availableNanoseconds\":90", "\"availableNanoseconds\":491"),
      ("\"availableNanoseconds\":90", "\"availableNanoseconds\":9223372036854775807"),
      ("\"unavailableNanoseconds\":10", "\"unavailableNanoseconds\":-10"),
      ("\"unavailableNanoseconds\":10", "\"unavailableNanoseconds\":5"),
      ("\"unavailableNanoseconds\":10", "\"unavailableNanoseconds\":0"),
      ("\"unavailableNanoseconds\":10", "\"unavailableNanoseconds\":9223372036854775807"),
      ("\"changedAtMonotonic\":500", "\"changedAtMonotonic\":501"),
      ("\"changedAtMonotonic\":500", "\"changedAtMonotonic\":99"),
      ("\"changedAtMonotonic\":500", "\"changedAtMonotonic\":-9223372036854775808"),
      ("\"nanoseconds\":6", "\"nanoseconds\":0"), ("\"nanoseconds\":6", "\"nanoseconds\":-6"),
      ("\"nanoseconds\":6", "\"nanoseconds\":11"),
      ("\"longestGap\":{\"cause\":\"server-error\",\"nanoseconds\":6,\"startedAt\":5.25},", ""),
      ("\"gapStartedAt\":7.5,", ""),
      ("\"since\":1.5", "\"since\":1e300"), ("\"since\":1.5", "\"since\":-1e12"),
      ("\"startedAt\":5.25", "\"startedAt\":1e12"), ("\"gapStartedAt\":7.5", "\"gapStartedAt\":1e300"),
    ])
  func hostile(_ right: String, _ wrong: String) throws {
    let text = Self.stored.replacing(right, with: wrong)
    #expect(text != Self.stored)
    let count = try Self.decoded(text)
    let now = Moment(boot: BootTime(nanoseconds: 2000), unix: 10, monotonic: BootTime(nanoseconds: 1000))
    func continued(_ count: Availability) -> Availability? {
      count.continued(writtenAt: BootTime(nanoseconds: 500), requestedAt: nil, expiresAt: nil, at: now)
    }
    #expect(continued(count) == nil)
    #expect(continued(try Self.decoded(Self.stored)) != nil)
  }

  @Test(
    "invalid numbers are discarded", arguments: ["1e400", "NaN", "\"1\"", "0.5", "null", "9223372036854775808"])
  func noNumber(_ number: String) {
    let text = Self.stored.replacing(":500", with: ":\(number)")
    #expect(throws: DecodingError.self) { try Self.decoded(text) }
  }

  @Test("a count that was stored before its last change, or later than now, is discarded")
  func writtenInTheFuture() {
    let count = Self.count(tokenAt: 5)
    let now = Self.after(50)
    for (written, isTaken) in [(4.0, false), (5, true), (50, true), (51, false)] {
      let continued = count.continued(
        writtenAt: Self.after(written).monotonic, requestedAt: nil, expiresAt: nil, at: now)
      #expect((continued != nil) == isTaken, "\(written)")
    }
  }

  @Test("the count continues with any times of the token in the files")
  func extremeTimes() {
    let count = Self.count(tokenAt: 5)
    let times = [nil, .min, -1, 0, 1, .max].map { (time: Int64?) in time.map(BootTime.init(nanoseconds:)) }
    for requestedAt in times {
      for expiresAt in times {
        for hasToken in [true, false] {
          var count = count
          if !hasToken { count.record(hasToken: false, at: Self.after(6)) }
          let now = Self.after(100)
          let next = count.continued(
            writtenAt: Self.after(40).monotonic, requestedAt: requestedAt, expiresAt: expiresAt, at: now)
          #expect(next?.totals(at: now.monotonic).elapsed == .seconds(100))
          #expect(next?.isConsistent(at: now.monotonic) == true)
        }
      }
    }
  }

  // MARK: Random lives

  /// A model of the count: a list of the state at each step of time.
  struct Model {
    var steps: [(length: Int64, hasToken: Bool)] = []

    mutating func add(_ length: Int64, _ hasToken: Bool) { steps.append((length, hasToken)) }

    func sum(_ hasToken: Bool) -> Int64 { steps.filter { $0.hasToken == hasToken }.reduce(0) { $0 + $1.length } }

    var longestGap: Int64 {
      var (longest, present) = (Int64(0), Int64(0))
      for step in steps {
        present = step.hasToken ? 0 : present + step.length
        longest = max(longest, present)
      }
      return longest
    }
  }

  @Test("in every life with restarts, both times add up to the time that has passed, and equal those of a model")
  func randomLives() throws {
    let base = UInt64.random(in: .min ... .max)
    for seed in (0..<1000).map({ base &+ $0 }) {
      var random = SplitMix64(seed: seed)
      var now = Self.start
      func pass(_ nanoseconds: Int64, asleep: Int64 = 0) {
        now.monotonic = now.monotonic + .nanoseconds(nanoseconds)
        now.boot = now.boot + .nanoseconds(nanoseconds + asleep)
        now.unix += Double(nanoseconds + asleep) / 1e9
      }
      var model = Model()
      var hasToken = Bool.random(using: &random)
      var count = Availability(hasToken: hasToken, at: now)
      for step in 0..<60 {
        let length = Int64.random(in: 1...(1 << Int64.random(in: 1...45, using: &random)), using: &random)
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
          // A restart: the document was written some time ago, and the file has what it had.
          let written = now.monotonic
          pass(length)
          let expiry = hasToken ? Int64.random(in: -length...length, using: &random) : nil
          let restored = try #require(
            Self.decoded(String(decoding: try JSONEncoder().encode(count), as: UTF8.self)).continued(
              writtenAt: written, requestedAt: nil, expiresAt: expiry.map { now.boot + .nanoseconds($0) }, at: now))
          count = restored
          let held = hasToken ? min(length, length + (expiry ?? 0)) : 0
          if hasToken { model.add(held, true) }
          model.add(length - held, false)
        default:
          pass(length, asleep: Int64.random(in: 0...3, using: &random) == 0 ? length : 0)
          model.add(length, hasToken)
        }
        if Bool.random(using: &random) { now.unix += Double.random(in: -1e6...1e6, using: &random) }
        hasToken = Bool.random(using: &random)
        count.record(hasToken: hasToken, cause: FailureCode.allCases.randomElement(using: &random), at: now)
        let totals = count.totals(at: now.monotonic)
        let isRight =
          totals.elapsed == now.monotonic - Self.start.monotonic && totals.available == .nanoseconds(model.sum(true))
          && totals.unavailable == .nanoseconds(model.sum(false))
          && totals.longestGap?.length ?? .zero == .nanoseconds(model.longestGap)
          && count.isConsistent(at: now.monotonic)
        guard isRight else {
          Issue.record("seed \(seed), step \(step): \(totals), and the model: \(model)")
          return
        }
      }
    }
  }

  @Test("no stored numbers overflow, and a count that is continued adds up")
  func randomNumbers() throws {
    var random = SplitMix64(seed: .random(in: .min ... .max))
    let numbers: [Int64] = [.min, -1, 0, 1, 6, 10, 90, 100, 499, 500, 501, 1 << 40, .max]
    var taken = 0
    for _ in 0..<20_000 {
      var text = Self.stored
      for member in ["availableNanoseconds\":90", "unavailableNanoseconds\":10", "changedAtMonotonic\":500", "ds\":6"] {
        guard Bool.random(using: &random), let number = numbers.randomElement(using: &random) else { continue }
        text = text.replacing(member, with: "\(member.prefix { $0 != ":" }):\(number)")
      }
      if Bool.random(using: &random) {
        text = text.replacing("\"gapCause\":\"dns\",\"gapStartedAt\":7.5,", with: "")
      }
      let count = try Self.decoded(text)
      let written = BootTime(nanoseconds: numbers.randomElement(using: &random) ?? 0)
      let now = Moment(boot: BootTime(nanoseconds: .max), unix: 1e9, monotonic: BootTime(nanoseconds: .max))
      let expiry = Bool.random(using: &random) ? numbers.randomElement(using: &random) : nil
      _ = count.totals(at: written)
      guard
        let next = count.continued(
          writtenAt: written, requestedAt: expiry.map(BootTime.init(nanoseconds:)),
          expiresAt: expiry.map(BootTime.init(nanoseconds:)), at: now)
      else { continue }
      taken += 1
      let before = count.totals(at: now.monotonic).elapsed
      #expect(next.totals(at: now.monotonic).elapsed == before && next.isConsistent(at: now.monotonic), "\(text)")
    }
    #expect(taken > 100)
  }
}
