import Glibc

/// A file system whose files hang, break or flood on request (`Tests/FaultyDisk/mount`).
///
/// It stands for a failing disk, or for a network mount without its server.
final class FaultyDisk: Sendable {
  /// What a call on one of its files meets.
  enum Fault: String, CaseIterable, Sendable {
    /// It waits, and no signal ends the waiting.
    case hang
    /// It fails with EIO.
    case `break`
    /// A read returns as much as was asked for, without an end.
    case flood
  }

  /// Where the daemon sees it.
  let directory: String
  /// The files behind it, which never hang.
  let backing: String
  private let server: ChildProcess

  init(in workplace: Workplace, name: String = "disk") async throws {
    directory = "\(workplace.path)/\(name)"
    backing = "\(workplace.path)/\(name).files"
    for path in [directory, backing] {
      guard mkdir(path, 0o755) == 0 else { throw HarnessError("cannot make \(path)") }
    }
    server = try ChildProcess(
      [Promtool.repository + "/Tests/FaultyDisk/mount", backing, directory], environment: ["PATH": "/usr/bin:/bin"],
      errors: workplace.path + "/\(name).log")
    let device = Self.device(of: backing)
    for _ in 0..<500 where Self.device(of: directory) == device { try await Task.sleep(for: .milliseconds(20)) }
    guard Self.device(of: directory) != device else {
      throw HarnessError("no faulty disk: \(Workplace.read(workplace.path + "/\(name).log") ?? "")")
    }
  }

  /// Sets the fault of calls from now on; nil for none.
  func set(_ fault: Fault?) throws {
    guard let fault else {
      unlink(backing + ".mode")
      return
    }
    let descriptor = open(backing + ".mode.new", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(descriptor) }
    let text = Array(fault.rawValue.utf8)
    guard write(descriptor, text, text.count) == text.count, rename(backing + ".mode.new", backing + ".mode") == 0
    else { throw HarnessError("cannot set \(fault)") }
  }

  /// Ends the file system. Calls that hang continue. Call this before the workplace is removed.
  func end() {
    unlink(backing + ".mode")
    umount2(directory, Int32(MNT_DETACH))
    server.kill()
  }

  private static func device(of path: String) -> UInt {
    var status = stat()
    return stat(path, &status) == 0 ? UInt(status.st_dev) : 0
  }

  /// Whether this machine lets root mount such file systems and has the program for it.
  static let isAvailable =
    geteuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0
    && access("/usr/lib/python3/dist-packages/fusepy.py", R_OK) == 0
}
