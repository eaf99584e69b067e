import Dispatch
import Synchronization

/// A time limit.
///
/// All limits share one Dispatch timer, because each change of a timer wakes Dispatch's thread for timers. A cancelled
/// limit changes nothing: its time passes without an effect.
struct LimitTimer: Sendable {
  private let number: UInt64

  /// Calls `handler` once after `time`, on a queue of all limits, unless the limit is cancelled before.
  init(_ time: Duration, handler: @escaping @Sendable () -> Void) {
    let nanoseconds = Int(clamping: max(.zero, time).nanoseconds)
    number = LimitClock.shared.add(at: .now() + .nanoseconds(nanoseconds), handler)
  }

  /// Cancels the limit. `handler` is not called any more, unless its time has come.
  func cancel() { LimitClock.shared.remove(number) }
}

/// The timer of all time limits.
///
/// It is `Sendable` because the source is created once, and Dispatch lets any thread set it.
private final class LimitClock: @unchecked Sendable {
  static let shared = LimitClock()

  private struct Limits {
    var lastNumber: UInt64 = 0
    var pending: [UInt64: (time: DispatchTime, handler: @Sendable () -> Void)] = [:]
    /// When the timer fires; `nil` if it is not set.
    var next: DispatchTime?
  }

  private let limits = Mutex(Limits())
  private let source = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "limits"))

  private init() {
    source.setEventHandler { [unowned self] in fire() }
    source.activate()
  }

  func add(at time: DispatchTime, _ handler: @escaping @Sendable () -> Void) -> UInt64 {
    limits.withLock { limits in
      limits.lastNumber += 1
      limits.pending[limits.lastNumber] = (time, handler)
      if limits.next.map({ time < $0 }) ?? true { set(time, &limits) }
      return limits.lastNumber
    }
  }

  func remove(_ number: UInt64) {
    limits.withLock { limits in
      limits.pending[number] = nil
      // The memory of a table that was large for a moment is returned.
      if limits.pending.isEmpty { limits.pending = [:] }
    }
  }

  private func fire() {
    let due = limits.withLock { limits in
      let now = DispatchTime.now()
      let due = limits.pending.filter { $0.value.time <= now }
      for number in due.keys { limits.pending[number] = nil }
      limits.next = nil
      if let next = limits.pending.values.map(\.time).min() { set(next, &limits) }
      return due.sorted { ($0.value.time, $0.key) < ($1.value.time, $1.key) }
    }
    for (_, limit) in due { limit.handler() }
  }

  private func set(_ time: DispatchTime, _ limits: inout Limits) {
    limits.next = time
    source.schedule(deadline: time, leeway: .milliseconds(10))
  }
}
