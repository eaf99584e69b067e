import Glibc

/// A wall clock of one daemon's own, which a test may set; its other clocks, and the machine's, stay as they are.
struct WallClock: Sendable {
  private let file: String
  /// For the daemon.
  let environment: [String: String]

  /// A clock that is right.
  init(in workplace: Workplace) throws {
    file = workplace.path + "/clock"
    environment = ["LD_PRELOAD": try Preload.wallClock.get(), "WALLCLOCK_FILE": file]
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
}
