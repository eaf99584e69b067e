import Base
import Dispatch

/// Fires once at a point of the boot-time clock, as nearly as Dispatch's two clocks allow.
///
/// Dispatch cannot arm a timer on `CLOCK_BOOTTIME`. So two timers stand for each deadline: one on `CLOCK_MONOTONIC`, which is right when
/// the wall clock is set but stands still in suspend, and one on `CLOCK_REALTIME`, which fires at once after a suspend but is wrong when the clock
/// was set back. Whichever fires first wakes the lifecycle, which looks at the boot-time clock and arms again if it is too early.
final class DeadlineTimer {
  private let uptime: any DispatchSourceTimer
  private let wall: any DispatchSourceTimer
  private(set) var deadline: BootTime?

  /// A timer that calls `handler` on `queue`; not armed yet.
  init(queue: DispatchQueue, handler: @escaping @Sendable () -> Void) {
    uptime = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
    wall = DispatchSource.makeTimerSource(flags: .strict, queue: queue)
    for timer in [uptime, wall] {
      timer.setEventHandler(handler: handler)
      timer.schedule(wallDeadline: .distantFuture)
      timer.activate()
    }
  }

  deinit {
    uptime.cancel()
    wall.cancel()
  }

  /// Arms it for `deadline`; a deadline that has passed fires after `late`, so that a state that cannot move does not spin.
  func arm(_ deadline: BootTime, now: BootTime, late: Duration = .seconds(1)) {
    self.deadline = deadline
    // Rounded up: a timer that fires a microsecond early would find nothing due, and be armed again for nothing.
    let wait = deadline > now ? deadline - now + .microseconds(50) : late
    let nanoseconds = Int(min(wait.nanoseconds, Duration.seconds(86_400).nanoseconds))
    uptime.schedule(
      deadline: DispatchTime.now() + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
    wall.schedule(
      wallDeadline: DispatchWallTime.now() + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
  }
}
