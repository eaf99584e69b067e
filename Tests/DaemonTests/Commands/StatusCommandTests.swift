import Base
import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct StatusCommandTests {
  @Test func tellsOfAValidToken() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 0)
      #expect(run.errors == "")
      #expect(
        run.output == """
          OK: 1 of 1 tokens in place
          daemon: running since TIME (REL), pid N
          config: DIR/config.toml
          konexus: valid
            valid until: TIME (REL)
            next refresh: TIME (REL)
            last success: TIME (REL)
            last failure: none
            requests: 1 sent, 1 brought a token
            file: DIR/run/konexus.token (raw, mode 0640, OWNER)
            issuer: https://localhost:PORT, client_id ext-1741-sample-client
            scope: tamarack

          """)
    }
  }

  @Test func drawsATableOnATerminalAndHonoursNoColor() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let coloured = try await CommandRun(["status"], in: scene.workplace, onTerminal: true)
      #expect(coloured.code == 0)
      #expect(coloured.output.hasPrefix("\u{1B}[32mOK\u{1B}[0m: 1 of 1 tokens in place\n"))
      #expect(coloured.output.contains("TOKEN") && coloured.output.contains("NEXT REFRESH"))
      let plain = try await CommandRun(
        ["status"], in: scene.workplace, environment: ["NO_COLOR": "1"], onTerminal: true)
      #expect(!plain.output.contains("\u{1B}"))
      #expect(plain.output.contains("TOKEN"))
    }
  }

  @Test func tellsOfADeadDaemonWhoseTokenLives() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1)
      #expect(run.errors == "")
      #expect(
        run.output == """
          WARNING: 1 of 1 tokens in place: konexus unattended
          daemon: dead, killed or crashed some time after its last change of status at TIME (REL)
          config: DIR/config.toml
          konexus: unattended
            valid until: TIME (REL)
            next refresh: none, the daemon does not run
            last success: TIME (REL)
            last failure: none
            requests: 1 sent, 1 brought a token
            file: DIR/run/konexus.token (raw, mode 0640, OWNER)
            issuer: https://localhost:PORT, client_id ext-1741-sample-client
            scope: tamarack

          -> \(ServiceCommands.current.hasSystemd ? "see why the daemon ended: " : "")\(ServiceCommands.current.log)
          -> start the daemon: \(ServiceCommands.current.start)

          """)
      #expect(try await CommandRun(["show"], in: scene.workplace).code == 0)
    }
  }

  @Test func anEndedTokenOfADeadDaemonIsCriticalAndNotShown() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      let last = try #require(daemon.status?.tokens.first)
      try await scene.wait(for: "the token's end") {
        try await CommandRun(["status"], in: scene.workplace).code == 2
      }
      let status = try await CommandRun(["status"], in: scene.workplace)
      #expect(
        status.output
          == """
          CRITICAL: 0 of 1 tokens in place: konexus expired
          daemon: dead, killed or crashed some time after its last change of status at TIME (REL)
          config: DIR/config.toml
          konexus: expired
            expired at: TIME (REL)
            next refresh: none, the daemon does not run
            last success: TIME (REL)
            last failure: none
            requests: N sent, N brought a token
            file: DIR/run/konexus.token (raw, mode 0640, OWNER)
            issuer: https://localhost:PORT, client_id ext-1741-sample-client
            scope: tamarack

          -> \(ServiceCommands.current.hasSystemd ? "see why the daemon ended: " : "")\(ServiceCommands.current.log)
          -> start the daemon: \(ServiceCommands.current.start)

          """.replacing("N sent, N", with: "\(last.requests) sent, \(last.successes)"))
      // The file is still there. The command must not trust it.
      #expect(scene.token() != nil)
      let run = try await CommandRun(["show", "konexus"], in: scene.workplace)
      #expect(run.code == 2)
      #expect(run.output == "")
      #expect(
        run.errors == """
          konexus-tokend: the token konexus has expired, and the daemon does not run
          -> start the daemon: \(ServiceCommands.current.start)

          """)
    }
  }

  @Test func tellsWhenADaemonWasStopped() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.signal(15)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1)
      #expect(run.lines.dropFirst().first == "daemon: stopped at TIME (REL)")
    }
  }

  @Test func withoutAStatusItCannotBeTold() async throws {
    try await withScene { scene in
      for command in [["status"], ["show"], ["inspect"]] {
        let run = try await CommandRun(command, in: scene.workplace)
        #expect(run.code == 3)
        #expect(run.output == "")
        #expect(
          run.errors == """
            konexus-tokend: DIR/run/status.json does not exist: no daemon uses this directory, see --directory
            -> \(ServiceCommands.current.status)

            """)
      }
    }
  }

  /// A token that is good, and whose refresh is refused.
  private func refused(_ scene: Scene) async throws -> DaemonProcess {
    try scene.configure()
    let daemon = try scene.startDaemon()
    try await scene.settled()
    scene.sandbox.inject(.oauthError("invalid_client"), at: [.token])
    daemon.signal(SIGUSR1)
    try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.condition == .failing }
    return daemon
  }

  @Test func tellsMachinesOfARefreshThatFails() async throws {
    try await withScene { scene in
      _ = try await refused(scene)
      let run = try await CommandRun(["status", "konexus", "--json"], in: scene.workplace)
      #expect(run.code == 1)
      #expect(run.errors == "")
      let numbers = run.output
        .replacing(/"(pid|valid_for_seconds|clock_skew_seconds)" : -?[0-9.e-]+/) { "\"\($0.output.1)\" : N" }
        .replacing(/"(group|owner)" : "[^"]+"/) { "\"\($0.output.1)\" : \"NAME\"" }
      #expect(
        numbers == """
          {
            "configuration" : "DIR/config.toml",
            "daemon" : {
              "is_running" : true,
              "last_change" : "RFC3339",
              "pid" : N,
              "started_at" : "RFC3339"
            },
            "exit_code" : 1,
            "grade" : "warning",
            "is_configuration_changed" : false,
            "schema_version" : 1,
            "tokens" : [
              {
                "client_id" : "ext-1741-sample-client",
                "clock_skew_seconds" : N,
                "expires_at" : "RFC3339",
                "failure" : {
                  "code" : "invalid-client",
                  "count" : 1,
                  "kind" : "refused",
                  "message" : "the token endpoint answered 400 'invalid_client'",
                  "remedy" : "ask Konexus whether client_id and its secret, key or certificate are valid, \
          and apply a correction: konexus-tokend reload",
                  "since" : "RFC3339"
                },
                "grade" : "warning",
                "issuer" : "https://localhost:PORT",
                "last_failure" : {
                  "code" : "invalid-client",
                  "count" : 1,
                  "kind" : "refused",
                  "message" : "the token endpoint answered 400 'invalid_client'",
                  "remedy" : "ask Konexus whether client_id and its secret, key or certificate are valid, \
          and apply a correction: konexus-tokend reload",
                  "since" : "RFC3339"
                },
                "last_success" : "RFC3339",
                "name" : "konexus",
                "next_attempt" : "RFC3339",
                "notes" : [

                ],
                "outputs" : [
                  {
                    "file" : {
                      "exists" : true,
                      "group" : "NAME",
                      "mode" : "0640",
                      "owner" : "NAME"
                    },
                    "format" : "raw",
                    "mode" : "0640",
                    "path" : "DIR/run/konexus.token"
                  }
                ],
                "reports" : 0,
                "reports_requested" : 0,
                "requests" : 2,
                "scope" : [
                  "tamarack"
                ],
                "state" : "failing",
                "successes" : 1,
                "valid_for_seconds" : N
              }
            ]
          }

          """)
    }
  }

  @Test func tellsMachinesThatItCannotBeTold() async throws {
    try await withScene { scene in
      let run = try await CommandRun(["status", "--json"], in: scene.workplace)
      #expect(run.code == 3)
      #expect(
        run.output == """
          {
            "error" : "DIR/run/status.json does not exist: no daemon uses this directory, see --directory",
            "exit_code" : 3,
            "grade" : "unknown",
            "remedy" : "\(ServiceCommands.current.status)",
            "schema_version" : 1
          }

          """)
    }
  }

  @Test("watching in a pipe, it tells what changes, with the time, until it is interrupted")
  func watches() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let run = try await CommandRun(["status", "--watch"], in: scene.workplace) { running in
        try await scene.wait(for: "the first line") { running.output.hasSuffix("\n") }
        scene.sandbox.inject(.oauthError("invalid_client"), at: [.token])
        daemon.signal(SIGUSR1)
        try await scene.wait(for: "word of the failure") { running.output.contains("invalid_client") }
        scene.sandbox.clearFaults()
        daemon.signal(SIGUSR1)
        try await scene.wait(for: "word of the recovery") { running.output.split(separator: "\n").count == 4 }
        running.process.signal(SIGINT)
      }
      #expect(run.code == 128 + SIGINT)
      #expect(
        run.output == """
          TIME OK: 1 of 1 tokens in place
          TIME WARNING: 1 of 1 tokens in place: konexus failing
          konexus: the token endpoint answered 400 'invalid_client'
          TIME OK: 1 of 1 tokens in place

          """)
      #expect(run.errors == "")
    }
  }

  @Test("with -q it exits with the same code and prints nothing", arguments: ["-q", "--quiet"])
  func isQuiet(_ option: String) async throws {
    try await withScene { scene in
      func codes(_ arguments: String...) async throws -> [Int32] {
        let aloud = try await CommandRun(["status"] + arguments, in: scene.workplace)
        let quiet = try await CommandRun(["status"] + arguments + [option], in: scene.workplace)
        #expect(quiet.output == "" && quiet.errors == "", "\(arguments): \(quiet.output)\(quiet.errors)")
        return [aloud.code, quiet.code]
      }
      #expect(try await codes() == [3, 3])
      let daemon = try await refused(scene)
      #expect(try await codes() == [1, 1])
      #expect(try await codes("konexus") == [1, 1])
      #expect(try await codes("nonesuch") == [3, 3])
      #expect(try await codes("--probe", "ready") == [0, 0])
      #expect(try await codes("--probe", "ready", "nonesuch") == [3, 3])
      daemon.process.kill()
      #expect(try await codes("--probe", "live") == [1, 1])
      try #require(unlink(scene.workplace.tokenFile()) == 0)
      #expect(try await codes() == [2, 2])
      for other in ["--json", "--watch"] {
        #expect(try await CommandRun(["status", option, other], in: scene.workplace).code == 64)
      }
    }
  }

  @Test func answersAsAProbe() async throws {
    try await withScene(lifetime: 20) { scene in
      try scene.configure()
      func probe(_ kind: String) async throws -> Int32 {
        try await CommandRun(["status", "--probe", kind], in: scene.workplace).code
      }
      func probes() async throws -> [Int32] { [try await probe("ready"), try await probe("live")] }
      #expect(try await probes() == [1, 1])
      scene.sandbox.inject(.status(503), at: [.token])
      let daemon = try scene.startDaemon()
      // Alive while it waits out an outage; not ready before the first token.
      try await scene.wait(for: "life") { try await probe("live") == 0 }
      #expect(try await probe("ready") == 1)
      scene.sandbox.clearFaults()
      try await scene.wait(for: "readiness") { try await probe("ready") == 0 }
      // Ready while refresh fails and the token lives.
      scene.sandbox.inject(.oauthError("invalid_client"), at: [.token])
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a failure") { daemon.status?.tokens[0].condition == .failing }
      #expect(try await probes() == [0, 0])
      daemon.process.kill()
      #expect(try await probes() == [0, 1])
    }
  }

  @Test(
    "on a full tmpfs the token that came after the last status is valid, and is shown", .enabled(if: geteuid() == 0))
  func aNewerTokenThanTheStatus() async throws {
    try await withScene(lifetime: 12) { scene in
      try await scene.withSmallDirectory { fill in
        try scene.configure()
        let daemon = try scene.startDaemon()
        try await scene.settled()
        let first = try #require(scene.token())
        try fill()
        try await scene.wait(for: "a token in the ended one's place") { scene.token().map { $0 != first } ?? false }
        let status = try await CommandRun(["status"], in: scene.workplace)
        #expect(status.code < 2 && !status.output.contains("expired"), "\(status.output)")
        let show = try await CommandRun(["show"], in: scene.workplace)
        #expect(show.code == 0 && show.output == (scene.token() ?? "") + "\n", "\(show.errors)")
        #expect(daemon.log.contains("No space left on device"), "\(daemon.log)")
      }
    }
  }
}
