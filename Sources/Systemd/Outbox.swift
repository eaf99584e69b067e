public import Dispatch
public import Logging
import Synchronization

/// The messages to systemd, sent in order on a queue of their own.
///
/// sd_notify(3) blocks while systemd's socket is full. This lasts while systemd is busy, and without end after systemd
/// froze. The sender does not wait for it, and unsent messages do not accumulate.
public final class Outbox: Sendable {
  /// A call that sends one message.
  public typealias Message = @Sendable (Notifier) throws(SystemCallFailure) -> Void

  /// The kind of a message. A waiting message is replaced by the next one of its kind, which goes to the end.
  ///
  /// A waiting `RELOADING=1` is replaced together with the `READY=1` behind it, which ends the same reload. Otherwise,
  /// systemd would get that end without its beginning.
  public enum Kind: Sendable {
    case ready, reloading, stopping, status, startTimeout, socket, configuration, workingConfiguration
  }

  /// The notifier that each message gets.
  public let notifier = Notifier()
  private let queue = DispatchQueue(label: "notify")
  private let logger: Logger
  private let hasLoggedFailure = Atomic(false)
  private let waiting = Mutex<[(kind: Kind, message: Message)]>([])

  /// Makes an outbox without messages. A failure is logged to `logger`.
  public init(logger: Logger) {
    self.logger = logger
  }

  /// Sends `message` after the waiting ones. It replaces a waiting message of its kind.
  public func send(_ kind: Kind, _ message: @escaping Message) {
    guard notifier.isSupervised else { return }
    let isFirst = waiting.withLock { waiting in
      defer {
        if kind == .reloading, let beginning = waiting.firstIndex(where: { $0.kind == .reloading }) {
          waiting = waiting[..<beginning] + waiting[beginning...].filter { $0.kind != .ready }
        }
        waiting.removeAll { $0.kind == kind }
        waiting.append((kind, message))
      }
      return waiting.isEmpty
    }
    if isFirst { queue.async { self.deliverWaiting() } }
  }

  /// Sends `message` after the waiting ones, and returns when it is sent. If the queue is idle, the calling thread
  /// sends it, which saves a wake-up.
  public func sendAndWait(_ message: Message) {
    guard notifier.isSupervised else { return }
    queue.sync { deliver(message) }
  }

  /// Waits until all messages are sent, but no longer than `limit`. It is for the end of the process.
  public func flush(until limit: DispatchTime) {
    guard notifier.isSupervised else { return }
    queue.flush(until: limit)
  }

  private func deliverWaiting() {
    while let next = waiting.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { deliver(next.message) }
  }

  /// Sends a message. Only the first failure is logged, and none affects the service.
  private func deliver(_ message: Message) {
    do throws(SystemCallFailure) { try message(notifier) } catch {
      guard !hasLoggedFailure.exchange(true, ordering: .relaxed) else { return }
      logger.warning("cannot notify systemd: \(error); NotifyAccess=main must be set in the unit")
    }
  }
}

extension DispatchQueue {
  /// Waits until the work in this serial queue is done, but no longer than `limit`. It is for the end of the process.
  package func flush(until limit: DispatchTime) {
    let end = DispatchWorkItem {}
    async(execute: end)
    _ = end.wait(timeout: limit)
  }
}
