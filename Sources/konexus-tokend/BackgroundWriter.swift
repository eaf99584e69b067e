import Broker
import Dispatch
import Files
import Logging
import Publication
import Settings
import Synchronization

/// A file that shows the daemon's status.
protocol StatusSink: Sendable {
  mutating func write(_ status: BrokerStatus) throws(PublicationFailure)
}

extension MetricsFile: StatusSink {}
extension StatusFile: StatusSink {}

/// Writes a file beside the broker: it may be on a disk, and a disk may hang while the tokens must not.
final class BackgroundWriter<Sink: StatusSink>: Sendable {
  private let queue = DispatchQueue(label: "writer")
  private let logger: Logger
  /// What a failure means, and what to do about it.
  private let failureMessage: @Sendable (PublicationFailure) -> String
  /// What is to be written next: what comes while the disk hangs takes the place of what came before.
  private let next = Mutex<BrokerStatus?>(nil)
  /// Locked on the queue only, so that no other thread waits for it.
  private let sink: Mutex<Sink>
  private let hasLoggedFailure = Atomic(false)

  init(_ sink: sending Sink, logger: Logger, failureMessage: @escaping @Sendable (PublicationFailure) -> String) {
    self.sink = Mutex(sink)
    self.logger = logger
    self.failureMessage = failureMessage
  }

  /// Has `status` written, unless the same was just before.
  func write(_ status: BrokerStatus) {
    let isExpected = next.withLock { next in
      defer { next = status }
      return next != nil
    }
    if !isExpected { queue.async { self.writeNext() } }
  }

  /// Waits until that is done, but not beyond `limit`.
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
      "metrics_file is not written: \($0); its directory must be one that the daemon's user may write to: see metrics.conf among the examples"
    }
  }
}

extension DispatchQueue {
  /// Waits until all that was put into this serial queue is done, but not beyond `limit`: the process is about to end.
  func flush(until limit: DispatchTime) {
    let end = DispatchWorkItem {}
    async(execute: end)
    _ = end.wait(timeout: limit)
  }
}
