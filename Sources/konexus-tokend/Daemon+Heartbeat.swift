import Base
import Broker
import Glibc
import Systemd

/// The heartbeats of the main thread.
extension Daemon {
  /// Checks files and clocks, and sends heartbeats while the broker's queue answers. It never returns, and it occupies
  /// the main thread.
  ///
  /// An idle queue runs a `sync` block on the calling thread. So a heartbeat causes one wake-up, while a timer needs
  /// several threads. If the queue hangs, this thread waits for it and sends no heartbeats.
  nonisolated func runHeartbeat() -> Never {
    // dispatchMain() unblocks all signals in this thread on Linux, and the signal sources then lose some of them.
    let heartbeatInterval = broker.queue.sync { assumeIsolated { $0.manager.heartbeatInterval } }
    var next = Moment.now().monotonic
    while true {
      // The checks are also needed without a watchdog, in a container or if the kernel does not report changes of
      // files.
      let look = broker.queue.sync { broker.assumeIsolated { $0.lookPeriod } }
      let period = min(heartbeatInterval ?? look, look)
      next = next + period
      var end = timespec(tv_sec: Int(next.nanoseconds / 1_000_000_000), tv_nsec: Int(next.nanoseconds % 1_000_000_000))
      while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nil) == EINTR {}
      let heartbeat = broker.queue.sync { assumeIsolated { $0.heartbeat() } }
      outbox.sendAndWait { notifier throws(SystemCallFailure) in
        try heartbeat.send(by: notifier, hasWatchdog: heartbeatInterval != nil)
      }
      // If the process was suspended, one heartbeat replaces those that were missed.
      let now = Moment.now().monotonic
      if now > next + period { next = now }
    }
  }
}
