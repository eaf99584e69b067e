import Base
import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct ShowCommandTests {
  @Test func waitsForNothingThatCannotCome() async throws {
    try await withScene(lifetime: 60) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
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
          konexus-tokend: no token konexus is valid for SPAN: the lifetime is SPAN
          -> use a shorter time with --min-validity

          """)
      let other = try await CommandRun(["show", "nonesuch"], in: scene.workplace)
      #expect(other.code == 3)
      #expect(other.errors == "konexus-tokend: there is no token 'nonesuch'\n-> name one of: konexus\n")
    }
  }

  @Test("with --wait it prints the first token as soon as there is one, started before the daemon though it was")
  func waitsForTheFirstToken() async throws {
    try await withScene { scene in
      try scene.configure()
      scene.sandbox.inject(.status(503), at: [.token])
      let run = try await CommandRun(["show", "konexus", "--wait", "2m"], in: scene.workplace) { running in
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
        #expect(running.process.ending == nil && running.output == "")
        scene.sandbox.clearFaults()
      }
      #expect(run.code == 0, "\(run.errors)")
      #expect(run.output == (scene.token() ?? "") + "\n")
      #expect(run.errors == "")
    }
  }

  @Test("with --wait it tells what it waited for in vain")
  func waitsInVain() async throws {
    try await withScene { scene in
      let unstarted = try await CommandRun(["show", "konexus", "--wait", "1s"], in: scene.workplace)
      #expect(unstarted.code == 3)
      #expect(unstarted.output == "")
      #expect(
        unstarted.errors == """
          konexus-tokend: DIR/run/status.json does not exist: no daemon uses this directory, see --directory \
          (waited for SPAN)
          -> \(ServiceCommands.current.status)

          """)
      try scene.configure()
      scene.sandbox.inject(.oauthError("invalid_scope"), at: [.token])
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      let refused = try await CommandRun(["show", "konexus", "--wait", "1s"], in: scene.workplace)
      #expect(refused.code == 2)
      #expect(refused.output == "")
      #expect(
        refused.errors == """
          konexus-tokend: there is no valid token konexus: the token endpoint answered 400 'invalid_scope' \
          (waited for SPAN)
          -> see why: konexus-tokend status konexus

          """)
    }
  }

  @Test("with --min-validity it has the daemon get a newer one, and prints that")
  func demandsANewerOne() async throws {
    try await withScene(lifetime: 60) { scene in
      // Not refreshed by itself meanwhile.
      try scene.configure(scene.table("konexus", ["refresh_at": "0.9"]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let first = try #require(scene.token())
      try await scene.wait(for: "the token's fifth second") {
        daemon.status?.tokens.first?.expiresAt.map { $0 - Clock.unix < 54 } ?? false
      }
      let run = try await CommandRun(["show", "--min-validity", "54s"], in: scene.workplace)
      #expect(run.code == 0, "\(run.errors)")
      #expect(run.output != first + "\n")
      #expect(run.output == (scene.token() ?? "") + "\n")
      #expect(scene.sandbox.counts[.token] == 2)
    }
  }

  @Test("the header goes into a program by a pipe, as --help shows it, and not by its arguments")
  func isPipedIntoCurl() async throws {
    try await withScene { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.settled()
      let output = scene.workplace.path + "/curl"
      let pipeline = try ChildProcess(
        [
          "sh", "-c", #""$0" show --header | curl --silent --fail --cacert "$1" --header @- "$2""#,
          DaemonProcess.binary, scene.workplace.caFile, scene.sandbox.issuer + "/api/v2/settings/subscriptions",
        ], environment: ["PATH": "/usr/bin:/bin", "RUNTIME_DIRECTORY": scene.workplace.runtimeDirectory],
        output: output, errors: "/dev/null")
      try await scene.wait(for: "curl's end") { pipeline.ending != nil }
      #expect(pipeline.ending == .exited(0))
      #expect(Workplace.read(output)?.hasPrefix("{") == true)
      let refused = scene.sandbox.requests.filter { $0.endpoint == .api && $0.status != 200 }
      #expect(refused.isEmpty)
    }
  }
}
