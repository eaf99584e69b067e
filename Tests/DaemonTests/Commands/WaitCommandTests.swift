import Base
import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct WaitCommandTests {
  /// `wait` with these arguments, and what happens meanwhile.
  private func run(
    _ arguments: String..., in scene: Scene, wrapper: [String] = [],
    meanwhile: (CommandRun.Running) async throws -> Void = { _ in }
  ) async throws -> CommandRun {
    let run = try await CommandRun(["wait"] + arguments, in: scene.workplace, wrapper: wrapper, meanwhile: meanwhile)
    #expect(run.output == "", "\(arguments)")
    return run
  }

  /// Whether a process has a descriptor of inotify(7).
  private func isWatching(_ pid: pid_t) -> Bool {
    let directory = "/proc/\(pid)/fd"
    return ((try? Scene.files(in: directory)) ?? []).contains { name in
      var target = [UInt8](repeating: 0, count: 64)
      let count = readlink("\(directory)/\(name)", &target, target.count)
      return String(decoding: target.prefix(max(0, count)), as: UTF8.self).contains("inotify")
    }
  }

  private func remakeRuntimeDirectory(_ scene: Scene) throws {
    let directory = scene.workplace.runtimeDirectory
    try #require(mkdir(directory, 0o750) == 0 && chmod(directory, 0o750) == 0)
  }

  // MARK: Success

  @Test("with a token in its file it returns at once and prints nothing, also when only the daemon is gone")
  func returns() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      for arguments in [[], ["konexus"], ["konexus", "--timeout", "0s"]] {
        let run = try await CommandRun(["wait"] + arguments, in: scene.workplace)
        #expect(run.code == 0 && run.output == "" && run.errors == "", "\(arguments): \(run.errors)")
      }
      daemon.process.kill()
      #expect(try await run(in: scene).code == 0)
    }
  }

  @Test("started before the daemon, and before its directory, it returns when the first token is there")
  func waitsForTheDaemon() async throws {
    try await withScene { scene in
      try scene.configure()
      let directory = scene.workplace.runtimeDirectory
      try #require(rmdir(directory) == 0)
      scene.sandbox.inject(.status(503), at: [.token])
      let run = try await run("konexus", "--timeout", "2m", in: scene) { running in
        try await scene.wait(for: "a look") { isWatching(running.process.pid) }
        try remakeRuntimeDirectory(scene)
        try await scene.pass(0.5)
        // As systemd does when the service fails and is started again.
        try #require(rmdir(directory) == 0)
        try await scene.pass(0.5)
        try remakeRuntimeDirectory(scene)
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
        #expect(running.process.ending == nil)
        scene.sandbox.clearFaults()
      }
      #expect(run.code == 0 && run.errors == "", "\(run.errors)")
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  @Test("the token of another run that has expired is none")
  func waitsForAnotherToken() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      try await scene.wait(for: "the token's expiry") {
        try await CommandRun(["status"], in: scene.workplace).code == 2
      }
      #expect(scene.token() != nil)
      let vain = try await run("--timeout", "0s", in: scene)
      #expect(vain.code == 2)
      #expect(
        vain.errors == """
          konexus-tokend: the token konexus has expired, and the daemon does not run
          -> start the daemon: \(ServiceCommands.current.start)

          """)
      let good = try await run("--timeout", "2m", in: scene) { running in
        try await scene.wait(for: "a look") { isWatching(running.process.pid) }
        try scene.startDaemon()
      }
      #expect(good.code == 0, "\(good.errors)")
    }
  }

  @Test("it waits for a token that the next configuration has")
  func waitsForTheNextConfiguration() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("north"))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.signal(SIGTERM)
      _ = try await scene.ending(of: daemon)
      let run = try await run("south", "--timeout", "2m", in: scene) { running in
        try await scene.wait(for: "a look") { isWatching(running.process.pid) }
        try await scene.pass(0.5)
        #expect(running.process.ending == nil)
        try scene.configure(scene.table("north"), scene.table("south"))
        try scene.startDaemon()
      }
      #expect(run.code == 0 && run.errors == "", "\(run.errors)")
    }
  }

  @Test("without a name it waits for every token, with one for that alone")
  func several() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("good"), scene.table("bad", ["client_secret": "\"wrong-secret-here\""]))
      scene.secrets.withLock { _ = $0.insert("wrong-secret-here") }
      try scene.startDaemon()
      try await scene.settled()
      #expect(try await run("good", in: scene).code == 0)
      let all = try await run("--timeout", "1s", in: scene)
      #expect(all.code == 2)
      #expect(
        all.errors == """
          konexus-tokend: there is no valid token bad: the token endpoint answered 400 'invalid_client'; \
          1 of 2 tokens in place (waited for SPAN)
          -> see why: konexus-tokend status bad; to wait for one token alone, name it: konexus-tokend wait NAME

          """)
      try scene.configure(scene.table("good"), scene.table("bad"))
      let mended = try await run("--timeout", "2m", in: scene) { running in
        try await scene.wait(for: "a look") { isWatching(running.process.pid) }
        #expect(try await CommandRun(["reload"], in: scene.workplace).code == 0)
      }
      #expect(mended.code == 0, "\(mended.errors)")
    }
  }

  @Test("a token is in place if each of its files is there")
  func files() async throws {
    try await withScene { scene in
      try scene.configure(scene.table() + "[[token.konexus.output]]\nformat = \"header\"\n")
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(try await run("--timeout", "10s", in: scene).code == 0)
      daemon.process.kill()
      #expect(try await run("--timeout", "0s", in: scene).code == 0)
      try #require(unlink(scene.workplace.runtimeDirectory + "/konexus.header") == 0)
      let lost = try await run("--timeout", "0s", in: scene)
      #expect(lost.code == 2)
      #expect(
        lost.errors == """
          konexus-tokend: the token konexus is not in its file DIR/run/konexus.header
          -> see why: konexus-tokend status konexus

          """)
    }
  }

  // MARK: Failure

  @Test("at the end of its time it reports why, with the next command")
  func vain() async throws {
    try await withScene { scene in
      let unstarted = try await run("konexus", "--timeout", "1s", in: scene)
      #expect(unstarted.code == 3)
      #expect(
        unstarted.errors == """
          konexus-tokend: DIR/run/status.json does not exist: no daemon uses this directory, see --directory \
          (waited for SPAN)
          -> \(ServiceCommands.current.status)

          """)
      try scene.configure()
      scene.sandbox.inject(.status(503), at: [.token])
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      let away = try await run("konexus", "--timeout", "1s", in: scene)
      #expect(away.code == 2)
      #expect(
        away.errors == """
          konexus-tokend: there is no valid token konexus: the token endpoint \
          https://localhost:PORT/connect/token answered 503 (waited for SPAN)
          -> see why: konexus-tokend status konexus

          """)
      let unknown = try await run("nonesuch", "--timeout", "1s", in: scene)
      #expect(unknown.code == 3)
      #expect(
        unknown.errors == "konexus-tokend: there is no token 'nonesuch' (waited for SPAN)\n-> name one of: konexus\n")
      scene.sandbox.clearFaults()
      try await scene.settled()
      let hopeless = try await run("nonesuch", "--timeout", "1m", in: scene)
      #expect(hopeless.code == 3)
      #expect(hopeless.errors == "konexus-tokend: there is no token 'nonesuch'\n-> name one of: konexus\n")
      #expect(try await run("--timeout", "soon", in: scene).code == 64)
    }
  }

  @Test("members of the group and root wait with success, others are told what they lack", .enabled(if: geteuid() == 0))
  func users() async throws {
    try await withScene { scene in
      try scene.configure()
      _ = try await ForeignDaemon(in: scene)
      #expect(try await run("konexus", "--timeout", "10s", in: scene).code == 0)
      let other = "--reuid=\(ForeignDaemon.other)"
      let member = ["setpriv", other, "--regid=\(ForeignDaemon.other)", "--groups=\(ForeignDaemon.user)"]
      let inside = try await run("konexus", "--timeout", "10s", in: scene, wrapper: member)
      #expect(inside.code == 0, "\(inside.errors)")
      let outside = try await run(
        "konexus", "--timeout", "1s", in: scene, wrapper: ForeignDaemon.run(as: ForeignDaemon.other))
      #expect(outside.code == 3)
      #expect(
        outside.errors.hasPrefix(
          """
          konexus-tokend: DIR/run/status.json is not readable for this user (waited for SPAN)
          -> use sudo, or join the group that can read the tokens: sudo usermod -aG 
          """), "\(outside.errors)")
    }
  }

  @Test(
    "in a unit it looks for the daemon's directory, not for the unit's own",
    .enabled(if: access("/run/konexus-tokend", F_OK) != 0))
  func inAUnit() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let directory = scene.workplace.runtimeDirectory
      for (arguments, code) in [([], Int32(3)), (["--directory", directory], 0)] {
        let run = try await CommandRun(
          ["wait", "--timeout", "0s"] + arguments, in: scene.workplace, environment: ["INVOCATION_ID": "0"])
        #expect(run.code == code, "\(run.errors)")
        #expect(run.errors.isEmpty || run.errors.contains(" /run/konexus-tokend/status.json "), "\(run.errors)")
      }
    }
  }

  @Test(
    "where the boot's id is hidden, as by ProcSubset=pid, the daemon runs all the same",
    .enabled(if: geteuid() == 0))
  func withoutBootID() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let hidden = ["unshare", "--mount", "sh", "-c", #"mount -t tmpfs tmpfs /proc/sys && exec "$@""#, "sh"]
      let run = try await run("konexus", "--timeout", "0s", in: scene, wrapper: hidden)
      #expect(run.code == 0, "\(run.errors)")
    }
  }

  // MARK: The wait itself

  @Test("it wakes about once a second while nothing changes, and spends next to nothing")
  func sleeps() async throws {
    try await withScene { scene in
      func count(_ pid: pid_t) throws -> Double {
        let text = try #require(Workplace.read("/proc/\(pid)/status"))
        return try #require(try /\nvoluntary_ctxt_switches:\s*([0-9]+)/.firstMatch(in: text).flatMap { Double($0.1) })
      }
      let run = try await run("konexus", in: scene) { running in
        let pid = running.process.pid
        try await scene.wait(for: "a look") { isWatching(pid) }
        try await scene.pass(1)
        let began = Clock.monotonic
        let before = try count(pid)
        try await scene.pass(6)
        let rate = (try count(pid) - before) / (Clock.monotonic - began)
        #expect(rate < 5, "\(rate) a second")
        running.process.signal(SIGTERM)
      }
      #expect(run.code == 128 + SIGTERM && run.errors == "")
    }
  }

  @Test("SIGTERM and SIGINT end it", arguments: [SIGTERM, SIGINT])
  func ends(by signal: Int32) async throws { try await expectEnd(by: signal, asProcessOne: false) }

  @Test(
    "SIGTERM and SIGINT end it as process 1 of a container",
    .enabled(if: geteuid() == 0, "needs root, for a process namespace"), arguments: [SIGTERM, SIGINT])
  func endsAsProcessOne(by signal: Int32) async throws { try await expectEnd(by: signal, asProcessOne: true) }

  private func expectEnd(by signal: Int32, asProcessOne: Bool) async throws {
    try await withScene { scene in
      let container = asProcessOne ? ["unshare", "--pid", "--fork", "--kill-child"] : []
      let run = try await run("--timeout", "10m", in: scene, wrapper: container) { running in
        var pid = running.process.pid
        if asProcessOne {
          try await scene.wait(for: "process 1") {
            let children = Workplace.read("/proc/\(pid)/task/\(pid)/children") ?? ""
            guard let child = pid_t(children.filter { !$0.isWhitespace }) else { return false }
            pid = child
            return true
          }
        }
        try await scene.wait(for: "a look") { isWatching(pid) }
        try #require(kill(pid, signal) == 0)
        try await scene.wait(for: "the end", atMost: 20) { running.process.ending != nil }
      }
      #expect(run.code == 128 + signal)
      #expect(run.errors == "")
    }
  }
}
