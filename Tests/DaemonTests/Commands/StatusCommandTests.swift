import Glibc
import KonexusSandbox
import Testing

@Suite struct StatusCommandTests {
  @Test func tellsOfAValidToken() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
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
            file: DIR/run/konexus.token (raw, mode 0640, root:root)
            issuer: https://localhost:PORT, client_id ext-1741-sample-client
            scope: tamarack

          """)
    }
  }

  @Test func drawsATableOnATerminalAndHonoursNoColor() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
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
      try await scene.ready()
      try await scene.wait(for: "the status") { daemon.status?.tokens.first?.condition == .valid }
      daemon.process.kill()
      let run = try await CommandRun(["status"], in: scene.workplace)
      #expect(run.code == 1)
      #expect(
        run.lines.prefix(2).joined(separator: "\n") == """
          WARNING: 1 of 1 tokens in place: konexus unattended
          daemon: dead, killed or crashed after its last sign of life at TIME (REL)
          """)
      #expect(
        run.output.hasSuffix(
          """

          -> start the daemon: systemctl start konexus-tokend; why it ended: journalctl -u konexus-tokend -n 50

          """))
      #expect(try await CommandRun(["show"], in: scene.workplace).code == 0)
    }
  }

  @Test func anEndedTokenOfADeadDaemonIsCriticalAndNotShown() async throws {
    try await withScene(lifetime: 4) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      try await scene.wait(for: "the status") { daemon.status?.tokens.first?.condition == .valid }
      daemon.process.kill()
      try await scene.wait(for: "the token's end") {
        try await CommandRun(["status"], in: scene.workplace).code == 2
      }
      // Nobody removed the file: it is the command that must not believe it.
      #expect(scene.token() != nil)
      let run = try await CommandRun(["show", "konexus"], in: scene.workplace)
      #expect(run.code == 2)
      #expect(run.output == "")
      #expect(
        run.errors == """
          konexus-tokend: the token konexus has ended, and the daemon does not run
          -> start the daemon: systemctl start konexus-tokend

          """)
    }
  }

  @Test func tellsWhenADaemonWasStopped() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
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
            konexus-tokend: DIR/run/status.json does not exist: no konexus-tokend has run there since this host booted
            -> type: systemctl status konexus-tokend, or name its runtime directory with --directory

            """)
      }
    }
  }

  @Test func showWaitsForNothingThatCannotCome() async throws {
    try await withScene(lifetime: 60) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      try await scene.wait(for: "the status") { try await CommandRun(["status"], in: scene.workplace).code == 0 }
      let token = try #require(scene.token())
      let raw = try await CommandRun(["show"], in: scene.workplace)
      #expect(raw.output == token + "\n")
      let header = try await CommandRun(["show", "konexus", "--header"], in: scene.workplace)
      #expect(header.output == "Authorization: Bearer \(token)\n")
      let long = try await CommandRun(["show", "--min-validity", "1h"], in: scene.workplace)
      #expect(long.code == 1)
      #expect(long.output == "")
      #expect(
        long.errors == """
          konexus-tokend: no token konexus is ever good for SPAN: they live for SPAN
          -> ask for less with --min-validity

          """)
      let other = try await CommandRun(["show", "nonesuch"], in: scene.workplace)
      #expect(other.code == 3)
      #expect(other.errors == "konexus-tokend: there is no token 'nonesuch'\n-> name one of: konexus\n")
    }
  }

  @Test func inspectShowsAllButTheSignature() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      try await scene.wait(for: "the status") { try await CommandRun(["status"], in: scene.workplace).code == 0 }
      let token = try #require(scene.token())
      let run = try await CommandRun(["inspect"], in: scene.workplace)
      #expect(run.code == 0)
      let signature = try #require(token.split(separator: ".").last)
      #expect(!run.output.contains(signature))
      #expect(run.output.contains("  64 bytes, not shown\n"))
      #expect(run.lines.contains("  aud: \"tamarack\""))
      #expect(
        run.output.hasSuffix(
          "\nverifies: signature and claims are right; keys: https://localhost:PORT (kept by the daemon)\n"))
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
}
