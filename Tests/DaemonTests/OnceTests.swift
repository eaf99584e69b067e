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

  @Test("reads all spellings of its options, and refuses wrong ones with 64")
  func spellings() async throws {
    try await withScene { scene in
      try scene.configure()
      let file = scene.workplace.configFile
      for options in [["-c", file, "--once"], ["--once", "--config=\(file)", "--start-timeout=30"]] {
        let run = try await CommandRun(["run"] + options, in: scene.workplace)
        #expect(run.code == 0, "\(run.errors)")
      }
      for options in [
        ["--start-timeout", "-5"], ["--start-timeout", "soon"], ["--config"], ["--once", "--onc"], ["--once", "extra"],
      ] {
        let run = try await CommandRun(["run"] + options, in: scene.workplace)
        #expect(run.code == 64 && run.errors.contains("Usage: konexus-tokend run"), "\(options): \(run.errors)")
      }
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
      #expect(run.errors.contains("the server rejects the request: bad: NO TOKEN"), "\(run.errors)")
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

  @Test("ends with 75 when it is stopped before there is a token", arguments: [SIGTERM, SIGINT])
  func stopped(signal: Int32) async throws {
    try await withScene { scene in
      scene.sandbox.inject(.hang, at: [.token])
      try scene.configure()
      let run = try await CommandRun(["run", "--once", "--config", scene.workplace.configFile], in: scene.workplace) {
        running in
        try await scene.wait(for: "the request") { scene.sandbox.counts[.token] == 1 }
        running.process.signal(signal)
      }
      #expect(run.code == 75, "\(run.errors)")
      #expect(scene.token() == nil)
    }
  }

  @Test(
    "is not done while the directory of its token does not answer",
    .enabled(if: FaultyDisk.isAvailable, "needs root, /dev/fuse and python3-fusepy"))
  func hangingDirectory() async throws {
    try await withScene { scene in
      let disk = try await FaultyDisk(in: scene.workplace)
      defer { disk.end() }
      try scene.configure(
        "[daemon]\nallow_persistent_storage = true\n",
        scene.table("konexus", ["file": "\"\(disk.directory)/konexus.token\""]))
      try disk.set(.hang)
      let run = try await CommandRun(["run", "--once", "--config", scene.workplace.configFile], in: scene.workplace) {
        running in
        // After 5 s it gives up.
        try await scene.pass(3)
        #expect(running.process.ending == nil)
        try disk.set(nil)
      }
      #expect(run.code == 0, "\(run.errors)")
      #expect(scene.sandbox.refusal(of: try #require(Workplace.read(disk.backing + "/konexus.token"))) == nil)
    }
  }

  @Test(
    "ends with 75 when it is stopped before the configuration is read",
    .enabled(if: FaultyDisk.isAvailable, "needs root, /dev/fuse and python3-fusepy"))
  func stoppedAtOnce() async throws {
    try await withScene { scene in
      let disk = try await FaultyDisk(in: scene.workplace)
      defer { disk.end() }
      try scene.configure()
      guard rename(scene.workplace.configFile, disk.backing + "/config.toml") == 0 else {
        throw HarnessError("cannot move the configuration")
      }
      try disk.set(.hang)
      let configuration = disk.directory + "/config.toml"
      let run = try await CommandRun(["run", "--once", "--config", configuration], in: scene.workplace) { running in
        try await scene.wait(for: "a line about it") { running.errors.contains("the file system does not answer") }
        running.process.signal(SIGTERM)
        try await scene.wait(for: "the end", atMost: 20) {
          let state = Workplace.read("/proc/\(running.process.pid)/stat") ?? ""
          return running.process.ending != nil || state.contains(") Z ")
        }
        // Until then, a thread in a call of the file system keeps the process from being reaped.
        disk.end()
      }
      #expect(run.code == 75, "\(run.errors)")
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
