import Dispatch
import Logging
import Synchronization
import Systemd

/// What systemd is told, one message after the other, beside the broker.
///
/// sd_notify(3) waits while the queue of systemd's socket is full: for as long as systemd is busy, and for ever when it has frozen after a fault of its
/// own, while all services go on. The tokens must not wait with it.
final class Outbox: Sendable {
  typealias Message = @Sendable (Notifier) throws(SystemCallFailure) -> Void

  let notifier = Notifier()
  private let queue = DispatchQueue(label: "notify")
  private let logger: Logger
  private let hasComplained = Atomic(false)

  init(logger: Logger) {
    self.logger = logger
  }

  /// Sends `message` after those before it.
  func send(_ message: @escaping Message) {
    guard notifier.isSupervised else { return }
    queue.async { self.deliver(message) }
  }

  /// Sends `message` after those before it, and returns when that is done. On the calling thread if nothing else is on its way, so that no other is woken for it.
  func sendAndWait(_ message: Message) {
    guard notifier.isSupervised else { return }
    queue.sync { deliver(message) }
  }

  /// Waits until everything was sent, but no longer than `limit`: the process is about to end.
  func flush(within limit: DispatchTimeInterval) {
    guard notifier.isSupervised else { return }
    queue.flush(within: limit)
  }

  /// A notification that fails is worth one line in the log, and never the daemon.
  private func deliver(_ message: Message) {
    do throws(SystemCallFailure) { try message(notifier) } catch {
      guard !hasComplained.exchange(true, ordering: .relaxed) else { return }
      logger.warning("cannot notify systemd: \(error); NotifyAccess=main must be set in the unit")
    }
  }
}
