import Base
import Glibc
import KonexusSandbox
import Testing

/// The daemon's user forges all files that it can write. Root or a member of the group runs a command.
@Suite("Root's commands", .inTurn, .enabled(if: geteuid() == 0))
struct RootCommandTests {
  // MARK: Processes

  /// Runs in a process namespace of its own, so that nothing else is hit. A line "S S" means that both processes live.
  private static let innocents = #"""
    sleep 600 & root=$!
    setpriv --reuid=\#(ForeignDaemon.other) --clear-groups sleep 600 & other=$!
    start() { awk '{ print $22 }' "/proc/$1/stat"; }
    state() { awk '{ print $3 }' "/proc/$1/stat"; }
    until [ "$(cat /proc/$other/comm)" = sleep ]; do :; done
    for case in "-1 null" "-1 1" "0 null" "1 null" "1 $(start 1)" "$root null" "$root $(start $root)" \
      "$other $(start $other)"; do
      set -- $case
      sed -i 's/"pid":[-0-9]*/"pid":'"$1"'/; s/"processStart":[a-z0-9]*/"processStart":'"$2"'/' \
        "$RUNTIME_DIRECTORY/status.json"
      chown \#(ForeignDaemon.user) "$RUNTIME_DIRECTORY/status.json"
      timeout 3 "$COMMAND" show --min-validity 5m --wait 0s; timeout 3 "$COMMAND" reload
      echo "$(state $root) $(state $other)"
    done
    """#

  @Test("whatever process status.json names, show and reload signal none but the daemon's own")
  func signalsNoOtherProcess() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      let soon = Moment.now().boot + .seconds(200)
      try await daemon.forge { try $0.setMember("expiresAtBoot", to: "\(soon.nanoseconds)") }
      let output = scene.workplace.path + "/innocents"
      let script = try ChildProcess(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", Self.innocents],
        environment: [
          "PATH": "/usr/bin:/bin", "RUNTIME_DIRECTORY": scene.workplace.runtimeDirectory,
          "COMMAND": DaemonProcess.binary,
        ], output: output, errors: output)
      try await scene.wait(for: "the commands' end", atMost: 120) { script.ending != nil }
      let lines = (Workplace.read(output) ?? "").split(separator: "\n")
      #expect(lines.filter { $0 == "S S" }.count == 8, "\(lines.joined(separator: "\n"))")
    }
  }

  @Test("root's show and reload reach a daemon of another user")
  func reachesTheDaemon() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["refresh_at": "0.9"]))
      let daemon = try await ForeignDaemon(in: scene)
      let first = try #require(scene.token())
      try await scene.wait(for: "the token's second second") {
        daemon.process.status?.tokens.first?.expiresAt.map { $0 - Clock.unix < 3597 } ?? false
      }
      let show = try await CommandRun(["show", "--min-validity", "3597s"], in: scene.workplace)
      #expect(show.code == 0 && show.output != first + "\n", "\(show.errors)")
      let reload = try await CommandRun(["reload"], in: scene.workplace)
      #expect(reload.code == 0, "\(reload.errors)")
    }
  }

  @Test("where processes of others are hidden, a dead daemon is dead though its id lives on, and a live one is alive")
  func hiddenProcesses() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      chmod(scene.workplace.runtimeDirectory, 0o755)
      let hidden =
        ["unshare", "--mount", "sh", "-c", #"mount -t proc -o hidepid=2 proc /proc && exec "$@""#, "sh"]
        + ForeignDaemon.run(as: ForeignDaemon.other)
      let alive = try await CommandRun(["status"], in: scene.workplace, wrapper: hidden)
      #expect(alive.code == 0 && alive.output.contains("daemon: running since"), "\(alive.output)\(alive.errors)")
      try await daemon.forge { try $0.setMember("pid", to: "\(getpid())") }
      let dead = try await CommandRun(["status"], in: scene.workplace, wrapper: hidden)
      #expect(dead.code == 1 && dead.output.contains("daemon: dead"), "\(dead.output)\(dead.errors)")
    }
  }

  // MARK: Files

  /// What stands in place of the token's file.
  enum Plant: String, CaseIterable {
    case fileOfRoot, fileOfAnother, link, hardLink, pipe, directory, directoryOfRoot, directoryOfOthers, huge, escapes
  }

  @Test("what the daemon could not have published is not printed", arguments: Plant.allCases)
  func printsOnlyTokens(_ plant: Plant) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      let secret = scene.workplace.path + "/secret"
      try scene.workplace.write("root-s3cret", to: secret)
      let file = scene.workplace.tokenFile()
      var path = file
      func write(_ text: String, as user: UInt32) throws {
        try scene.workplace.write(text, to: path, mode: 0o640)
        chown(path, user, user)
      }
      func makeDirectory(of user: UInt32, _ mode: mode_t) throws {
        let directory = scene.workplace.path + "/elsewhere"
        try #require(mkdir(directory, mode) == 0 && chmod(directory, mode) == 0 && chown(directory, user, user) == 0)
        path = directory + "/konexus.token"
      }
      daemon.process.process.kill()
      unlink(file)
      switch plant {
      case .fileOfRoot: path = secret
      case .fileOfAnother: try write("root-s3cret", as: ForeignDaemon.other)
      case .link: try #require(symlink(secret, file) == 0)
      case .hardLink:
        chown(secret, ForeignDaemon.user, ForeignDaemon.user)
        try #require(link(secret, file) == 0)
      case .pipe: try #require(mkfifo(file, 0o644) == 0 && chown(file, ForeignDaemon.user, ForeignDaemon.user) == 0)
      case .directory: try #require(mkdir(file, 0o755) == 0)
      case .directoryOfRoot:
        try makeDirectory(of: 0, 0o755)
        try write("root-s3cret", as: ForeignDaemon.user)
      case .directoryOfOthers:
        try makeDirectory(of: ForeignDaemon.user, 0o777)
        try write("root-s3cret", as: ForeignDaemon.user)
      case .huge: try write(String(repeating: "root-s3cret", count: 1 << 14), as: ForeignDaemon.user)
      case .escapes: try write("root-s3cret\u{1B}]0;pwned\u{7}", as: ForeignDaemon.user)
      }
      try await daemon.forge { text in
        try text.setMember("path", to: "\"\(path)\"")
        try text.setMember("reloads", to: "7")
      }
      for command in [["show"], ["show", "--header"], ["inspect"], ["wait", "--timeout", "0s"]] {
        let run = try await CommandRun(command, in: scene.workplace)
        #expect(run.code == 3, "\(command): \(run.code) \(run.errors)")
        #expect(run.output == "")
        #expect(!run.errors.contains("root-s3cret") && run.errors.contains("-> "), "\(run.errors)")
      }
    }
  }

  @Test("a file that is swapped while a command reads it is printed only if it is the daemon's")
  func printsNoSwappedFile() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      daemon.process.process.kill()
      let (file, secret) = (scene.workplace.tokenFile(), scene.workplace.path + "/secret")
      let token = try #require(scene.token())
      try scene.workplace.write("root-s3cret", to: secret)
      let script = #"""
        while :; do
          ln -s "$0" "$1.new"; mv -fT "$1.new" "$1"; ln "$0" "$1.new"; mv -fT "$1.new" "$1"
          printf %s "$2" > "$1.new"; chown \#(ForeignDaemon.user) "$1.new"; mv -fT "$1.new" "$1"
        done
        """#
      let swapper = try ChildProcess(
        ["sh", "-c", script, secret, file, token], environment: ["PATH": "/usr/bin:/bin"], errors: "/dev/null")
      var codes: Set<Int32> = []
      for _ in 0..<60 {
        let run = try await CommandRun(["show"], in: scene.workplace)
        codes.insert(run.code)
        #expect(run.output == (run.code == 0 ? token + "\n" : ""), "\(run.output)")
      }
      #expect(codes.isSubset(of: [0, 3]) && codes.contains(3), "\(codes)")
      swapper.kill()
    }
  }

  /// What is wrong with the status file or its directory.
  enum Unfit: String, CaseIterable {
    case fileOfRoot, fileOfAnother, fileOfGroup, link, hardLink, pipe, openDirectory, groupsDirectory, linkedDirectory
  }

  @Test(
    "a status file that others than the directory's owner could have written is not read", arguments: Unfit.allCases)
  func readsNoStatusOfOthers(_ unfit: Unfit) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      daemon.process.process.kill()
      let file = daemon.statusFile
      let moved = scene.workplace.path + "/moved"
      var directory = scene.workplace.runtimeDirectory
      switch unfit {
      case .fileOfRoot: chown(file, 0, 0)
      case .fileOfAnother: chown(file, ForeignDaemon.other, ForeignDaemon.other)
      case .fileOfGroup: chmod(file, 0o664)
      case .link: try #require(rename(file, moved) == 0 && symlink(moved, file) == 0)
      case .hardLink: try #require(link(file, moved) == 0)
      case .pipe:
        unlink(file)
        try #require(mkfifo(file, 0o644) == 0 && chown(file, ForeignDaemon.user, ForeignDaemon.user) == 0)
      case .openDirectory: chmod(directory, 0o777)
      case .groupsDirectory: chmod(directory, 0o770)
      case .linkedDirectory:
        try #require(symlink(directory, moved) == 0)
        directory = moved
      }
      let commands = [
        ["status"], ["status", "--probe", "ready"], ["status", "--json"], ["show"], ["inspect"],
        ["wait", "--timeout", "0s"],
      ]
      for command in commands {
        let run = try await CommandRun(command + ["--directory", directory], in: scene.workplace)
        #expect(run.code == (command.contains("--probe") ? 1 : 3), "\(command): \(run.code) \(run.output)")
        #expect(!run.output.contains("konexus.token") && run.errors.contains("-> "), "\(run.output)\(run.errors)")
      }
      let reload = try await CommandRun(
        ["reload"], in: scene.workplace, environment: ["RUNTIME_DIRECTORY": directory])
      #expect(reload.code == 1 && reload.errors.contains("the daemon of "), "\(reload.errors)")
    }
  }

  // MARK: Keys

  @Test("inspect neither asks an issuer that status.json alone names, nor believes keys that the daemon's user keeps")
  func believesNoForgedIssuer() async throws {
    var options = SandboxOptions()
    options.algorithm = .es256
    let forger = try await Sandbox.start(options)
    do {
      try await withScene { scene in
        try scene.configure()
        let daemon = try await ForeignDaemon(in: scene)
        let genuine = try #require(scene.token())
        let kept = try await CommandRun(["inspect"], in: scene.workplace)
        #expect(kept.code == 3 && kept.output.contains("not verified"), "\(kept.output)")
        #expect(kept.output.contains("-> ") && kept.output.contains("inspect konexus --issuer https://localhost:PORT"))

        // By the configuration that root controls, the daemon's token verifies, and not by what the daemon's user says.
        chown(scene.workplace.configFile, 0, 0)
        let configured = ["--config", scene.workplace.configFile]
        let good = try await CommandRun(["inspect"] + configured, in: scene.workplace)
        #expect(good.code == 0, "\(good.output)\(good.errors)")
        let finding = "signature and claims are right by DIR/config.toml"
        #expect(
          good.output.hasSuffix("verifies: \(finding); keys: https://localhost:PORT (fetched REL)\n"), "\(good.output)")

        let ca = scene.workplace.path + "/forger.pem"
        try forger.writeCA(to: ca)
        let token = try await Self.token(of: forger, in: scene, ca: ca)
        try await daemon.forge {
          // Not before: a daemon that runs puts its own token back.
          try scene.workplace.write(token, to: scene.workplace.tokenFile(), mode: 0o640)
          chown(scene.workplace.tokenFile(), ForeignDaemon.user, ForeignDaemon.user)
          try $0.setMember("issuer", to: "\"\(forger.issuer)\"")
          try $0.setMember("caFile", to: "\"\(ca)\"")
        }
        let asked = forger.requests.count
        let forged = try await CommandRun(["inspect"], in: scene.workplace)
        #expect(forged.code == 3 && !forged.output.contains("verifies:"), "\(forged.output)")
        let against = try await CommandRun(["inspect"] + configured, in: scene.workplace)
        #expect(against.code == 1 && against.output.contains("DOES NOT VERIFY"), "\(against.output)")
        let named = try await CommandRun(
          ["inspect", "--issuer", scene.sandbox.issuer, "--ca-file", scene.workplace.caFile], in: scene.workplace)
        #expect(named.code == 1 && named.output.contains("DOES NOT VERIFY"), "\(named.output)")
        #expect(forger.requests.count == asked, "the forger's server was asked")

        // An issuer that root names is asked, by its own name.
        let input = scene.workplace.path + "/input"
        try scene.workplace.write(genuine, to: input)
        let piped = try await CommandRun(["inspect", "-"] + configured, in: scene.workplace, input: input)
        #expect(piped.code == 0 && piped.output.contains("by DIR/config.toml"), "\(piped.output)")
      }
    } catch {
      await forger.stop()
      throw error
    }
    await forger.stop()
  }

  /// A token of another authorization server.
  private static func token(of server: Sandbox, in scene: Scene, ca: String) async throws -> String {
    let output = scene.workplace.path + "/answer"
    let curl = try ChildProcess(
      [
        "curl", "--silent", "--fail", "--cacert", ca, "--data", "grant_type=client_credentials&scope=tamarack",
        "--data-urlencode", "client_id=\(server.clientID)", "--data-urlencode", "client_secret=\(server.clientSecret)",
        server.issuer + "/connect/token",
      ], environment: ["PATH": "/usr/bin:/bin"], output: output, errors: "/dev/null")
    try await scene.wait(for: "curl's end") { curl.ending != nil }
    let answer = try #require(Workplace.read(output))
    let token = try #require(try /"access_token" ?: ?"([^"]+)"/.firstMatch(in: answer))
    return String(token.output.1)
  }

  // MARK: Numbers and sizes

  @Test(
    "a number that no daemon writes costs the status, not the command's life",
    arguments: [
      ("clockSkew", "1e300"), ("obtainedAt", "-1e300"), ("expiresAt", "1e300"), ("expiresAtBoot", "-1"),
      ("writtenAt", "1e18"), ("pid", "-1"), ("pid", "0"), ("requests", "-1"), ("reloads", "-1"),
    ])
  func refusesNumbers(member: String, value: String) async throws {
    try await withScene { scene in
      try scene.configure()
      try await ForeignDaemon(in: scene).forge { try $0.setMember(member, to: value) }
      for command in [
        ["status", "konexus"], ["show", "--min-validity", "9h", "--wait", "0s"], ["wait", "--timeout", "0s"],
      ] {
        let run = try await CommandRun(command, in: scene.workplace)
        #expect(run.code == 3 && run.errors.contains("not of this version"), "\(command): \(run.code) \(run.errors)")
      }
    }
  }

  @Test("ten thousand tokens are served; what is larger than they ever are is refused, and takes no memory")
  func boundsMemory() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try await ForeignDaemon(in: scene)
      let lines = try #require(Workplace.read(daemon.statusFile)).split(separator: "\n").map(String.init)
      try #require(lines.count == 3)
      func fill(to size: Int) async throws -> Int {
        let count = size / lines[1].utf8.count
        let tokens = Array(repeating: lines[1], count: count).joined(separator: ",\n")
        try await daemon.forge { $0 = [lines[0], tokens, lines[2], ""].joined(separator: "\n") }
        return count
      }
      #expect(try await fill(to: 12 << 20) > 10_000)
      func limit(_ mebibytes: Int) -> [String] { ["prlimit", "--data=\(mebibytes << 20)"] }
      let served = try await CommandRun(
        ["status", "--probe", "ready"], in: scene.workplace, wrapper: limit(128))
      #expect(served.code == 0, "\(served.errors)")
      _ = try await fill(to: 60 << 20)
      let refused = try await CommandRun(["status"], in: scene.workplace, wrapper: limit(32))
      #expect(refused.code == 3 && refused.errors.contains("larger than"), "\(refused.errors)")
    }
  }
}
