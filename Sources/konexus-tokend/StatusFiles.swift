import Dispatch
import Files
import Logging
import Publication
import Settings
import Synchronization
import Systemd

/// The files that show the daemon's status: `status.json` and the metrics file. They belong to the broker's queue.
final class StatusFiles {
  private let directory: String
  private var logger: Logger
  private var statusFile: StatusFile
  /// Writes the status in place of `statusFile` if the runtime directory can be on a disk.
  private let statusWriter: BackgroundWriter<StatusFile>?
  private var metrics: BackgroundWriter<MetricsFile>?
  private var metricsPath: String?
  private var hasLoggedFailure = false

  init(directory: String, _ settings: DaemonSettings, logger: Logger) {
    self.directory = directory
    self.logger = logger
    let isPersistent = settings.allowPersistentStorage
    statusFile = StatusFile(directory: directory, allowsPersistentStorage: isPersistent)
    statusWriter =
      isPersistent ? BackgroundWriter(statusFile, logger: logger, failureMessage: Self.failureMessage) : nil
    metrics = BackgroundWriter(settings, logger: logger)
    metricsPath = settings.metricsFile
  }

  /// Whether the runtime directory can be on a disk, where an access can hang.
  var canHang: Bool { statusWriter != nil }

  /// Writes `status`. Only the first of several failures is logged.
  func write(_ status: BrokerStatus) {
    metrics?.write(status)
    if let statusWriter { return statusWriter.write(status) }
    do throws(PublicationFailure) {
      try statusFile.write(status)
      hasLoggedFailure = false
    } catch {
      if !hasLoggedFailure { logger.warning("\(Self.failureMessage(error))") }
      hasLoggedFailure = true
    }
  }

  /// Writes the last status, and waits for it no longer than `limit`.
  func writeLast(_ status: BrokerStatus, until limit: DispatchTime) {
    guard let statusWriter else {
      try? statusFile.write(status)
      return
    }
    statusWriter.write(status)
    statusWriter.flush(until: limit)
  }

  /// Waits for the metrics file, but no longer than `limit`.
  func flushMetrics(until limit: DispatchTime) { metrics?.flush(until: limit) }

  /// Uses the runtime directory after it was made again.
  func reopen() { statusFile = StatusFile(directory: directory, allowsPersistentStorage: false) }

  /// Uses the settings of a reload.
  func use(_ settings: DaemonSettings, logger: Logger) {
    self.logger = logger
    // An unchanged writer stays. A writer that hangs on its disk must not be abandoned at each reload.
    if settings.metricsFile != metricsPath { metrics = BackgroundWriter(settings, logger: logger) }
    metricsPath = settings.metricsFile
  }

  @Sendable private static func failureMessage(_ failure: PublicationFailure) -> String {
    "konexus-tokend status does not work: \(failure)"
  }
}

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
