import Base
import CSystemd
import Glibc

/// Notifications to the service manager (sd_notify(3)).
///
/// Without `NOTIFY_SOCKET` in the environment, each call does nothing and succeeds. This is the case in a terminal and
/// in most containers. A call that fails throws, so that the caller can log it. A service must not stop because of it.
///
/// ```swift
/// let notifier = Notifier()
/// do { try notifier.ready(status: "serving") } catch { logger.warning("\(error)") }
/// ```
public struct Notifier: Sendable {
  /// The longest status that is sent, in bytes of UTF-8. A longer one is cut, because systemd drops a datagram of more
  /// than 4096 bytes, with the `READY=1` in it.
  public static let maximumStatusLength = 2048

  /// Whether `NOTIFY_SOCKET` was set when this value was made.
  public let isSupervised: Bool

  /// Reads `NOTIFY_SOCKET`. The environment stays as it is.
  public init() {
    isSupervised = getenv("NOTIFY_SOCKET").map { $0.pointee != 0 } ?? false
  }

  /// Reports that the start or a reload is complete: `READY=1`, with a status in the same message.
  public func ready(status: String) throws(SystemCallFailure) {
    try send("READY=1", Self.assignment(ofStatus: status))
  }

  /// Sets the line that `systemctl status` shows: `STATUS=`. Line breaks become escapes.
  public func status(_ text: String) throws(SystemCallFailure) {
    try send(Self.assignment(ofStatus: text))
  }

  /// Reports that a reload begins: `RELOADING=1`, with `MONOTONIC_USEC` as `Type=notify-reload` requires.
  /// ``ready(status:)`` ends it, also if the reload failed.
  public func reloading() throws(SystemCallFailure) {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    let microseconds = UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1000
    try send("RELOADING=1", "MONOTONIC_USEC=\(microseconds)")
  }

  /// Reports that the service stops: `STOPPING=1`.
  public func stopping(status: String) throws(SystemCallFailure) {
    try send("STOPPING=1", Self.assignment(ofStatus: status))
  }

  /// Sends a heartbeat for `WatchdogSec=`: `WATCHDOG=1`. It is due at half of ``watchdogInterval()``.
  ///
  /// A status goes into the same message, because each message wakes the manager.
  public func watchdog(status: String? = nil) throws(SystemCallFailure) {
    if let status { try send("WATCHDOG=1", Self.assignment(ofStatus: status)) } else { try send("WATCHDOG=1") }
  }

  /// Reports that the service has failed: `WATCHDOG=trigger` makes the manager act as if the interval had passed.
  public func triggerWatchdog() throws(SystemCallFailure) {
    try send("WATCHDOG=trigger")
  }

  /// Requests more time, `duration` from now on, for the present start, reload or stop: `EXTEND_TIMEOUT_USEC=`.
  ///
  /// The manager kills the service if neither the next such message nor the end comes in that time.
  public func extendTimeout(by duration: Duration) throws(SystemCallFailure) {
    let (seconds, attoseconds) = duration.components
    try send("EXTEND_TIMEOUT_USEC=\(max(0, seconds) * 1_000_000 + max(0, attoseconds) / 1_000_000_000_000)")
  }

  /// Stores a descriptor in the manager over a restart of the service: `FDSTORE=1`, which needs
  /// `FileDescriptorStoreMax=`.
  ///
  /// The next process finds it in ``ListenDescriptor/takeAll()`` under this name. It replaces the one that was stored
  /// under the name before; `nil` only removes that.
  public func keep(_ descriptor: Int32?, named name: String) throws(SystemCallFailure) {
    try send("FDSTOREREMOVE=1", "FDNAME=" + name)
    guard isSupervised, let descriptor else { return }
    var descriptors = [descriptor]
    let result = sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" + name, &descriptors, 1)
    if result < 0 { throw SystemCallFailure(call: "sd_pid_notify_with_fds", code: result) }
  }

  /// The interval in which the manager expects ``watchdog(status:)``, by sd_watchdog_enabled(3).
  ///
  /// `nil` if no watchdog watches this process. Then `WATCHDOG_USEC` is unset or not a number, or `WATCHDOG_PID` is
  /// another process.
  public func watchdogInterval() -> Duration? {
    var microseconds: UInt64 = 0
    guard sd_watchdog_enabled(0, &microseconds) > 0 else { return nil }
    return .microseconds(Int64(clamping: microseconds))
  }

  /// A status on one line and of limited length.
  ///
  /// A message to the manager is a list of lines `NAME=VALUE`: a line break in a status could set other values.
  private static func assignment(ofStatus text: String) -> String {
    var line = String.UnicodeScalarView()
    var length = 0
    for scalar in Printable.escaped(text).unicodeScalars {
      length += UTF8.width(scalar)
      guard length <= maximumStatusLength - 3 else {
        line.append("…")
        break
      }
      line.append(scalar)
    }
    return "STATUS=" + String(line)
  }

  private func send(_ assignments: String...) throws(SystemCallFailure) {
    guard isSupervised else { return }
    let result = sd_notify(0, assignments.joined(separator: "\n"))
    if result < 0 { throw SystemCallFailure(call: "sd_notify", code: result) }
  }
}

/// A socket that the service manager opened for this process: socket activation (sd_listen_fds(3)).
public struct ListenDescriptor: Hashable, Sendable {
  /// The open descriptor, close-on-exec. The caller of `takeAll` closes it.
  public let descriptor: Int32
  /// The name from `FileDescriptorName=`; the socket unit's name if there is none.
  public let name: String

  /// Takes all descriptors that were passed; empty if there are none.
  ///
  /// Removes `LISTEN_PID`, `LISTEN_FDS` and `LISTEN_FDNAMES` from the environment, so that a second call, or a child,
  /// finds none. Call it before another thread runs that can read the environment.
  ///
  /// - Throws: `SystemCallFailure` if the variables are malformed or a descriptor is not open.
  public static func takeAll() throws(SystemCallFailure) -> [ListenDescriptor] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    let count = sd_listen_fds_with_names(1, &names)
    defer {
      var index = 0
      while let name = names?[index] {
        free(name)
        index += 1
      }
      free(names)
    }
    guard count >= 0 else { throw SystemCallFailure(call: "sd_listen_fds_with_names", code: count) }
    return (0..<count).map { offset in
      let name = names?[Int(offset)].map { String(cString: $0) }
      return ListenDescriptor(descriptor: SD_LISTEN_FDS_START + offset, name: name ?? "unknown")
    }
  }

  /// Closes the descriptor.
  public func close() {
    _ = Glibc.close(descriptor)
  }
}

/// A call into the system or into libsystemd that failed.
public struct SystemCallFailure: Error, Hashable, Sendable {
  /// The call's name, such as `sd_notify`.
  public let call: String
  /// The error number, positive, as in errno(3).
  public let code: Int32

  /// A failure of `call`. The code can be negative, as libsystemd returns it.
  public init(call: String, code: Int32) {
    self.call = call
    self.code = code < 0 ? -code : code
  }
}

extension SystemCallFailure: CustomStringConvertible {
  /// The call and the error, such as `sd_notify: Connection refused`.
  public var description: String { "\(call): \(SystemError.text(code))" }
}
