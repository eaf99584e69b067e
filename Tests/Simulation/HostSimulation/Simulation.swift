import Base
import Synchronization

/// Many lives, each from its seed.
public enum Simulation {
  /// A life in which a promise was broken.
  public struct Violation: Sendable, CustomStringConvertible {
    /// The seed that replays it.
    public var seed: UInt64
    /// How many lives were simulated until then.
    public var lives: Int
    /// The promise that was broken.
    public var promise: String

    /// The promise, and how to replay the life.
    public var description: String { "\(promise)\nReplay it: make simulate SEED=\(seed)" }
  }

  /// The size of a simulation.
  public struct Size: Hashable, Sendable {
    /// The number of lives.
    public var lives = 0
    /// How many events their engines have handled.
    public var events = 0
    /// How many token requests they have sent.
    public var requests = 0
  }

  /// Simulates this number of lives on `threads`, with seeds that follow from `seed`. Ends at the first violation.
  public static func run(lives: Int, seed: UInt64, threads: Int) async -> (Size, Violation?) {
    let progress = Progress()
    return await withTaskGroup(of: (Size, Violation?).self) { group in
      for _ in 0..<max(1, threads) {
        group.addTask {
          var size = Size()
          while !progress.isBroken.load(ordering: .relaxed) {
            let number = progress.next.add(1, ordering: .relaxed).oldValue
            guard number < lives else { break }
            let seed = Self.seed(seed, number)
            let (events, requests, promise) = live(seed)
            size.lives += 1
            size.events += events
            size.requests += requests
            guard let promise else { continue }
            progress.isBroken.store(true, ordering: .relaxed)
            return (size, Violation(seed: seed, lives: number + 1, promise: promise))
          }
          return (size, nil)
        }
      }
      return await group.reduce(into: (Size(), nil)) { sum, part in
        sum.0.lives += part.0.lives
        sum.0.events += part.0.events
        sum.0.requests += part.0.requests
        if let violation = part.1, violation.lives < sum.1?.lives ?? .max { sum.1 = violation }
      }
    }
  }

  /// Simulates one life again, and prints its events and effects in order.
  public static func replay(_ seed: UInt64) -> Violation? {
    let (_, _, promise) = live(seed, isPrinted: true)
    return promise.map { Violation(seed: seed, lives: 1, promise: $0) }
  }

  private static func live(_ seed: UInt64, isPrinted: Bool = false) -> (events: Int, requests: Int, promise: String?) {
    var host = SimulatedHost(seed: seed)
    host.isPrinted = isPrinted
    do throws(BrokenPromise) {
      try host.live()
      return (host.handled, host.sends, nil)
    } catch {
      return (host.handled, host.sends, error.description)
    }
  }

  /// What the threads share.
  private final class Progress: Sendable {
    let next = Atomic(0)
    let isBroken = Atomic(false)
  }

  private static func seed(_ base: UInt64, _ number: Int) -> UInt64 {
    var random = SplitMix64(seed: base)
    random = SplitMix64(seed: random.next() &+ UInt64(truncatingIfNeeded: number))
    return random.next()
  }
}
