import Glibc

/// A disk that one daemon sees and that can be made to hang: writes then wait, and no signal interrupts them.
///
/// An ext4 file system in a file, mounted in a mount namespace of the daemon's own, and fsfreeze(8).
struct HangingDisk: Sendable {
  /// Where the daemon sees it.
  let directory: String
  /// Put before the daemon's command.
  let wrapper: [String]

  init(in workplace: Workplace) throws {
    directory = workplace.path + "/disk"
    guard mkdir(directory, 0o755) == 0 else { throw HarnessError("cannot make \(directory)") }
    wrapper = [
      "unshare", "-m", "sh", "-c",
      #"truncate -s 16M "$0" && /sbin/mkfs.ext4 -q "$0" && mount -o loop "$0" "$1" && shift && exec "$@""#,
      workplace.path + "/image", directory,
    ]
  }

  /// Everything that is written waits from now on.
  func freeze(for daemon: DaemonProcess) throws { try run("-f", daemon) }

  /// Lets the writes that wait continue.
  func thaw(for daemon: DaemonProcess) throws { try run("-u", daemon) }

  /// A file's text, as the daemon sees it.
  func read(_ name: String, for daemon: DaemonProcess) -> String? {
    Workplace.read(path(for: daemon) + "/" + name)
  }

  private func path(for daemon: DaemonProcess) -> String { "/proc/\(daemon.process.pid)/root\(directory)" }

  private func run(_ option: String, _ daemon: DaemonProcess) throws {
    let process = try ChildProcess(
      ["fsfreeze", option, path(for: daemon)], environment: Self.environment, errors: "/dev/null")
    guard process.wait() == .exited(0) else { throw HarnessError("fsfreeze \(option) failed") }
  }

  private static let environment = ["PATH": "/usr/bin:/bin:/usr/sbin:/sbin"]

  /// Whether this machine grants loop devices and has the programs.
  static let isAvailable: Bool = {
    guard geteuid() == 0, let workplace = try? Workplace() else { return false }
    defer { workplace.remove() }
    guard let disk = try? HangingDisk(in: workplace),
      let trial = try? ChildProcess(
        disk.wrapper + ["sh", "-c", #"fsfreeze -f "$0" && fsfreeze -u "$0""#, disk.directory], environment: environment,
        errors: "/dev/null")
    else { return false }
    return trial.wait() == .exited(0)
  }()
}
