import Base
import HeapModule

/// The next deadline of each token, and the earliest of all. A token is named by its index.
struct DeadlineQueue: Sendable {
  private struct Entry: Comparable, Sendable {
    var time: BootTime
    var token: Int

    static func < (left: Entry, right: Entry) -> Bool { (left.time, left.token) < (right.time, right.token) }
  }

  private var times: [BootTime?] = []
  /// Every deadline that was set, also those that were replaced. `times` has the ones in effect.
  private var heap = Heap<Entry>()

  /// The earliest deadline.
  mutating func earliest() -> BootTime? {
    while let first = heap.min, times[first.token] != first.time { heap.removeMin() }
    return heap.min?.time
  }

  /// Adds a token without a deadline, after all others.
  mutating func append() { times.append(nil) }

  /// Removes a token. The index of each later one decreases by one.
  mutating func remove(_ token: Int) {
    times.remove(at: token)
    tidy()
  }

  /// Sets the deadline of a token; `nil` for none.
  mutating func set(_ time: BootTime?, for token: Int) {
    guard times[token] != time else { return }
    times[token] = time
    guard let time else { return }
    heap.insert(Entry(time: time, token: token))
    // Most deadlines are replaced before they come.
    if heap.count > 2 * times.count + 64 { tidy() }
  }

  /// Removes the deadlines that were replaced.
  private mutating func tidy() {
    heap = Heap(times.enumerated().compactMap { token, time in time.map { Entry(time: $0, token: token) } })
  }

  /// Removes and returns the tokens whose deadline has come.
  mutating func popDue(at now: BootTime) -> [Int] {
    var tokens: [Int] = []
    while let first = heap.min, first.time <= now {
      heap.removeMin()
      guard times[first.token] == first.time else { continue }
      times[first.token] = nil
      tokens.append(first.token)
    }
    return tokens
  }
}
