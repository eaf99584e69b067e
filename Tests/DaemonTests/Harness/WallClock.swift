import Glibc

/// A wall clock of one daemon's own, which a test may set; its other clocks, and the machine's, stay as they are.
struct WallClock: Sendable {
  private let file: String
  /// For the daemon.
  let environment: [String: String]

  /// A clock that is right.
  init(in workplace: Workplace) throws {
    file = workplace.path + "/clock"
    environment = ["LD_PRELOAD": try Self.library.get(), "WALLCLOCK_FILE": file]
    try set(ahead: 0)
  }

  /// Sets it to be `seconds` ahead of the machine's, at once.
  func set(ahead seconds: Int) throws {
    // In place and always as long: a daemon that looks meanwhile finds the one time or the other.
    let digits = "\(seconds.magnitude)"
    let text = (seconds < 0 ? "-" : "+") + String(repeating: "0", count: 15 - digits.count) + digits
    let descriptor = open(file, O_WRONLY | O_CREAT, 0o644)
    defer { close(descriptor) }
    guard pwrite(descriptor, text, text.utf8.count, 0) == text.utf8.count else {
      throw HarnessError("cannot write \(file): \(String(cString: strerror(errno)))")
    }
  }

  /// The library that is put before the C library, made beside the tests' binary.
  private static let library = Result { try build(DaemonProcess.binary + ".wallclock.so") }

  /// The program that waits for a time of its wall clock, made beside the tests' binary.
  static let timer = Result { try build(DaemonProcess.binary + ".timer", "timer") }

  private static func build(_ path: String, _ arguments: String...) throws -> String {
    let directory = #filePath.replacing("/DaemonTests/Harness/WallClock.swift", with: "/WallClock")
    let search = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
    let errors = "/dev/shm/konexus-wallclock.\(getpid())"
    defer { unlink(errors) }
    let build = try ChildProcess(
      [directory + "/build", path] + arguments, environment: ["PATH": search], errors: errors)
    guard build.wait() == .exited(0) else {
      throw HarnessError("cannot make \(path): \(Workplace.read(errors) ?? "")")
    }
    return path
  }
}
