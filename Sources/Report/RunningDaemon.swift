import CLinux
import Files
import Glibc
public import Publication

/// The process of a daemon, identified by a descriptor. A signal reaches this process or none, even if its id was
/// reused.
public struct RunningDaemon: ~Copyable {
  /// The process id.
  public let pid: Int32

  /// The descriptor from pidfd_open(2). It is negative if the kernel or a system call filter does not allow it.
  private let descriptor: Int32

  /// When the process started.
  private let start: Int64?

  /// The process with an id from systemd.
  public init?(pid: Int32) {
    guard pid > 0 else { return nil }
    let descriptor = linux_pidfd_open(pid)
    guard descriptor >= 0 || errno == ENOSYS || errno == EPERM else { return nil }
    self.pid = pid
    self.descriptor = descriptor
    start = ProcessStart.of(pid)
  }

  /// The daemon that wrote a status. The process must run as the owner of the file, and must have started when the
  /// file says.
  ///
  /// The descriptor is opened first. If the checks then see another process, the descriptor's process has ended.
  public static func find(by loaded: LoadedStatus) -> RunningDaemon? {
    let status = loaded.status
    guard status.bootID == BootID.current, status.stoppedAt == nil, let start = status.processStart,
      let daemon = RunningDaemon(pid: status.pid)
    else { return nil }
    // Files in /proc/PID belong to root if the process cannot be dumped. The directory itself shows its user.
    var process = stat()
    guard daemon.start == start, stat("/proc/\(status.pid)", &process) == 0, process.st_uid == loaded.owner else {
      return nil
    }
    return daemon
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Sends a signal.
  ///
  /// - Returns: 0 or `errno`. `ESRCH` means that the process has ended.
  public borrowing func signal(_ number: Int32) -> Int32 {
    if descriptor >= 0 { return linux_pidfd_send_signal(descriptor, number) == 0 ? 0 : errno }
    guard let start, ProcessStart.of(pid) == start else { return ESRCH }
    return kill(pid, number) == 0 ? 0 : errno
  }

  /// Whether the process runs.
  public var isRunning: Bool { [0, EPERM].contains(signal(0)) }
}
