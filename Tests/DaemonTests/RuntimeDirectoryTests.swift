import Base
import Glibc
import KonexusSandbox
import Testing

/// What administrators do to the daemon's own directory.
@Suite("Runtime directory", .inTurn)
struct RuntimeDirectoryTests {
  @Test(
    "a changed mode that would cost tokens is undone at once; one that only lets more users read stays",
    arguments: [0o777, 0o770, 0o700, 0o000, 0o550] as [mode_t])
  func mode(_ mode: mode_t) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let directory = scene.workplace.runtimeDirectory
      func now() -> mode_t {
        var status = stat()
        return stat(directory, &status) == 0 ? status.st_mode & 0o7777 : 0
      }
      #expect(chmod(directory, 0o755) == 0)
      try await scene.pass(0.5)
      #expect(now() == 0o755)
      #expect(chmod(directory, mode) == 0)
      try await scene.wait(for: "the mode", atMost: 20) { now() == 0o750 | mode & 0o005 }
      let token = scene.token()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "another token") { scene.token().map { $0 != token } ?? false }
      #expect(daemon.log(with: "the mode of \(directory) was", "which would cost tokens").count == 1, "\(daemon.log)")
      #expect(try await CommandRun(["reload"], in: scene.workplace).code == 0)
      #expect(try await CommandRun(["wait"], in: scene.workplace).code == 0)
    }
  }

  @Test("the directory of another user is left alone", .enabled(if: geteuid() == 0, "needs root"))
  func foreign() async throws {
    try await withScene { scene in
      try scene.configure()
      let directory = scene.workplace.runtimeDirectory
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(chown(directory, 65_534, 65_534) == 0 && chmod(directory, 0o700) == 0)
      try await scene.pass(3)
      var status = stat()
      #expect(stat(directory, &status) == 0 && status.st_mode & 0o7777 == 0o700)
      #expect(daemon.log(with: "the mode of").isEmpty)
    }
  }
}
