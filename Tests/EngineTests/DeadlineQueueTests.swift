import Testing
@testable import Base
@testable import Engine

@Suite struct DeadlineQueueTests {
  private static func at(_ seconds: Int64) -> BootTime { BootTime(nanoseconds: seconds * 1_000_000_000) }

  private static func queue(_ tokens: Int) -> DeadlineQueue {
    var queue = DeadlineQueue()
    for _ in 0..<tokens { queue.append() }
    return queue
  }

  @Test func theEarliestDeadlineIsThatInEffect() {
    var queue = Self.queue(2)
    queue.set(Self.at(1), for: 0)
    queue.set(Self.at(2), for: 1)
    queue.set(Self.at(5), for: 0)
    let moved = queue.earliest()
    queue.set(nil, for: 1)
    let removed = queue.earliest()
    queue.set(nil, for: 0)
    let none = queue.earliest()
    #expect(moved == Self.at(2) && removed == Self.at(5) && none == nil)
  }

  @Test func whatIsDueIsReturnedOnce() {
    var queue = Self.queue(4)
    for (token, time) in [3, 1, 2, 9].enumerated() { queue.set(Self.at(Int64(time)), for: token) }
    queue.set(Self.at(8), for: 2)
    let due = queue.popDue(at: Self.at(3))
    let again = queue.popDue(at: Self.at(3))
    let later = queue.popDue(at: Self.at(9))
    #expect(due == [1, 0] && again.isEmpty && later == [2, 3])
  }

  @Test func aRemovedTokenHasNoDeadlineAndTheOthersKeepTheirs() {
    var queue = Self.queue(3)
    for (token, time) in [1, 2, 3].enumerated() { queue.set(Self.at(Int64(time)), for: token) }
    queue.remove(0)
    let earliest = queue.earliest()
    let due = queue.popDue(at: Self.at(9))
    #expect(earliest == Self.at(2) && due == [0, 1])
  }

  /// Deadlines that are replaced again and again do not add up, and none is lost.
  @Test func itHoldsTheSameAsADictionary() {
    var random = SplitMix64(seed: 7)
    var queue = Self.queue(30)
    var times: [Int: BootTime] = [:]
    for _ in 0..<20_000 {
      let token = Int(random.next() % 30)
      let time = random.next() % 8 == 0 ? nil : Self.at(Int64(random.next() % 1000))
      queue.set(time, for: token)
      times[token] = time
    }
    let earliest = queue.earliest()
    #expect(earliest == times.values.min())
    let due = queue.popDue(at: Self.at(500))
    #expect(Set(due) == Set(times.filter { $1 <= Self.at(500) }.keys))
  }
}
