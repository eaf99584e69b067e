import Broker
import Dispatch
import Files
import Logging
import Publication
import Settings
import Synchronization

/// A file with the daemon's status.
protocol StatusSink: Sendable {
  mutating func write(_ status: BrokerStatus) throws(PublicationFailure)
}

extension MetricsFile: StatusSink {}
extension StatusFile: StatusSink {}

/// Writes a status file on a queue of its own, because a file on a disk can hang. The broker does not wait for it.
final class BackgroundWriter<Sink: StatusSink>: Sendable {
  private let queue = DispatchQueue(label: "writer")
  private let logger: Logger
  /// The message for a failure, with a remedy.
  private let failureMessage: @Sendable (PublicationFailure) -> String
  /// The status to write next. While the disk hangs, a newer status replaces it.
  private let next = Mutex<BrokerStatus?>(nil)
  /// Locked only on the queue, so that no other thread waits for it.
  private let sink: Mutex<Sink>
  private let hasLoggedFailure = Atomic(false)

  init(_ sink: sending Sink, logger: Logger, failureMessage: @escaping @Sendable (PublicationFailure) -> String) {
    self.sink = Mutex(sink)
    self.logger = logger
    self.failureMessage = failureMessage
  }

  /// Writes `status` later, unless it equals the previous one.
  func write(_ status: BrokerStatus) {
    let isExpected = next.withLock { next in
      defer { next = status }
      return next != nil
    }
    if !isExpected { queue.async { self.writeNext() } }
  }

  /// Waits until everything is written, but no longer than `limit`.
  func flush(until limit: DispatchTime) { queue.flush(until: limit) }

  private func writeNext() {
    let status = next.withLock { next in
      defer { next = nil }
      return next
    }
    guard let status else { return }
    do throws(PublicationFailure) {
      try sink.withLock { sink throws(PublicationFailure) in try sink.write(status) }
      hasLoggedFailure.store(false, ordering: .relaxed)
    } catch {
      guard !hasLoggedFailure.exchange(true, ordering: .relaxed) else { return }
      logger.warning("\(failureMessage(error))")
    }
  }
}

extension BackgroundWriter<MetricsFile> {
  /// A writer of `metrics_file`; `nil` if the settings name none.
  convenience init?(_ settings: DaemonSettings, logger: Logger) {
    guard let path = settings.metricsFile else { return nil }
    self.init(MetricsFile(path: path), logger: logger) {
      "metrics_file is not written: \($0); its directory must be one that the daemon's user may write to: see "
        + "metrics.conf among the examples"
    }
  }
}

extension DispatchQueue {
  /// Waits until the work in this serial queue is done, but no longer than `limit`. For the end of the process.
  func flush(until limit: DispatchTime) {
    let end = DispatchWorkItem {}
    async(execute: end)
    _ = end.wait(timeout: limit)
  }
}
