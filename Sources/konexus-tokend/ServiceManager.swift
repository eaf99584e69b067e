import Base
import Broker
import Dispatch
import Glibc
import Logging
import Publication
import Synchronization
import Systemd

/// Tells systemd how the daemon is: ready, status, still starting, alive. Belongs to the broker's queue.
final class ServiceManager {
  private let outbox: Outbox
  private let logger: Logger
  private let startLimit: BootTime
  private var isReady = false
  private var lastLine = ""
  /// Whether a heartbeat is being made: what there is to tell goes along with it.
  private var isMakingHeartbeat = false
  private var hasUnsentLine = false

  init(_ outbox: Outbox, logger: Logger, startTimeout: Duration) {
    self.outbox = outbox
    self.logger = logger
    startLimit = Moment.now().boot + startTimeout
  }

  /// Half of the time after which systemd takes the daemon for dead; `nil` if it does not watch.
  var heartbeatInterval: Duration? { outbox.notifier.watchdogInterval().map { $0 / 2 } }

  /// Passes on what the broker has to tell: `READY=1` once, `STATUS=` when it changed.
  func report(_ status: BrokerStatus) {
    let line = status.line
    guard status.isReady != isReady || line != lastLine else { return }
    lastLine = line
    if status.isReady, !isReady {
      isReady = true
      hasUnsentLine = false
      outbox.send(.ready) { notifier throws(SystemCallFailure) in try notifier.ready(status: line) }
    } else if isMakingHeartbeat {
      hasUnsentLine = true
    } else {
      outbox.send(.status) { notifier throws(SystemCallFailure) in try notifier.status(line) }
    }
  }

  /// Asks for more time while there is no token yet, up to the limit; called every few seconds.
  ///
  /// - Returns: whether to go on asking.
  func extendStart(by duration: Duration) -> Bool {
    guard !isReady else { return false }
    guard Moment.now().boot < startLimit else {
      logger.error("not ready within the start timeout; systemd decides what happens now")
      return false
    }
    outbox.send(.startTimeout) { notifier throws(SystemCallFailure) in try notifier.extendTimeout(by: duration) }
    return true
  }

  /// What a heartbeat tells: `WATCHDOG=1` if `isAlive` says so, and what was reported meanwhile, in one message: a second one would cost a second
  /// change of context.
  func heartbeat(ifAlive check: () -> Bool) -> Heartbeat {
    isMakingHeartbeat = true
    let isAlive = check()
    isMakingHeartbeat = false
    defer { hasUnsentLine = false }
    return Heartbeat(isAlive: isAlive, line: hasUnsentLine ? lastLine : nil)
  }

  /// A heartbeat that is to be sent.
  struct Heartbeat: Sendable {
    /// Whether the daemon is alive.
    let isAlive: Bool
    /// The status, if it has changed.
    let line: String?

    /// Sends it, if there is anything to tell.
    func send(by notifier: Notifier) throws(SystemCallFailure) {
      if isAlive {
        try notifier.watchdog(status: line)
      } else if let line {
        try notifier.status(line)
      }
    }
  }

  /// `RELOADING=1`; every reload ends with `reloaded`.
  func reloading() {
    outbox.send(.reloading) { notifier throws(SystemCallFailure) in try notifier.reloading() }
  }

  /// `READY=1` again, after a reload that succeeded or failed. A daemon that has no token yet stays "starting".
  func reloaded(_ status: BrokerStatus) {
    lastLine = status.line
    guard isReady else { return report(status) }
    outbox.send(.ready) { [lastLine] notifier throws(SystemCallFailure) in try notifier.ready(status: lastLine) }
  }

  /// Leaves in `systemctl status` why the daemon cannot start.
  func failed(_ reason: String) {
    outbox.send(.status) { notifier throws(SystemCallFailure) in try notifier.status(reason) }
  }

  /// Waits before an exit that `Restart=` does not pace.
  ///
  /// While a unit waits at a socket unit, systemd starts the daemon again at once. After 20 starts within two seconds
  /// (`TriggerLimitBurst=`) it would give up the socket.
  static func pauseBeforeFailure(isActivated: Bool) {
    if isActivated { sleep(2) }
  }

  /// The name under which the credential socket is kept over a restart.
  static let keptSocket = "credential-socket"

  /// Has systemd keep the credential socket, so that a unit which starts while the daemon restarts waits instead of failing.
  func keep(_ socket: Int32?) {
    guard outbox.notifier.isSupervised else { return }
    // A copy: by the time it is sent the socket itself may be closed.
    let copy = socket.map { DescriptorCopy(of: $0) }
    outbox.send(.socket) { notifier throws(SystemCallFailure) in
      try notifier.keep(copy?.descriptor, named: Self.keptSocket)
    }
  }

  /// Has systemd keep the text of the configuration over a restart. Nothing of the former text stays.
  func keep(_ configuration: StoredConfiguration?) {
    outbox.send(.configuration) { notifier throws(SystemCallFailure) in
      try notifier.keep(configuration?.descriptor, named: StoredConfiguration.name)
    }
  }

  /// `STOPPING=1`.
  func stopping() {
    outbox.send(.stopping) { notifier throws(SystemCallFailure) in
      try notifier.stopping(status: "stopping; the tokens stay in their files")
    }
  }

  /// A descriptor of its own that is closed with the last reference: also if the message about it is replaced, and
  /// never sent.
  private final class DescriptorCopy: Sendable {
    let descriptor: Int32
    init(of original: Int32) { descriptor = fcntl(original, F_DUPFD_CLOEXEC, 0) }
    deinit { close(descriptor) }
  }
}

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
  private let hasLoggedFailure = Atomic(false)
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
      guard !hasLoggedFailure.exchange(true, ordering: .relaxed) else { return }
      logger.warning("cannot notify systemd: \(error); NotifyAccess=main must be set in the unit")
    }
  }
}
