import Base
import Broker
import Glibc
import KonexusSandbox
import Testing

/// What an administrator breaks in the configuration costs no token.
@Suite("Broken configuration", .inTurn)
struct BrokenConfigurationTests {
  static let brokenTable =
    "[token.broken]\nissuer = \"https://localhost:1\"\nclient_secret = \"secret-of-broken\"\nclient_id = 5\n"

  @Test(
    "a cold start runs the tables without faults, and reports the others",
    arguments: ["table", "secret", "syntax", "header", "same file"])
  func coldStart(fault: String) async throws {
    try await withScene { scene in
      let broken =
        switch fault {
        case "table": Self.brokenTable
        case "secret": scene.table("broken", ["client_secret": "", "client_secret_file": "\"/nowhere/secret\""])
        case "syntax": scene.table("broken") + "timeout = \n"
        case "header":
          "[token.broken\n" + scene.table("broken").split(separator: "\n").dropFirst().joined(separator: "\n")
        default: scene.table("broken", ["file": "\"\(scene.workplace.tokenFile())\""])
        }
      try scene.configure(scene.table("konexus"), broken)
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(scene.token() != nil && scene.token("broken") == nil)
      let problem = try #require(daemon.status?.configurationProblem)
      #expect(problem.hasPrefix("configuration used in part, 1 fault: \(scene.workplace.configFile):"), "\(problem)")
      #expect(scene.notify.status?.contains("configuration used in part") ?? false)
      #expect(daemon.log(with: scene.workplace.configFile, "error:").count >= 1, "\(daemon.log)")
      let status = try await CommandRun(["status"], in: scene.workplace)
      #expect(status.code == 1 && status.output.contains("configuration used in part"), "\(status.output)")
      // The corrected file is taken whole.
      try scene.configure(scene.table("konexus"), scene.table("broken"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the other token") { scene.token("broken") != nil }
      try await scene.wait(for: "no more complaint") { daemon.status.map { $0.configurationProblem == nil } ?? false }
    }
  }

  @Test("a directory that is missing costs its own table only, and the token is there when the directory is")
  func missingDirectory() async throws {
    try await withScene { scene in
      let directory = scene.workplace.path + "/later"
      try scene.configure(scene.table("konexus"), scene.table("later", ["file": "\"\(directory)/t\""]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(scene.token() != nil)
      let later = try #require(daemon.status?.tokens.last)
      #expect(later.condition == .absent && later.publicationFailure?.contains(directory) ?? false, "\(later)")
      guard mkdir(directory, 0o750) == 0 else { throw HarnessError("cannot make \(directory)") }
      try await scene.wait(for: "its token", atMost: 20) { Workplace.read(directory + "/t") != nil }
    }
  }

  @Test("an occupied credential_socket costs the credentials only")
  func occupiedSocket() async throws {
    try await withScene { scene in
      let path = scene.workplace.runtimeDirectory + "/credentials"
      guard mkdir(path, 0o700) == 0 else { throw HarnessError("cannot make \(path)") }
      try scene.configure("[daemon]\ncredential_socket = \"\(path)\"\n", scene.table())
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(scene.token() != nil)
      #expect(daemon.status?.configurationProblem?.contains("units get no credentials") ?? false)
    }
  }

  @Test(
    "an occupied socket of the daemon costs no token and is reported once, and the socket works when its place is free",
    arguments: ["control", "reject.sock"])
  func occupiedDaemonSocket(name: String) async throws {
    try await withScene { scene in
      let path = scene.workplace.runtimeDirectory + "/" + name
      guard mkdir(path, 0o700) == 0 else { throw HarnessError("cannot make \(path)") }
      try scene.configure()
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "500000"])
      try await scene.settled()
      #expect(scene.token() != nil)
      let beats = scene.notify.count(of: "WATCHDOG=1")
      try await scene.wait(for: "beats") { scene.notify.count(of: "WATCHDOG=1") >= beats + 10 }
      #expect(daemon.log(with: "\(path) is there and is no socket", "-> remove it").count == 1, "\(daemon.log)")
      guard rmdir(path) == 0 else { throw HarnessError("cannot remove \(path)") }
      try await scene.wait(for: "an answer", atMost: 20) {
        guard name == "control" else {
          let directory = scene.workplace.runtimeDirectory
          let reply = try? RejectionClient.send(.refresh(name: "konexus"), in: directory, limit: .seconds(10))
          return reply == .requested
        }
        return try await CommandRun(["reload"], in: scene.workplace).code == 0
      }
      var status = stat()
      #expect(lstat(path, &status) == 0 && status.st_mode == S_IFSOCK | (name == "control" ? 0o600 : 0o660))
    }
  }

  @Test("if no table is usable, the daemon ends with 78")
  func nothingUsable() async throws {
    try await withScene { scene in
      try scene.configure(Self.brokenTable)
      let daemon = try scene.startDaemon()
      #expect(try await scene.ending(of: daemon) == .exited(78))
      #expect(daemon.log.contains("client_id"), "\(daemon.log)")
    }
  }

  @Test("run --once does not take a part for the whole")
  func once() async throws {
    try await withScene { scene in
      try scene.configure(scene.table(), Self.brokenTable)
      let run = try await CommandRun(["run", "--once", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == 78 && scene.token() == nil, "\(run.errors)")
    }
  }

  @Test("umask 077: the directory that the daemon makes can be entered by the group")
  func umask() async throws {
    try await withScene { scene in
      try scene.configure()
      rmdir(scene.workplace.runtimeDirectory)
      try scene.startDaemon(wrapper: ["sh", "-c", #"umask 077; exec "$@""#, "sh"])
      try await scene.ready()
      var status = stat()
      #expect(stat(scene.workplace.runtimeDirectory, &status) == 0 && status.st_mode & 0o7777 == 0o750)
    }
  }

  @Test("a runtime directory that is removed is made again, with the tokens, the status and the control socket")
  func removedDirectory() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let token = scene.token()
      let directory = scene.workplace.runtimeDirectory
      for round in 0..<2 {
        // In one step: the daemon restores single files at once.
        #expect(rename(directory, scene.workplace.path + "/removed.\(round)") == 0)
        try await scene.wait(for: "the token", atMost: 20) { scene.token() == token }
        var status = stat()
        #expect(stat(directory, &status) == 0 && status.st_mode & 0o7777 == 0o750)
        try await scene.wait(for: "the status") { daemon.status?.tokens.first?.condition == .valid }
      }
      #expect(try await CommandRun(["reload"], in: scene.workplace).code == 0)
      let second = try scene.startDaemon(isSupervised: false)
      #expect(try await scene.ending(of: second) == .exited(75))
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  @Test(
    "one that cannot be made again is reported with the command, and the daemon goes on",
    .enabled(if: geteuid() == 0, "needs root"))
  func removedForGood() async throws {
    try await withScene { scene in
      try scene.configure()
      let directory = scene.workplace.runtimeDirectory
      chmod(scene.workplace.path, 0o755)
      #expect(chown(directory, 65534, 65534) == 0 && chown(scene.workplace.configFile, 65534, 65534) == 0)
      chmod(scene.workplace.notifySocket, 0o666)
      let daemon = try scene.startDaemon(
        environment: ["WATCHDOG_USEC": "1000000"], wrapper: ["setpriv", "--reuid", "65534", "--clear-groups"])
      try await scene.settled()
      #expect(rename(directory, scene.workplace.path + "/removed") == 0)
      try await scene.wait(for: "the line") {
        !daemon.log(with: "cannot be made again", "-> \(ServiceCommands.current.restart)").isEmpty
      }
      let beats = scene.notify.count(of: "WATCHDOG=1")
      try await scene.wait(for: "beats") { scene.notify.count(of: "WATCHDOG=1") >= beats + 3 }
      #expect(daemon.log(with: "cannot be made again").count == 1)
      #expect(scene.notify.status?.contains("cannot open the directory") ?? false, "\(scene.notify.status ?? "")")
    }
  }

  @Test(
    "an edited file is reported by status, check, the service's status and a metric, until it is in effect; no watchdog"
  )
  func edited() async throws {
    try await withScene { scene in
      let advice = "config.toml is newer than the running configuration -> \(ServiceCommands.current.reload)"
      func status() async throws -> CommandRun { try await CommandRun(["status"], in: scene.workplace) }
      func check() async throws -> CommandRun {
        let variables = ["CREDENTIALS_DIRECTORY": scene.workplace.path]
        return try await CommandRun(["check", "--offline"], in: scene.workplace, environment: variables)
      }
      try scene.configure(scene.metricsTable, scene.table())
      // Without WATCHDOG_USEC, as in a container: what the daemon finds, it finds by itself.
      let daemon = try scene.startDaemon()
      try await scene.settled()
      for run in [try await status(), try await check()] {
        #expect(run.code == 0 && !run.output.contains("newer than"), "\(run.output)")
      }
      try await scene.wait(for: "the metrics") { scene.metric("config_file_changed") == 0 }
      let heartbeat = try #require(scene.metric("last_heartbeat_timestamp_seconds"))
      try scene.configure(scene.metricsTable, scene.table("konexus", ["refresh_at": "0.6"]))
      var run = try await status()
      #expect(run.code == 1 && run.output.contains("DIR/" + advice), "\(run.output)")
      run = try await check()
      #expect(run.code == 0 && run.output.contains("DIR/" + advice), "\(run.output)")
      // The daemon looks once a minute.
      try await scene.wait(for: "the metric", atMost: 100) { scene.metric("config_file_changed") == 1 }
      #expect(scene.notify.status?.contains(advice) ?? false, "\(scene.notify.status ?? "")")
      #expect(daemon.log(with: advice).count == 1, "\(daemon.log)")
      #expect(try #require(scene.metric("last_heartbeat_timestamp_seconds")) > heartbeat + 14)
      #expect(scene.notify.count(of: "WATCHDOG=1") == 0)
      run = try await CommandRun(["reload"], in: scene.workplace)
      #expect(run.code == 0 && run.errors == "", "\(run.errors)")
      for run in [try await status(), try await check()] {
        #expect(run.code == 0 && !run.output.contains("newer than"), "\(run.output)")
      }
      try await scene.wait(for: "the metric") { scene.metric("config_file_changed") == 0 }
      #expect(!(scene.notify.status?.contains("newer than") ?? true))
    }
  }

  @Test(
    "a file that was written again without a change is newer, until root compares its content",
    .enabled(if: geteuid() == 0, "needs root"))
  func rewritten() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let variables = ["KONEXUS_TOKEND_CONFIG_SOURCE": scene.workplace.configFile]
      try scene.configure()
      // Without the variable, the command has nothing to compare, like another user's.
      var run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1 && run.output.contains("newer than the running configuration"), "\(run.output)")
      run = try await CommandRun(["status"], in: scene.workplace, environment: variables)
      #expect(run.code == 0 && !run.output.contains("newer than"), "\(run.output)")
      try await scene.wait(for: "the others' status") {
        try await CommandRun(["status", "-q"], in: scene.workplace).code == 0
      }
      try scene.configure(scene.table("konexus", ["refresh_at": "0.6"]))
      run = try await CommandRun(["status"], in: scene.workplace, environment: variables)
      #expect(run.code == 1 && run.output.contains("newer than the running configuration"), "\(run.output)")
    }
  }

  @Test("the metric of the last reload is 0 after a broken one, and after a start with a broken table; else 1")
  func lastReload() async throws {
    try await withScene { scene in
      func configure(_ more: String...) throws { try scene.configure(scene.metricsTable, scene.table(), more.joined()) }
      func becomes(_ value: Double) async throws {
        try await scene.wait(for: "the metric \(value)") { scene.metric("config_last_reload_successful") == value }
      }
      try configure()
      var daemon = try scene.startDaemon()
      try await scene.settled()
      try await becomes(1)
      try configure(Self.brokenTable)
      daemon.signal(SIGHUP)
      try await becomes(0)
      try configure()
      daemon.signal(SIGHUP)
      try await becomes(1)
      daemon.signal(SIGTERM)
      _ = try await scene.ending(of: daemon)
      #expect(unlink(scene.workplace.metricsFile) == 0)
      try configure(Self.brokenTable)
      daemon = try scene.startDaemon()
      try await becomes(0)
      try configure()
      daemon.signal(SIGHUP)
      try await becomes(1)
    }
  }

  @Test("konexus-tokend reload passes the file on, and fails with the reason if it is wrong")
  func reload() async throws {
    try await withScene { scene in
      try scene.configure()
      // As in the service: the daemon has a copy that systemd made at the start.
      let source = scene.workplace.path + "/source.toml"
      let variables = [
        "KONEXUS_TOKEND_CONFIG_SOURCE": source, "CREDENTIALS_DIRECTORY": scene.workplace.path,
      ]
      let daemon = try scene.startDaemon(environment: variables)
      try await scene.settled()
      try scene.workplace.write(scene.table() + "\n" + scene.table("added"), to: source)
      var run = try await CommandRun(["reload"], in: scene.workplace, environment: variables)
      #expect(run.code == 0, "\(run.errors)")
      #expect(daemon.status?.tokens.map(\.name) == ["konexus", "added"])
      try scene.workplace.write(scene.table() + "timeout = 5\n", to: source)
      run = try await CommandRun(["reload"], in: scene.workplace, environment: variables)
      #expect(run.code == 1 && run.errors.contains("previous configuration stays in use"), "\(run.errors)")
      #expect(run.errors.contains("timeout"), "\(run.errors)")
      // A socket that another process removes is back before the next command.
      unlink(scene.workplace.runtimeDirectory + "/control")
      try await scene.wait(for: "the socket", atMost: 5) {
        access(scene.workplace.runtimeDirectory + "/control", F_OK) == 0
      }
      chmod(source, 0o644)
      run = try await CommandRun(["reload"], in: scene.workplace, environment: variables)
      #expect(run.code == 1 && run.errors.contains("chmod 0600"), "\(run.errors)")
      #expect(daemon.status?.tokens.map(\.name) == ["konexus", "added"])
    }
  }

  @Test(
    "a reload works while status.json cannot be written, and root's status does not ask for another",
    .enabled(if: geteuid() == 0, "needs root"))
  func reloadWithoutStatus() async throws {
    try await withScene { scene in
      try await scene.withSmallDirectory { fill in
        try scene.configure()
        let daemon = try scene.startDaemon()
        try await scene.settled()
        let directory = scene.workplace.path + "/added"
        #expect(mkdir(directory, 0o750) == 0)
        try fill()
        try scene.configure(scene.table(), scene.table("added", ["file": "\"\(directory)/t\""]))
        var run = try await CommandRun(["reload"], in: scene.workplace)
        #expect(run.code == 0 && run.errors == "", "\(run.errors)")
        try await scene.wait(for: "the added token") { Workplace.read(directory + "/t") != nil }
        #expect(daemon.status?.reloads == 0, "status.json is the former one")
        #expect(daemon.log(with: "status does not work", "No space left").count == 1, "\(daemon.log)")
        let variables = ["KONEXUS_TOKEND_CONFIG_SOURCE": scene.workplace.configFile]
        run = try await CommandRun(["status"], in: scene.workplace, environment: variables)
        #expect(!run.output.contains("newer than"), "\(run.output)")
        try scene.configure(scene.table("konexus", ["mode": "640"]))
        run = try await CommandRun(["reload"], in: scene.workplace)
        #expect(run.code == 1 && run.errors.contains("previous configuration stays in use"), "\(run.errors)")
        #expect(unlink(scene.workplace.runtimeDirectory + "/filler") == 0)
        try await scene.wait(for: "the status") { daemon.status?.reloads == 2 }
      }
    }
  }

  @Test(
    "the control socket answers root and the daemon's user alone, and survives what others send it",
    .enabled(if: geteuid() == 0, "needs root"))
  func controlSocket() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      chmod(scene.workplace.path, 0o755)
      chmod(scene.workplace.runtimeDirectory, 0o755)
      let path = scene.workplace.runtimeDirectory + "/control"
      var status = stat()
      #expect(lstat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
      // Even with a mode that lets others in, the kernel says who they are.
      chmod(path, 0o666)
      let script = """
        import socket, sys
        for request in (b"reload\\n", b"x" * 5000, b"compare", b"", b"\\0\\n"):
          peer = socket.socket(socket.AF_UNIX); peer.settimeout(10); peer.connect(sys.argv[1])
          try:
            peer.sendall(request); peer.shutdown(socket.SHUT_WR)
          except OSError:
            pass  # The answer of one who may not ask comes at once.
          try:
            print(peer.recv(1000))
          except OSError as error:
            print(error)
        """
      let file = scene.workplace.path + "/client.py"
      try scene.workplace.write(script, to: file, mode: 0o644)
      for user in ["65534", "0"] {
        let output = scene.workplace.path + "/answers.\(user)"
        let client = try ChildProcess(
          ["setpriv", "--reuid", user, "--clear-groups", "/usr/bin/python3", file, path],
          environment: ["PATH": "/usr/bin:/bin"], output: output, errors: scene.workplace.path + "/client-errors")
        try await scene.wait(for: "the client's end") { client.ending != nil }
        let answers = Workplace.read(output) ?? ""
        #expect(answers.contains("only root may ask") == (user != "0"), "\(answers)")
        #expect(answers.contains("b'ok") == (user == "0"), "\(answers)")
      }
      #expect(daemon.status?.reloads == 1 && daemon.process.ending == nil)
    }
  }
}
