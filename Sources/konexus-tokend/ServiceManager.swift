import Base
import Broker
import Glibc
import Logging
import Publication
import Synchronization
import Systemd

/// Notifies systemd of the daemon's state: starting, ready, status text, alive. It belongs to the broker's queue.
final class ServiceManager {
  private let outbox: Outbox
  private let logger: Logger
  private let startLimit: BootTime
  private var isReady = false
  private let text = StatusText()
  /// Whether a heartbeat is being made. A changed status text is sent with it.
  private var isMakingHeartbeat = false
  private var hasUnsentText = false

  init(_ outbox: Outbox, logger: Logger, startTimeout: Duration) {
    self.outbox = outbox
    self.logger = logger
    startLimit = Moment.now().boot + startTimeout
  }

  /// Half of the watchdog timeout; `nil` without a watchdog.
  var heartbeatInterval: Duration? { outbox.notifier.watchdogInterval().map { $0 / 2 } }

  /// Sends the broker's status: `READY=1` once, and `STATUS=` if the text changed.
  func report(_ status: BrokerStatus) {
    guard text.change(to: status.line) || status.isReady != isReady else { return }
    if status.isReady, !isReady {
      isReady = true
      hasUnsentText = false
      sendReady()
    } else if isMakingHeartbeat {
      hasUnsentText = true
    } else {
      sendText()
    }
  }

  /// Extends the start timeout while there is no token, up to the limit. It is called every few seconds.
  ///
  /// - Returns: whether to continue.
  func extendStart(by duration: Duration) -> Bool {
    guard !isReady else { return false }
    guard Moment.now().boot < startLimit else {
      logger.error("not ready within the start timeout; systemd decides what happens now")
      return false
    }
    outbox.send(.startTimeout) { notifier throws(SystemCallFailure) in try notifier.extendTimeout(by: duration) }
    return true
  }

  /// Makes a heartbeat: `WATCHDOG=1` if `check` returns true, and a changed status text. One message saves a context
  /// switch.
  func heartbeat(ifAlive check: () -> Bool) -> Heartbeat {
    isMakingHeartbeat = true
    let isAlive = check()
    isMakingHeartbeat = false
    defer { hasUnsentText = false }
    return Heartbeat(isAlive: isAlive, text: hasUnsentText ? text : nil)
  }

  /// A heartbeat to send.
  struct Heartbeat: Sendable {
    /// Whether the daemon is alive.
    let isAlive: Bool
    /// The status text, if it changed.
    let text: StatusText?

    /// Sends the status text, if it changed. It also feeds the watchdog, if there is one and the daemon is alive.
    func send(by notifier: Notifier, hasWatchdog: Bool) throws(SystemCallFailure) {
      if hasWatchdog, isAlive {
        try notifier.watchdog(status: text?.newest)
      } else if let text {
        try notifier.status(text.newest)
      }
    }
  }

  /// Sends `RELOADING=1`. Each reload ends with `reloaded`.
  func reloading() {
    outbox.send(.reloading) { notifier throws(SystemCallFailure) in try notifier.reloading() }
  }

  /// Sends `READY=1` after a reload, successful or not. A daemon without a token stays "starting".
  func reloaded(_ status: BrokerStatus) {
    guard isReady else { return report(status) }
    text.change(to: status.line)
    sendReady()
  }

  private func sendReady() {
    outbox.send(.ready) { [text] notifier throws(SystemCallFailure) in try notifier.ready(status: text.newest) }
  }

  private func sendText() {
    outbox.send(.status) { [text] notifier throws(SystemCallFailure) in try notifier.status(text.newest) }
  }

  /// Shows in `systemctl status` why the daemon cannot start.
  func failed(_ reason: String) {
    text.change(to: reason)
    sendText()
  }

  /// Waits before an exit if `Restart=` does not delay the next start.
  ///
  /// While a unit waits at a socket unit, systemd starts the daemon again at once. After 20 starts within two seconds
  /// (`TriggerLimitBurst=`), it would give up the socket.
  static func pauseBeforeFailure(isActivated: Bool) {
    if isActivated { sleep(2) }
  }

  /// The name of the credential socket in systemd's file descriptor store.
  static let keptSocket = "credential-socket"

  /// Stores the credential socket in systemd. A unit that starts during a restart of the daemon waits instead of
  /// failing.
  func keep(_ socket: Int32?) {
    guard outbox.notifier.isSupervised else { return }
    // This is a copy, because the socket can be closed before the message is sent.
    let copy = socket.map { DescriptorCopy(of: $0) }
    outbox.send(.socket) { notifier throws(SystemCallFailure) in
      try notifier.keep(copy?.descriptor, named: Self.keptSocket)
    }
  }

  /// Stores the text of the configuration in systemd for the next start. It replaces the previous text.
  func keep(_ configuration: StoredConfiguration?) {
    outbox.send(.configuration) { notifier throws(SystemCallFailure) in
      try notifier.keep(configuration?.descriptor, named: StoredConfiguration.name)
    }
  }

  /// Stores the text with which tokens came last; `nil` removes it.
  func keep(working configuration: StoredConfiguration?) {
    outbox.send(.workingConfiguration) { notifier throws(SystemCallFailure) in
      try notifier.keep(configuration?.descriptor, named: StoredConfiguration.workingName)
    }
  }

  /// Sends `STOPPING=1`.
  func stopping() {
    text.change(to: "stopping; the tokens stay in their files")
    outbox.send(.stopping) { [text] notifier throws(SystemCallFailure) in try notifier.stopping(status: text.newest) }
  }

  /// A duplicate of a descriptor. It is closed with the last reference, even if its message is never sent.
  private final class DescriptorCopy: Sendable {
    let descriptor: Int32
    init(of original: Int32) { descriptor = fcntl(original, F_DUPFD_CLOEXEC, 0) }
    deinit { close(descriptor) }
  }
}

/// The status text for systemd.
///
/// A message gets the newest text when it is sent, because systemd keeps the last one, and a message can wait behind
/// others.
final class StatusText: Sendable {
  private let text = Mutex("")

  var newest: String { text.withLock { $0 } }

  /// Sets the text; returns whether it changed.
  @discardableResult func change(to text: String) -> Bool {
    self.text.withLock { newest in
      defer { newest = text }
      return newest != text
    }
  }
}
