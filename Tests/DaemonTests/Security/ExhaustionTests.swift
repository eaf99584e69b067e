import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// A daemon that has no file descriptors left, or whose files cannot grow.
@Suite("Exhaustion", .inTurn)
struct ExhaustionTests {
  @Test("without descriptors the good token stays, nothing spins, and it goes on once there are some")
  func descriptors() async throws {
    try await withScene { scene in
      let socket = scene.workplace.path + "/credentials"
      try scene.configure("[daemon]\ncredential_socket = \"\(socket)\"\n", scene.table())
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "500000"])
      try await scene.ready()
      let reader = try await scene.startReader()
      let token = try #require(scene.token())
      try await limit("--nofile=0:1024", of: daemon, in: scene)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a failure that tells") { !daemon.log(with: "Too many open files").isEmpty }
      #expect(scene.token() == token)
      // A connection that the daemon cannot accept stays in the backlog.
      let knocking = try connect(to: socket)
      defer { close(knocking) }
      let spent = try #require(daemon.processorTime)
      let start = Clock.monotonic
      try await scene.pass(3)
      let share = try (#require(daemon.processorTime) - spent) / (Clock.monotonic - start)
      // A loop that spins takes one whole, or on a busy machine its part of one.
      #expect(share < 0.2, "\(share) of a processor")
      #expect(scene.token() == token && daemon.process.ending == nil)
      #expect(daemon.log.split(separator: "\n").count < 100, "it fills the log: \(daemon.log)")

      try await limit("--nofile=1024:1024", of: daemon, in: scene)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token") { scene.token() != nil && scene.token() != token }
      try await scene.wait(for: "no failure") { daemon.status?.tokens.first?.failure == nil }
      // The connection in the backlog is not from systemd. The daemon accepts it now, and closes it.
      try await scene.wait(for: "the end of the connection") {
        var byte: UInt8 = 0
        return recv(knocking, &byte, 1, Int32(MSG_DONTWAIT)) == 0
      }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.empty == 0 && report.gaps.isEmpty, "\(report)")
    }
  }

  /// The kernel sends SIGXFSZ to the thread that writes, unless that thread blocks it. The main thread does not.
  @Test(
    "beyond a limit on the size of files it does not end, and reports that; with room it goes on",
    arguments: [true, false])
  func fileSize(isLimitedFromTheStart: Bool) async throws {
    try await withScene { scene in
      // The main thread logs the fault of the second table.
      try scene.configure(scene.table(), scene.table("other", ["client_secret": ""]))
      let atStart = isLimitedFromTheStart ? "16" : "65536"
      let daemon = try scene.startDaemon(wrapper: ["prlimit", "--fsize=\(atStart):unlimited"])
      var token: String?
      if !isLimitedFromTheStart {
        try await scene.settled()
        let held: String = try #require(scene.token())
        token = held
        try await limit("--fsize=16:unlimited", of: daemon, in: scene)
        daemon.signal(SIGUSR1)
      }
      try await scene.wait(for: "a status with the failure") {
        daemon.process.ending != nil || scene.notify.messages.contains { $0.lines.joined().contains("File too large") }
      }
      try #require(daemon.process.ending == nil)
      #expect(scene.token() == token)

      try await limit("--fsize=unlimited:unlimited", of: daemon, in: scene)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token") { scene.token() != nil && scene.token() != token }
      try await scene.wait(for: "no failure") {
        daemon.status?.tokens.first { $0.name == "konexus" }.map { $0.failure == nil } ?? false
      }
    }
  }

  /// prlimit(1). Open descriptors stay open.
  private func limit(_ limit: String, of daemon: DaemonProcess, in scene: Scene) async throws {
    let command = try ChildProcess(
      ["prlimit", "--pid", "\(daemon.process.pid)", limit], environment: ["PATH": "/usr/bin:/bin"],
      errors: scene.workplace.path + "/prlimit-errors")
    try await scene.wait(for: "prlimit") { command.ending != nil }
    try #require(command.ending == .exited(0))
  }

  private func connect(to path: String) throws -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(result == 0, "connect: \(String(cString: strerror(errno)))")
    return descriptor
  }
}
