import Dispatch
import Logging
import Synchronization
import Systemd

/// The messages to systemd, sent in their order beside the broker.
///
/// sd_notify(3) waits while the queue of systemd's socket is full: as long as systemd is busy, and for ever when it has
/// frozen after a fault of its own. The tokens must not wait with it, and what it has not read yet must not accumulate.
final class Outbox: Sendable {
  typealias Message = @Sendable (Notifier) throws(SystemCallFailure) -> Void

  /// What a message is about. A message that waits is replaced by the next of its kind, which is sent after those
  /// before it.
  enum Kind {
    case ready, reloading, stopping, status, startTimeout, socket, configuration
  }

  let notifier = Notifier()
  private let queue = DispatchQueue(label: "notify")
  private let logger: Logger
  private let hasComplained = Atomic(false)
  private let waiting = Mutex<[(kind: Kind, message: Message)]>([])

  init(logger: Logger) {
    self.logger = logger
  }

  /// Sends `message` after those before it, in place of one of its kind that was not sent yet.
  func send(_ kind: Kind, _ message: @escaping Message) {
    guard notifier.isSupervised else { return }
    let isFirst = waiting.withLock { waiting in
      defer {
        waiting.removeAll { $0.kind == kind }
        waiting.append((kind, message))
      }
      return waiting.isEmpty
    }
    if isFirst { queue.async { self.deliverWaiting() } }
  }

  /// Sends `message` after those before it, and returns when that is done. If nothing else is on its way, it does so
  /// on the calling thread, so that no other is woken for it.
  func sendAndWait(_ message: Message) {
    guard notifier.isSupervised else { return }
    queue.sync { deliver(message) }
  }

  /// Waits until everything was sent, but not beyond `limit`: the process is about to end.
  func flush(until limit: DispatchTime) {
    guard notifier.isSupervised else { return }
    queue.flush(until: limit)
  }

  private func deliverWaiting() {
    while let next = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { deliver(next.message) }
  }

  /// A notification that fails is worth one line in the log, and never the daemon.
  private func deliver(_ message: Message) {
    do throws(SystemCallFailure) { try message(notifier) } catch {
      guard !hasComplained.exchange(true, ordering: .relaxed) else { return }
      logger.warning("cannot notify systemd: \(error); NotifyAccess=main must be set in the unit")
    }
  }
}
