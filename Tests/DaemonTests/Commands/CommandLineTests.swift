import Glibc
import KonexusSandbox
import Testing

/// Commands, options and durations as they are typed, and their completion.
@Suite(.inTurn) struct CommandLineTests {
  private func run(_ arguments: String..., in workplace: Workplace) async throws -> CommandRun {
    try await CommandRun(arguments, in: workplace)
  }

  @Test(arguments: [
    (["statsu"], "there is no command 'statsu'; did you mean 'status'?", "konexus-tokend status --help"),
    (["chekc", "--offline"], "there is no command 'chekc'; did you mean 'check'?", "konexus-tokend check --help"),
    (["frobnicate"], "there is no command 'frobnicate'", "konexus-tokend --help"),
    (["help", "nosuch"], "there is no command 'nosuch'", "konexus-tokend --help"),
    (["help", "rnu"], "there is no command 'rnu'; did you mean 'run'?", "konexus-tokend run --help"),
    (["a\u{1b}[2J"], "there is no command 'a\\u{1b}[2J'", "konexus-tokend --help"),
  ])
  func unknownCommand(_ arguments: [String], _ problem: String, _ next: String) async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let run = try await CommandRun(arguments, in: workplace)
    #expect(run.code == 64)
    #expect(run.output == "")
    #expect(run.errors == "konexus-tokend: \(problem)\n-> \(next)\n")
  }

  @Test func unknownOption() async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let run = try await run("check", "--ofline", in: workplace)
    #expect(run.code == 64 && run.errors.contains("Did you mean '--offline'?"), "\(run.errors)")
  }

  @Test(arguments: [["help"], ["help", "status"], ["status", "--help"], ["--help"], ["--version"], []])
  func knownCommands(_ arguments: [String]) async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let run = try await CommandRun(arguments, in: workplace)
    #expect(run.code == 0 && run.errors == "" && !run.output.isEmpty)
    if arguments.contains("status") { #expect(run.output.contains("--probe")) }
  }

  /// Swift reads the arguments in /proc. Without them, each command would print the overview and exit with 0.
  @Test(
    .enabled(if: geteuid() == 0, "needs root to hide /proc"),
    arguments: [
      ["run", "--config", "/nonexistent/config.toml"], ["run", "--once"], ["status", "--probe"], ["--help"], [],
    ])
  func withoutProc(_ arguments: [String]) async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let run = try await CommandRun(
      arguments, in: workplace,
      wrapper: ["unshare", "--mount", "sh", "-c", #"mount -t tmpfs none /proc && exec "$@""#, "sh"])
    #expect(run.code == 71 && run.output == "")
    #expect(
      run.errors == """
        konexus-tokend: /proc is not mounted, so the command line cannot be read
        -> mount -t proc proc /proc

        """)
  }

  @Test(arguments: [
    ["run", "--once", "--start-timeout", "soon"], ["wait", "--timeout", "1x"], ["show", "--wait", "-3s"],
    ["show", "--min-validity", ""], ["refresh", "--wait", "5 minutes"],
  ])
  func wrongDuration(_ arguments: [String]) async throws {
    let workplace = try Workplace()
    defer { workplace.remove() }
    let run = try await CommandRun(arguments, in: workplace)
    #expect(run.code == 64)
    #expect(run.errors.contains(arguments.last == "-3s" ? "Missing value" : "30s, 5m, 1h30m"), "\(run.errors)")
  }

  @Test("a start timeout has units", arguments: ["3s", "3"])
  func startTimeout(_ limit: String) async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(503), at: [.token])
      try scene.configure()
      let start = Clock.monotonic
      let run = try await run(
        "run", "--once", "--start-timeout", limit, "--config", scene.workplace.configFile, in: scene.workplace)
      #expect(run.code == 75, "\(run.errors)")
      #expect(Clock.monotonic - start >= 2.9)
      #expect(run.errors.contains("no token in --start-timeout"), "\(run.errors)")
    }
  }

  @Test("on a terminal, check shows a request that takes longer than a second, and removes the line")
  func progress() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.delay(seconds: 2.5), at: [.token])
      try scene.configure()
      let check = ["check", "--config", scene.workplace.configFile]
      let terminal = try await CommandRun(check, in: scene.workplace, onTerminal: true)
      #expect(terminal.code == 0)
      let line = try #require(
        terminal.output.firstMatch(of: /\rwaiting for https:\/\/localhost:PORT\/connect\/token, SPAN\u{1B}\[K/),
        "\(terminal.output)")
      let rest = terminal.output[line.range.upperBound...]
      #expect(rest.contains("\r\u{1B}[K\r\u{1B}[32m✓\u{1B}[0m token"), "\(rest)")
      let pipe = try await CommandRun(check, in: scene.workplace)
      #expect(pipe.code == 0 && !pipe.output.contains("waiting for") && pipe.errors == "")
    }
  }

  // MARK: Completion

  /// The candidates for the last word, by the generated script in a real bash.
  private func complete(_ words: [String], in workplace: Workplace) async throws -> [String] {
    let script = """
      source <("$1" --generate-completion-script bash)
      COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
      cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
      "$(complete -p "$(basename "$1")" | sed 's/.*-F *\\([^ ]*\\).*/\\1/')" "$1" "$cur" "$prev"
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let output = workplace.path + "/candidates.\(UInt32.random(in: .min ... .max))"
    let process = try ChildProcess(
      ["bash", "-c", script, "bash", DaemonProcess.binary] + words,
      environment: ["PATH": "/usr/bin:/bin", "RUNTIME_DIRECTORY": workplace.runtimeDirectory], input: "/dev/null",
      output: output, errors: output + ".err")
    while process.ending == nil { try await Task.sleep(for: .milliseconds(20)) }
    return (Workplace.read(output) ?? "").split(separator: "\n").map { $0.filter { $0 != " " } }
  }

  @Test func tokenNames() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("north"), scene.table("south-2"))
      try scene.startDaemon()
      try await scene.settled()
      for command in ["status", "show", "inspect", "wait", "refresh"] {
        #expect(try await complete([command, ""], in: scene.workplace) == ["north", "south-2"], "\(command)")
      }
      #expect(try await complete(["show", "so"], in: scene.workplace) == ["south-2"])
      let other = scene.workplace.path + "/other.toml"
      try scene.workplace.write("# [token.no]\n[token.west]\nclient_secret = \"hunter2\"\n  [ token.x ]\n", to: other)
      #expect(try await complete(["check", "--config", other, "--token", ""], in: scene.workplace) == ["west"])
    }
  }

  /// The daemon's user can write the status: a name must not become a command of the shell.
  @Test func forgedNames() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      let path = scene.workplace.runtimeDirectory + "/status.json"
      let status = try #require(Workplace.read(path))
      try scene.workplace.write(
        status.replacing(#""name":"konexus""#, with: #""name":"$(touch /tmp/x)""#), to: path)
      #expect(try await complete(["status", ""], in: scene.workplace) == [])
    }
  }
}
