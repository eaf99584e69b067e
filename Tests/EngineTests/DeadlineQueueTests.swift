import Testing
@testable import Base
@testable import Engine

@Suite struct DeadlineQueueTests {
  private static func at(_ seconds: Int64) -> BootTime { BootTime(nanoseconds: seconds * 1_000_000_000) }

  @Test func theEarliestDeadlineIsThatInEffect() {
    var queue = DeadlineQueue()
    queue.set(Self.at(1), for: "a")
    queue.set(Self.at(2), for: "b")
    queue.set(Self.at(5), for: "a")
    let moved = queue.earliest()
    queue.set(nil, for: "b")
    let removed = queue.earliest()
    queue.set(nil, for: "a")
    let none = queue.earliest()
    #expect(moved == Self.at(2) && removed == Self.at(5) && none == nil)
  }

  @Test func whatIsDueIsReturnedOnce() {
    var queue = DeadlineQueue()
    for (name, time) in [("a", 3), ("b", 1), ("c", 2), ("d", 9)] as [(String, Int64)] {
      queue.set(Self.at(time), for: name)
    }
    queue.set(Self.at(8), for: "c")
    let due = queue.popDue(at: Self.at(3))
    let again = queue.popDue(at: Self.at(3))
    let later = queue.popDue(at: Self.at(9))
    #expect(due == ["b", "a"] && again.isEmpty && later == ["c", "d"])
  }

  /// Deadlines that are replaced again and again do not add up, and none is lost.
  @Test func itHoldsTheSameAsADictionary() {
    var random = SplitMix64(seed: 7)
    var queue = DeadlineQueue()
    var times: [String: BootTime] = [:]
    for _ in 0..<20_000 {
      let name = "t\(random.next() % 30)"
      let time = random.next() % 8 == 0 ? nil : Self.at(Int64(random.next() % 1000))
      queue.set(time, for: name)
      times[name] = time
    }
    let earliest = queue.earliest()
    #expect(earliest == times.values.min())
    let due = queue.popDue(at: Self.at(500))
    #expect(Set(due) == Set(times.filter { $1 <= Self.at(500) }.keys))
  }
}
