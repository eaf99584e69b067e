import Base
import HeapModule

/// The next deadline of each token, and the earliest of all.
struct DeadlineQueue: Sendable {
  private struct Entry: Comparable, Sendable {
    var time: BootTime
    var name: String

    static func < (left: Entry, right: Entry) -> Bool { (left.time, left.name) < (right.time, right.name) }
  }

  private var times: [String: BootTime] = [:]
  /// Every deadline that was set, also those that no longer hold: `times` tells.
  private var heap = Heap<Entry>()

  /// The earliest deadline.
  mutating func earliest() -> BootTime? {
    while let first = heap.min, times[first.name] != first.time { heap.removeMin() }
    return heap.min?.time
  }

  /// Sets the deadline of a token; `nil`: none.
  mutating func set(_ time: BootTime?, for name: String) {
    guard times[name] != time else { return }
    times[name] = time
    guard let time else { return }
    heap.insert(Entry(time: time, name: name))
    // Most deadlines are replaced before they come.
    if heap.count > 2 * times.count + 64 { heap = Heap(times.map { Entry(time: $1, name: $0) }) }
  }

  /// Removes and returns the tokens whose deadline has come.
  mutating func popDue(at now: BootTime) -> [String] {
    var names: [String] = []
    while let first = heap.min, first.time <= now {
      heap.removeMin()
      guard times[first.name] == first.time else { continue }
      times[first.name] = nil
      names.append(first.name)
    }
    return names
  }
}
