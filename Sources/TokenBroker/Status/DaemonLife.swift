import Glibc

/// Whether the daemon that wrote a status is still there.
public enum DaemonLife: Hashable, Sendable {
  /// Its process runs.
  case running
  /// It was told to stop then, seconds since 1970.
  case stopped(at: Double)
  /// It was killed or crashed; what changed last did so then, seconds since 1970.
  case died(after: Double)
  /// The host was booted since.
  case ofAnotherBoot

  /// Looks for the daemon that wrote `status`.
  init(of status: BrokerStatus) {
    self = .running
    guard status.bootID == BootID.current else {
      self = .ofAnotherBoot
      return
    }
    let exists = kill(status.pid, 0) == 0 || errno == EPERM
    let start = ProcessStart.of(status.pid)
    // A process of the same id that started at another time is somebody else.
    let isSame = start == nil || status.processStart == nil || start == status.processStart
    if exists, isSame, status.stoppedAt == nil { return }
    self = status.stoppedAt.map { .stopped(at: $0) } ?? .died(after: status.writtenAt)
  }
}
