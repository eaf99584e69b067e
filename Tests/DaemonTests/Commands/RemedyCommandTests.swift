import Glibc
import KonexusSandbox
import Testing

/// Messages of the daemon and of commands: what failed, why, and a command that can be pasted.
@Suite(.inTurn) struct RemedyCommandTests {
  /// Runs a remedy in a shell, and returns the exit code.
  private func paste(_ command: String, in workplace: Workplace) async throws -> Int32 {
    let process = try ChildProcess(
      ["sh", "-c", command], environment: ["PATH": "/usr/bin:/bin"], input: "/dev/null",
      output: workplace.path + "/pasted.out", errors: workplace.path + "/pasted.err")
    while true {
      switch process.ending {
      case .exited(let code)?: return code
      case .killed(let signal)?: return 128 + signal
      case nil: try await Task.sleep(for: .milliseconds(20))
      }
    }
  }

  @Test func refusedConnection() async throws {
    try await withScene { scene in
      await scene.sandbox.down()
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
      let url = "\(scene.sandbox.issuer)/.well-known/openid-configuration"
      let command = "curl -v --cacert \(scene.workplace.caFile) \(url)"
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.message == "connection to localhost:\(scene.sandbox.port) refused (discovery)")
      #expect(failure.remedy == command)
      try await scene.wait(for: "the log line") { !daemon.log(with: "refresh failed").isEmpty }
      let line = try #require(daemon.log(with: "refresh failed").first)
      let text = try #require(line.firstRange(of: "konexus: ")).lowerBound
      let expected = """
        konexus: refresh failed: connection to localhost:\(scene.sandbox.port) refused (discovery). \
        No valid token. Retrying at TIME. -> \(command) 
        """
      #expect(line[text...].replacing(/[0-9:]{8}\. ->/, with: "TIME. ->").hasPrefix(expected), "\(line)")
      try await scene.sandbox.up()
      #expect(try await paste(failure.remedy, in: scene.workplace) == 0)
    }
  }

  /// The endpoint that failed, not the issuer.
  @Test func endpointOfTheFailure() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.html, at: [.jwks])
      try scene.configure(scene.table("konexus", ["proxy": "\"none\""]))
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == 17)
      scene.sandbox.clearFaults()
      scene.sandbox.inject(.status(404), at: [.jwks])
      let missing = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(
        missing.output.contains(
          "-> check issuer: curl -i --cacert DIR/ca.pem --noproxy '*' "
            + "https://localhost:PORT/.well-known/openid-configuration/jwks\n"), "\(missing.output)")
    }
  }

  /// The remedy for a file that is missing is not one for permissions.
  @Test func missingTokenFile() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      try #require(unlink(scene.workplace.tokenFile()) == 0)
      for command in ["show", "inspect"] {
        let run = try await CommandRun([command, "konexus"], in: scene.workplace)
        #expect(run.code == 3)
        #expect(
          run.errors == """
            konexus-tokend: DIR/run/konexus.token cannot be read: No such file or directory
            -> see why: konexus-tokend status konexus

            """)
      }
    }
  }

  @Test(
    "where systemd does not run, no message names its commands", .enabled(if: geteuid() == 0), arguments: [true, false])
  func systemd(_ runs: Bool) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.process.kill()
      let hide = "mount -t tmpfs tmpfs /run/systemd 2>/dev/null || mkdir -p /run/systemd; "
      let script = hide + (runs ? "mkdir -p /run/systemd/system; " : "") + #"exec "$@""#
      let wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
      for arguments in [["status"], ["show", "--min-validity", "30d"], ["reload"], ["refresh"]] {
        let run = try await CommandRun(arguments, in: scene.workplace, wrapper: wrapper)
        let text = run.output + run.errors
        #expect(run.code != 0 && text.contains("-> "), "\(arguments): \(text)")
        #expect(runs || !text.contains("systemctl") && !text.contains("journalctl"), "\(arguments): \(text)")
      }
      let status = try await CommandRun(["status"], in: scene.workplace, wrapper: wrapper).output
      #expect(
        status.contains(runs ? "-> start the daemon: systemctl start" : "-> start the daemon: konexus-tokend run"))
    }
  }
}
