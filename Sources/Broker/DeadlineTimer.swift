import Base
import Dispatch

/// Fires once at a point of the boot-time clock, as nearly as Dispatch's two clocks allow.
///
/// Dispatch has no timer on `CLOCK_BOOTTIME`. So each deadline has two timers. The one on `CLOCK_MONOTONIC` is right if
/// the wall clock is set, but it does not advance during a suspend. The one on `CLOCK_REALTIME` fires at once after a
/// suspend, but it is late if the clock was set back. If the first of them fires too early, the engine arms both again.
final class DeadlineTimer {
  private let uptime: any DispatchSourceTimer
  private let wall: any DispatchSourceTimer

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

  /// Arms it for `deadline`. A deadline that has passed fires after `late`, so that a state that does not change causes
  /// no busy loop.
  func arm(_ deadline: BootTime, late: Duration = .seconds(1)) {
    // Dispatch's clocks are read first. If the process is stopped between the readings, the timers fire early, and the
    // engine arms them again. In the other order, they would be late.
    let (uptimeNow, wallNow) = (DispatchTime.now(), DispatchWallTime.now())
    let now = Moment.now().boot
    // The time is rounded up. If a timer fired a microsecond early, nothing would be due, and the timer would be armed
    // again without need.
    let wait = deadline > now ? deadline - now + .microseconds(50) : late
    let nanoseconds = Int(min(wait.nanoseconds, Duration.seconds(86_400).nanoseconds))
    uptime.schedule(
      deadline: uptimeNow + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
    wall.schedule(
      wallDeadline: wallNow + DispatchTimeInterval.nanoseconds(nanoseconds), leeway: .milliseconds(1))
  }
}
