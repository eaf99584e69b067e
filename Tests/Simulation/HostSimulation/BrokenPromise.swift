import Base

/// A promise of the engine that was broken in a life.
public struct BrokenPromise: Error, CustomStringConvertible {
  /// What a reader, a server, a unit or systemd observed.
  public var description: String
}

func require(_ condition: Bool, _ promise: @autoclosure () -> String) throws(BrokenPromise) {
  if !condition { throw BrokenPromise(description: promise()) }
}

/// Nanoseconds in a second. All times of the simulation are whole nanoseconds.
let second: Int64 = 1_000_000_000

/// What `DeadlineTimer` adds to each wait, so that a timer never fires too early.
let timerRounding: Int64 = 50_000

extension SplitMix64 {
  /// A number from 0 to `bound` - 1.
  mutating func draw(_ bound: Int64) -> Int64 { Int64(next() % UInt64(max(1, bound))) }
  /// A number of the range.
  mutating func pick(_ range: ClosedRange<Int64>) -> Int64 {
    range.lowerBound + draw(range.upperBound - range.lowerBound + 1)
  }
  /// True once in `oneIn` times.
  mutating func chance(_ oneIn: Int64) -> Bool { draw(oneIn) == 0 }
  /// One of the elements.
  mutating func choose<Element>(_ elements: [Element]) -> Element? {
    elements.isEmpty ? nil : elements[Int(draw(Int64(elements.count)))]
  }
}

/// Seconds for a message.
func seconds(_ nanoseconds: Int64) -> Double { Double(nanoseconds) / 1e9 }
