import Files
import Publication

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

  /// Looks for the daemon that wrote a status.
  init(of found: FoundStatus) {
    let status = found.status
    // A lock proves it where this process cannot know the boot, as in a unit with ProcSubset=pid.
    if !found.isLocked, status.bootID != BootID.current {
      self = .ofAnotherBoot
    } else if let stoppedAt = status.stoppedAt {
      self = .stopped(at: stoppedAt)
    } else if found.isLocked || RunningDaemon.find(by: found)?.isRunning ?? false {
      self = .running
    } else {
      self = .died(after: status.writtenAt)
    }
  }
}
