import ArgumentParser
import Glibc
import TokenBroker

/// `konexus-tokend reload`: the unit's `ExecReload=`.
///
/// A bare `kill -HUP` returns before the daemon has read anything. With `Type=notify`, systemd takes the reload for done as soon as the
/// command of `ExecReload=` ends and no `RELOADING=1` has come yet, and has no way to hear that it failed: so this waits, and fails.
struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have the service read its settings again, and wait.",
    discussion: """
      This is what `systemctl reload konexus-tokend` runs, with MAINPID and RUNTIME_DIRECTORY set by systemd; without them it \
      asks the daemon that the status file names. It fails if the settings are wrong; the old ones stay in force then.

      Examples:
        sudo systemctl reload konexus-tokend
        konexus-tokend reload    (in the daemon's container)
      """)

  /// A file on tmpfs is looked at this often, in microseconds, until it tells of the reload. systemd ends a reload that takes too long.
  private static let pause: UInt32 = 20_000

  func run() throws {
    let directory = RuntimeEnvironment.current.tokenDirectory
    let daemon = try Self.daemon(in: directory)
    let before = Self.status(of: daemon.pid, in: directory)?.reloads ?? 0
    let refusal = daemon.signal(SIGHUP)
    guard refusal == 0 else {
      Self.fail("cannot signal the daemon (process \(daemon.pid)): \(String(cString: strerror(refusal)))")
    }
    while true {
      if let status = Self.status(of: daemon.pid, in: directory), status.reloads > before {
        if let reason = status.reloadFailure { Self.fail("the old settings hold: \(reason)") }
        return
      }
      guard daemon.isRunning else { Self.fail("the daemon (process \(daemon.pid)) ended meanwhile") }
      usleep(Self.pause)
    }
  }

  /// The process that systemd names; else the daemon that `directory` tells of, as in a container.
  private static func daemon(in directory: String) throws -> RunningDaemon {
    if let given = getenv("MAINPID").map({ String(cString: $0) }) {
      // 1 is the host's init; 0 and negative numbers mean groups of processes.
      guard let number = Int32(given), number > 1 else {
        throw ValidationError("MAINPID is \(Complaint.quoted(given)), which is no process of a service")
      }
      guard let daemon = RunningDaemon(pid: number) else { fail("there is no process \(number), which MAINPID names") }
      return daemon
    }
    let found: FoundStatus
    do throws(StatusFile.Unavailable) { found = try StatusFile.find(in: directory) } catch { fail("\(error)") }
    guard let daemon = RunningDaemon.find(by: found) else { fail("the daemon that \(directory) tells of does not run") }
    return daemon
  }

  /// What this very daemon wrote last; a former one's file does not count.
  private static func status(of daemon: Int32, in directory: String) -> BrokerStatus? {
    (try? StatusFile.read(from: directory)).flatMap { $0.pid == daemon ? $0 : nil }
  }

  private static func fail(_ problem: String) -> Never { Complaint.end(problem, code: EXIT_FAILURE) }
}
