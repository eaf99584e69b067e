import Glibc
import KonexusSandbox
import Testing

/// SIGHUP with settings that changed, well or badly.
@Suite("Reload", .inTurn)
struct ReloadTests {
  @Test("a table that is removed and added again during an attempt: the old attempt's token is not published")
  func removedAndAdded() async throws {
    let client = SandboxClient(id: "c", secrets: ["secret-of-client-c"], scopes: ["tamarack"])
    try await withScene(options: { $0.clients = [client] }) { scene in
      scene.secrets.withLock { $0.formUnion(client.secrets) }
      let other = scene.table("other", ["issuer": "\"https://localhost:1\""])
      try scene.configure(scene.table("konexus"), other)
      // The attempt has its token and waits for the keys.
      scene.sandbox.inject(.delay(seconds: 4), at: [.jwks], requests: 1)
      let daemon = try scene.startDaemon()
      try await scene.sandbox.waitForRequests(1, at: .jwks)
      try scene.configure(other)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the removal") { daemon.status?.reloads == 1 }
      // The server rejects what the new table asks for.
      try scene.configure(
        scene.table("konexus", ["audience": "\"narrow-api\"", "scope": "\"narrow\""]), other)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the rejection") {
        daemon.status?.tokens.first { $0.name == "konexus" }?.failure?.code == "invalid-scope"
      }
      // The keys that the old attempt waits for come meanwhile.
      try await scene.pass(4.5)
      #expect(scene.token() == nil)
      #expect(daemon.status?.tokens.first { $0.name == "konexus" }?.condition == .absent)
    }
  }

  @Test("a broken configuration changes nothing: it is said, systemd is answered, and the mended one is taken")
  func broken() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      try scene.configure(scene.table("konexus", ["mode": "640"]), scene.table("added"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the answer to systemd") { scene.notify.count(of: "READY=1") == 2 }
      let status = try #require(scene.notify.messages.last { $0["READY"] == "1" }?["STATUS"])
      #expect(status.contains("previous configuration in use") && status.contains("mode"), "\(status)")
      #expect(daemon.status?.configurationProblem != nil)
      try await scene.wait(for: "a refresh with the old settings") { reader.report().tokens >= 2 }
      #expect(scene.token("added") == nil)
      try scene.configure(scene.table(), scene.table("added"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the added token") { scene.token("added") != nil }
      try await scene.wait(for: "no more complaint") { daemon.status.map { $0.configurationProblem == nil } ?? false }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test(
    "require_at_jwt that is demanded from now on: a new token is asked for at once, and the old one stays meanwhile")
  func stricter() async throws {
    try await withScene(options: { $0.settings.tokenType = "JWT" }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      try scene.configure(scene.table("konexus", ["require_at_jwt": "true"]))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the refusal") { daemon.status?.tokens.first?.failure?.code == "wrong-type" }
      #expect(scene.token() == token)
      scene.sandbox.update { $0.tokenType = "at+jwt" }
      daemon.signal(SIGHUP)
      try await scene.wait(for: "one of that type") { scene.token() != token && scene.token() != nil }
    }
  }

  @Test("konexus-tokend reload finds the daemon without systemd, waits, and fails if the settings are wrong")
  func command() async throws {
    try await withScene { scene in
      try scene.configure()
      var run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 1 && run.errors.contains("does not run"), "\(run.errors)")
      let daemon = try scene.startDaemon(isSupervised: false)
      try await scene.wait(for: "its status") { daemon.status?.isReady ?? false }
      try scene.configure(scene.table(), scene.table("added"))
      run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 0, "\(run.errors)")
      #expect(daemon.status?.tokens.map(\.name) == ["konexus", "added"])
      try scene.configure(scene.table("konexus", ["mode": "640"]))
      run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 1 && run.errors.contains("previous configuration stays in use"), "\(run.errors)")
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 1 && run.errors.contains("does not run"), "\(run.errors)")
    }
  }

  @Test("commands that connect and say nothing cost no processor time, and the next one is answered")
  func idleCommands() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let commands = try (0..<24).map { _ in
        try #require(Self.connect(to: scene.workplace.runtimeDirectory + "/control"))
      }
      defer { for command in commands { close(command) } }
      try await scene.pass(0.5)
      let before = try #require(daemon.processorTime)
      try await scene.pass(2)
      let spent = try #require(daemon.processorTime) - before
      #expect(spent < 0.5, "\(spent) s of a processor's time in 2 s")
      let run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 0, "\(run.errors)")
    }
  }

  private static func connect(to path: String) -> Int32? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let result = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    return result == 0 ? descriptor : nil
  }

  @Test("a removed table takes its file along, an added one appears, the others do not notice")
  func tables() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("stays"), scene.table("goes"))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader(of: "stays")
      let token = scene.token("stays")
      try scene.configure(scene.table("comes"), scene.table("stays"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the change") { scene.token("goes") == nil && scene.token("comes") != nil }
      let files = try Scene.files(in: scene.workplace.runtimeDirectory)
      #expect(!files.contains { $0.hasPrefix("goes") }, "\(files)")
      #expect(scene.token("stays") == token && scene.sandbox.counts[.token] == 3)
      #expect(reader.finish().gaps.isEmpty)
    }
  }

  @Test(
    "another scope forces a new token; the good one stays until it is there", arguments: ["scope", "client_secret"])
  func changedSettings(key: String) async throws {
    let client = SandboxClient(
      id: "c", secrets: ["first-secret-of-c", "second-secret-of-c"], scopes: ["tamarack", "other"])
    try await withScene(options: { $0.clients = [client] }) { scene in
      scene.secrets.withLock { $0.formUnion(client.secrets) }
      try scene.configure(scene.table("konexus", ["client_secret": "\"first-secret-of-c\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      let before = scene.token()
      let change: KeyValuePairs<String, String> =
        key == "scope"
        ? ["client_secret": "\"first-secret-of-c\"", "scope": "[\"tamarack\", \"other\"]"]
        : ["client_secret": "\"second-secret-of-c\""]
      try await scene.pass(1.1)
      try scene.configure(scene.table("konexus", change))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "another token") { scene.token() != before }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("another file: the token moves there, the old file goes")
  func movedFile() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      let file = scene.workplace.runtimeDirectory + "/elsewhere"
      try scene.configure(scene.table("konexus", ["file": "\"\(file)\"", "mode": "\"0600\""]))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the move") { Workplace.read(file) == token && scene.token() == nil }
      #expect(scene.sandbox.counts[.token] == 1, "the token itself is still good")
    }
  }

  /// Moves the token into a directory without room, and performs.
  private func withMoveIntoFullDirectory(
    lifetime: Int64,
    _ perform: (Scene, DaemonProcess, _ file: String, _ makeRoom: () async throws -> Void) async throws -> Void
  ) async throws {
    try await withScene(lifetime: lifetime) { scene in
      let directory = scene.workplace.path + "/full"
      func run(_ command: String...) async throws {
        let process = try ChildProcess(
          command, environment: ["PATH": "/usr/bin:/bin"], errors: scene.workplace.path + "/mount-errors")
        try await scene.wait(for: command[0]) { process.ending != nil }
        try #require(process.ending == .exited(0), "\(command)")
      }
      try #require(mkdir(directory, 0o750) == 0)
      // The directory and the lock file in it.
      try await run("mount", "-t", "tmpfs", "-o", "nr_inodes=2,mode=0750", "konexus", directory)
      do {
        let metrics = "[daemon]\nmetrics_file = \"\(scene.workplace.path)/konexus.prom\"\n"
        try scene.configure(metrics, scene.table())
        let daemon = try scene.startDaemon()
        try await scene.settled()
        try scene.configure(metrics, scene.table("konexus", ["file": "\"\(directory)/konexus.token\""]))
        daemon.signal(SIGHUP)
        try await scene.wait(for: "the reload's end") { daemon.status?.reloads == 1 }
        try await perform(scene, daemon, directory + "/konexus.token") {
          try await run("mount", "-o", "remount,nr_inodes=100", directory)
        }
        daemon.process.kill()
      } catch {
        try await run("umount", "--lazy", directory)
        throw error
      }
      try await run("umount", "--lazy", directory)
    }
  }

  @Test(
    "a move to a place that cannot be written: the token stays where it was, and is refreshed there, until it can",
    .enabled(if: geteuid() == 0))
  func movedToFullDirectory() async throws {
    try await withMoveIntoFullDirectory(lifetime: 8) { scene, daemon, file, makeRoom in
      let before = try #require(scene.token())
      let reader = try await scene.startReader()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.publicationFailure != nil }
      let failure = daemon.status?.tokens.first?.publicationFailure ?? ""
      #expect(failure.contains("No space left") && failure.contains(scene.workplace.tokenFile()), "\(failure)")
      #expect(daemon.log(with: "error", failure).count == 1, "\(daemon.log)")
      try await scene.wait(for: "the metric") {
        Workplace.read(scene.workplace.path + "/konexus.prom")?
          .contains("token_refresh_failing{token=\"konexus\"} 1") ?? false
      }
      try await scene.wait(for: "two newer tokens in the former place") { reader.report().tokens >= 3 }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
      #expect(scene.token() != before && Workplace.read(file) == nil)
      try await makeRoom()
      try await scene.wait(for: "the move", atMost: 20) { Workplace.read(file) != nil && scene.token() == nil }
      try await scene.wait(for: "no more complaint") {
        daemon.status?.tokens.first.map { $0.publicationFailure == nil && $0.outputs.map(\.path) == [file] } ?? false
      }
      let files = try Scene.files(in: scene.workplace.runtimeDirectory)
      #expect(!files.contains { $0.hasPrefix("konexus.") }, "\(files)")
    }
  }

  @Test(
    "a move to a place that cannot be written: the token leaves its former place when it expires",
    .enabled(if: geteuid() == 0), arguments: [false, true])
  func movedToFullDirectoryAndExpired(afterCrash: Bool) async throws {
    try await withMoveIntoFullDirectory(lifetime: 6) { scene, daemon, file, _ in
      await scene.sandbox.down()
      let token = try #require(scene.token())
      #expect(scene.sandbox.refusal(of: token) == nil)
      if afterCrash {
        daemon.signal(SIGKILL)
        _ = try await scene.ending(of: daemon)
        let next = try scene.startDaemon()
        try await scene.wait(for: "the former place's end", atMost: 8) { scene.token() == nil }
        next.process.kill()
      } else {
        try await scene.wait(for: "the end of the token", atMost: 8) { scene.token() == nil }
      }
    }
  }

  @Test("two tables that change files with each other: each file gets the other's token, and is never away")
  func swappedFiles() async throws {
    try await withScene { scene in
      let first = scene.workplace.runtimeDirectory + "/first"
      let second = scene.workplace.runtimeDirectory + "/second"
      try scene.configure(
        scene.table("a", ["file": "\"\(first)\""]), scene.table("b", ["file": "\"\(second)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let (a, b) = (Workplace.read(first), Workplace.read(second))
      let readers = [
        try TokenReader(first, sandbox: scene.sandbox, in: scene.workplace),
        try TokenReader(second, sandbox: scene.sandbox, in: scene.workplace),
      ]
      for reader in readers { try await scene.wait(for: "a reader") { reader.readings.contains { $0.isToken } } }
      try scene.configure(
        scene.table("a", ["file": "\"\(second)\""]), scene.table("b", ["file": "\"\(first)\""]))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the swap") { Workplace.read(first) == b && Workplace.read(second) == a }
      try await scene.wait(for: "the reload's end") { daemon.status?.reloads == 1 }
      for reader in readers { try await scene.wait(for: "a reader's look") { reader.report().tokens == 2 } }
      for reader in readers {
        let report = reader.finish()
        #expect(report.refused.isEmpty && report.gaps.isEmpty && report.tokens == 2, "\(report)")
      }
      #expect(scene.sandbox.counts[.token] == 2)
    }
  }

  @Test("a refused token is asked for at once after a reload: the person who mended it does not wait five minutes")
  func refusedThenMended() async throws {
    try await withScene { scene in
      let path = scene.workplace.path + "/secret"
      try scene.workplace.write("wrong-secret", to: path)
      scene.secrets.withLock { _ = $0.insert("wrong-secret") }
      try scene.configure(
        scene.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the refusal") { daemon.status?.tokens.first?.failure?.code == "invalid-client" }
      try scene.workplace.write(scene.sandbox.clientSecret, to: path)
      try await scene.pass(1.1)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "a token", atMost: 20) { scene.token() != nil }
      try await scene.ready()
    }
  }
}
