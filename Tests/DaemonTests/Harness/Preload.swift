import Glibc

/// What the folder Preload makes: libraries that are put before the C library, and a program for a test of one.
enum Preload {
  /// A wall clock of one program's own.
  static let wallClock = build("wallclock")
  /// A program that waits for a time of its wall clock.
  static let timer = build("timer")
  /// The reset of a new connection comes before libcurl asks for the peer's name.
  static let lateName = build("latename")
  /// The kernel refuses to send.
  static let firewall = build("firewall")

  /// The path of a product, beside the tests' binary.
  private static func build(_ name: String) -> Result<String, any Error> {
    Result {
      let script = #filePath.replacing("/DaemonTests/Harness/Preload.swift", with: "/Preload/build")
      let path = DaemonProcess.binary + ".\(name)"
      let search = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
      let errors = "/dev/shm/konexus-\(name).\(getpid())"
      defer { unlink(errors) }
      let build = try ChildProcess([script, name, path], environment: ["PATH": search], errors: errors)
      guard build.wait() == .exited(0) else {
        throw HarnessError("cannot make \(path): \(Workplace.read(errors) ?? "")")
      }
      return path
    }
  }
}
