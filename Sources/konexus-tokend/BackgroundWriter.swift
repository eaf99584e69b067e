import Dispatch
import Logging
import Synchronization
import TokenBroker

/// Writes `metrics_file` beside the broker: it may lie on a disk, and a disk may hang while the tokens must not.
final class MetricsWriter: Sendable {
  private let queue = DispatchQueue(label: "metrics")
  private let logger: Logger
  /// What is to be written next: whatever comes while the disk hangs takes the place of what came before.
  private let next = Mutex<BrokerStatus?>(nil)
  /// Locked on the queue only, so that nobody waits for it.
  private let file: Mutex<MetricsFile>
  private let hasComplained = Atomic(false)

  init(path: String, logger: Logger) {
    file = Mutex(MetricsFile(path: path))
    self.logger = logger
  }

  /// Has `status` written, unless the same was just before.
  func write(_ status: BrokerStatus) {
    let isExpected = next.withLock { next in
      defer { next = status }
      return next != nil
    }
    if !isExpected { queue.async { self.writeNext() } }
  }

  /// Waits until that is done, but no longer than `limit`.
  func flush(within limit: DispatchTimeInterval) { queue.flush(within: limit) }

  private func writeNext() {
    let status = next.withLock { next in
      defer { next = nil }
      return next
    }
    guard let status else { return }
    do throws(PublicationFailure) {
      try file.withLock { file throws(PublicationFailure) in try file.write(status) }
      hasComplained.store(false, ordering: .relaxed)
    } catch {
      guard !hasComplained.exchange(true, ordering: .relaxed) else { return }
      logger.warning(
        "metrics_file is not written: \(error); its directory must be one that the daemon's user may write to: see metrics.conf among the examples"
      )
    }
  }
}
