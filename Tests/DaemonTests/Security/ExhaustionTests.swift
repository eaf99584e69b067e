import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// A daemon that has no file descriptors left.
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
      try await limit("0:1024", of: daemon, in: scene)
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

      try await limit("1024:1024", of: daemon, in: scene)
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

  /// prlimit(1): what descriptors there are stay open, and none is opened anew.
  private func limit(_ limits: String, of daemon: DaemonProcess, in scene: Scene) async throws {
    let command = try ChildProcess(
      ["prlimit", "--pid", "\(daemon.process.pid)", "--nofile=\(limits)"], environment: ["PATH": "/usr/bin:/bin"],
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
