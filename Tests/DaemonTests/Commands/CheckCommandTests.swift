import Glibc
import KonexusSandbox
import Testing

@Suite struct CheckCommandTests {
  /// A situation that is broken in one way, and what `check` has to say of it from the step that fails.
  struct Case: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var code: Int32
    var options: @Sendable (inout SandboxOptions) -> Void = { _ in }
    var arrange: @Sendable (Scene) throws -> Void
    /// The lines that begin with the failed step, up to the next step.
    var said: String
  }

  static let cases: [Case] = [
    Case(
      testDescription: "DNS dead", code: 11,
      arrange: { try $0.configure($0.table("konexus", ["issuer": #""https://auth.konexus.invalid""#])) },
      said: "-> check the host name in issuer and this host's resolver (resolvectl query HOST)"),
    Case(
      testDescription: "wrong CA", code: 13, options: { $0.certificate = .unknownAuthority },
      arrange: { try $0.configure() },
      said:
        "-> set ca_file to the authority that signed the server's certificate, or install it with update-ca-certificates"
    ),
    Case(
      testDescription: "expired certificate", code: 13, options: { $0.certificate = .expired },
      arrange: { try $0.configure() },
      said: "-> the server's certificate must be renewed; check this host's clock as well (timedatectl)"),
    Case(
      testDescription: "skewed clock", code: 15, options: { $0.settings.clockSkew = 600 },
      arrange: { try $0.configure() },
      said: "-> check this host's time synchronisation: timedatectl"),
    Case(
      testDescription: "wrong secret", code: 16,
      arrange: { try $0.configure($0.table("konexus", ["client_secret": #""wrong""#])) },
      said:
        "-> client_id or its secret, key or certificate is wrong, expired or disabled: ask Konexus, then systemctl restart"
    ),
    Case(
      testDescription: "wrong scope", code: 16,
      arrange: { try $0.configure($0.table("konexus", ["scope": #""other""#])) },
      said: "-> scope names something this client may not have"),
    Case(
      testDescription: "wrong audience", code: 17,
      arrange: { try $0.configure($0.table("konexus", ["audience": #""other""#])) },
      said: "-> set audience to what the API expects, or ask for the right scope"),
    Case(
      testDescription: "not in memory", code: 18,
      arrange: { try $0.configure($0.table("konexus", ["file": #""/usr/konexus.token""#])) },
      said:
        "/usr is not on tmpfs, so that a token there would be written to a disk; use a directory below /run, or set allow_persistent_storage = true in [daemon]"
    ),
  ]

  @Test(arguments: cases)
  func namesTheStepAndTheRemedy(_ broken: Case) async throws {
    try await withScene(options: broken.options) { scene in
      try broken.arrange(scene)
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == broken.code, "\(run.output)")
      let failed = run.lines.drop { !$0.hasPrefix("FAILED") }
      #expect(failed.contains { $0.contains(broken.said) }, "\(run.output)")
      #expect(run.lines.last { !$0.isEmpty }?.hasSuffix("(exit code \(broken.code))") == true)
      #expect(run.errors == "")
      // Nothing is published.
      #expect(scene.token() == nil)
    }
  }

  @Test func tellsAFaultyConfigFile() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["adience": #""tamarack""#]))
      let run = try await CommandRun(
        ["check", "--config", scene.workplace.configFile, "--offline"], in: scene.workplace)
      #expect(run.code == 78)
      #expect(
        run.output == """
          FAILED  config       DIR/config.toml: 1 fault
                               DIR/config.toml:7:1: error: unknown key 'adience' in [token.konexus]; did you mean 'audience'?
                                 7 | adience = …
                                   | ^~~~~~~
                               -> correct the file; every key is explained in: man konexus-tokend.toml

          failed at: config (exit code 78)

          """)
      try scene.configure()
      chmod(scene.workplace.configFile, 0o644)
      let open = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(open.code == 78)
      #expect(open.output.contains("run: chmod 0600 DIR/config.toml"))
    }
  }

  @Test func walksTheWholeWay() async throws {
    try await withScene { scene in
      try scene.configure()
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == 0, "\(run.output)")
      let steps = run.lines.filter { $0.hasPrefix("ok ") }.map { $0.split(separator: " ")[1] }
      #expect(
        steps == [
          "config", "output", "dns", "connection", "tls", "discovery", "clock", "token", "verification", "refresh",
          "reader",
        ])
      #expect(run.output.hasSuffix("\n\nall is well\n"))
      #expect(!run.output.contains(scene.sandbox.clientSecret))
      #expect(scene.token() == nil)
      let terminal = try await CommandRun(
        ["check", "--config", scene.workplace.configFile], in: scene.workplace, onTerminal: true)
      #expect(terminal.output.contains("\u{1B}[32m✓\u{1B}[0m verification"))
    }
  }
}
