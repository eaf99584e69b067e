import Glibc
import KonexusSandbox
import Testing

/// `run --once`: the first tokens, and no more.
@Suite("run --once", .inTurn)
struct OnceTests {
  private static func run(_ scene: Scene, timeout: Int = 30) async throws -> CommandRun {
    try await CommandRun(
      ["run", "--once", "--start-timeout", "\(timeout)", "--config", scene.workplace.configFile], in: scene.workplace)
  }

  @Test("ends with 0 when every token is in its file; the daemon then takes them over without a request")
  func succeeds() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(503), at: [.token], requests: 1)
      try scene.configure(scene.table("north"), scene.table("south"))
      let run = try await Self.run(scene)
      #expect(run.code == 0, "\(run.errors)")
      let tokens = [scene.token("north"), scene.token("south")]
      #expect(tokens.allSatisfy { $0.map { scene.sandbox.refusal(of: $0) == nil } ?? false })
      let requests = scene.sandbox.counts[.token]
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.counts[.token] == requests)
      #expect([scene.token("north"), scene.token("south")] == tokens)
    }
  }

  @Test("with a token in place already it asks for none")
  func again() async throws {
    try await withScene { scene in
      try scene.configure()
      #expect(try await Self.run(scene).code == 0)
      #expect(try await Self.run(scene).code == 0)
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("ends with 77 when the server refuses one, and says which")
  func refused() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("good"), scene.table("bad", ["client_secret": "\"wrong-secret-here\""]))
      scene.secrets.withLock { _ = $0.insert("wrong-secret-here") }
      let run = try await Self.run(scene)
      #expect(run.code == 77)
      #expect(run.errors.contains("the server refuses the token: bad: NO TOKEN"), "\(run.errors)")
      #expect(!run.errors.contains("wrong-secret-here"))
      #expect(scene.token("good") != nil && scene.token("bad") == nil)
    }
  }

  @Test("ends with 75 when there is no token in time, and says why")
  func late() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(503), at: [.token])
      try scene.configure()
      let run = try await Self.run(scene, timeout: 5)
      #expect(run.code == 75)
      #expect(run.errors.contains("503"), "\(run.errors)")
      #expect(scene.token() == nil)
    }
  }

  @Test("makes its runtime directory where nobody else does")
  func directory() async throws {
    try await withScene { scene in
      try #require(rmdir(scene.workplace.runtimeDirectory) == 0)
      try scene.configure()
      #expect(try await Self.run(scene).code == 0)
      var status = stat()
      #expect(stat(scene.workplace.runtimeDirectory, &status) == 0 && status.st_mode & 0o777 == 0o750)
    }
  }
}
