import Dispatch
import Logging
import OAuthClient
import Systemd
import TokenBroker

/// Tells systemd how the daemon is: ready, status, still starting, alive. Belongs to the broker's queue.
final class ServiceManager {
  private let notifier = Notifier()
  private let logger: Logger
  private let startLimit: BootTime
  private var isReady = false
  private var lastLine = ""
  /// Whether a heartbeat is being made: what there is to tell goes along with it.
  private var isBeating = false
  private var hasUnsentLine = false
  private var hasComplained = false

  init(logger: Logger, startTimeout: Duration) {
    self.logger = logger
    startLimit = Moment.now().boot + startTimeout
  }

  /// Half of the time after which systemd takes the daemon for dead; `nil` if it does not watch.
  var heartbeat: Duration? { notifier.watchdogInterval().map { $0 / 2 } }

  var isSupervised: Bool { notifier.isSupervised }

  /// Passes on what the broker has to tell: `READY=1` once, `STATUS=` when it changed.
  func report(_ status: BrokerStatus) {
    let line = status.line
    guard status.isReady != isReady || line != lastLine else { return }
    lastLine = line
    if status.isReady, !isReady {
      isReady = true
      hasUnsentLine = false
      send { () throws(SystemCallFailure) in try notifier.ready(status: line) }
    } else if isBeating {
      hasUnsentLine = true
    } else {
      send { () throws(SystemCallFailure) in try notifier.status(line) }
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
    send { () throws(SystemCallFailure) in try notifier.extendTimeout(by: duration) }
    return true
  }

  /// `WATCHDOG=1` if `isAlive` says so, and what was reported meanwhile, in one message: a second one would cost a second change of
  /// context.
  ///
  /// - Returns: what `isAlive` said.
  func beat(ifAlive isAlive: () -> Bool) -> Bool {
    isBeating = true
    let lives = isAlive()
    isBeating = false
    let line = hasUnsentLine ? lastLine : nil
    hasUnsentLine = false
    if lives {
      send { () throws(SystemCallFailure) in try notifier.watchdog(status: line) }
    } else if let line {
      send { () throws(SystemCallFailure) in try notifier.status(line) }
    }
    return lives
  }

  /// `RELOADING=1`; every reload ends with `reloaded`.
  func reloading() {
    send { () throws(SystemCallFailure) in try notifier.reloading() }
  }

  /// `READY=1` again, after a reload that succeeded or failed. A daemon that has no token yet stays "starting".
  func reloaded(_ status: BrokerStatus) {
    lastLine = status.line
    guard isReady else { return report(status) }
    send { () throws(SystemCallFailure) in try notifier.ready(status: status.line) }
  }

  /// Leaves in `systemctl status` why the daemon cannot start.
  func failed(_ reason: String) {
    send { () throws(SystemCallFailure) in try notifier.status(reason) }
  }

  /// The name under which the credential socket is kept over a restart.
  static let keptSocket = "credential-socket"

  /// Has systemd keep the credential socket, so that a unit which starts while the daemon restarts waits instead of failing.
  func keep(_ socket: Int32?) {
    send { () throws(SystemCallFailure) in try notifier.keep(socket, named: Self.keptSocket) }
  }

  /// `STOPPING=1`.
  func stopping() {
    send { () throws(SystemCallFailure) in try notifier.stopping(status: "stopping; the tokens stay in their files") }
  }

  /// A notification that fails is worth one line in the log, and never the daemon.
  private func send(_ notification: () throws(SystemCallFailure) -> Void) {
    do { try notification() } catch {
      guard !hasComplained else { return }
      hasComplained = true
      logger.warning("cannot notify systemd: \(error); NotifyAccess=main must be set in the unit")
    }
  }
}
