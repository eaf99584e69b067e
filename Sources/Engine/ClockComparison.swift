package import Base

/// Finds steps of the host's wall clock and suspends of the host, by comparing readings of its clocks.
///
///     suspend = boot-time clock advanced by more than the monotonic clock
///     step    = wall clock advanced by more, or less, than the boot-time clock
///
/// After a virtual machine was paused or restored from a snapshot, all clocks continue where they stopped, until NTP
/// steps the wall clock. A forward step can therefore mean that tokens have expired: new ones are requested. The old
/// ones stay published, because the step can also be the correction of a wrong clock.
public struct ClockComparison: Sendable {
  /// A difference between two readings that needs attention.
  public struct Change: Hashable, Sendable {
    /// How long the host was suspended, in seconds; `nil` if it was not.
    public var sleep: Double?
    /// By how many seconds the wall clock was stepped; negative if it was set back.
    public var step: Double
    /// Whether the host may have been paused while all its clocks stood still.
    public var mayHavePaused: Bool

    /// The events for each lifecycle, in this order.
    public var events: [LifecycleEvent] {
      let first = sleep != nil || mayHavePaused ? LifecycleEvent.resumed : .woke
      return mayHavePaused ? [first, .refresh] : [first]
    }
  }

  /// Smaller differences have other causes: clocks cannot be read at the same instant, and NTP slews the wall clock.
  static let noticeable = 1.0
  /// NTP does not step a synchronized clock by more than this.
  static let noticeablePause = 5.0

  /// A timer that is late by more than this is armed again. A clock that is only slewed makes that rare.
  static let timerTolerance = 0.01

  private var last: Moment

  /// A comparison that begins with this reading.
  package init(_ first: Moment) {
    last = first
  }

  /// Compares `now` with the previous reading; returns the change, or `nil` if there is none to act on.
  package mutating func compare(_ now: Moment) -> Change? {
    let boot = (now.boot - last.boot).seconds
    let step = now.unix - last.unix - boot
    let sleep = boot - (now.monotonic - last.monotonic).seconds
    last = now
    guard abs(step) > Self.noticeable || sleep > Self.noticeable else { return nil }
    return Change(
      sleep: sleep > Self.noticeable ? sleep : nil, step: step, mayHavePaused: step > Self.noticeablePause)
  }

  /// Whether the wall clock or the monotonic clock fell behind the boot-time clock. A timer on that clock is late.
  static func delaysTimer(from start: Moment, to end: Moment) -> Bool {
    let boot = (end.boot - start.boot).seconds
    let slowest = min(end.unix - start.unix, (end.monotonic - start.monotonic).seconds)
    return boot - slowest > timerTolerance
  }
}
