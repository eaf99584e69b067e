import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct CheckCommandTests {
  @Test("tells each broken situation, line by line", arguments: BrokenSituation.all)
  func tellsWhatIsBroken(_ broken: BrokenSituation) async throws {
    try await withScene(options: broken.options) { scene in
      try broken.arrange(scene)
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == broken.code)
      #expect(run.output == broken.output)
      #expect(run.errors == "")
      #expect(!run.output.contains(scene.sandbox.clientSecret))
      // Nothing is published.
      #expect(scene.token() == nil)
    }
  }

  @Test("tells it on a terminal with marks and colours, and without colours where NO_COLOR asks for that")
  func tellsWhatIsBrokenOnATerminal() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["scope": #""other""#]))
      let check = ["check", "--config", scene.workplace.configFile]
      let coloured = try await CommandRun(check, in: scene.workplace, onTerminal: true)
      #expect(coloured.code == 16)
      let expected = """
        [32m✓[0m config       DIR/config.toml: 1 token, mode 0600, OWNER

        konexus
        [32m✓[0m output       DIR/run: in memory, mode 0750, OWNER
        [32m✓[0m dns          localhost is 127.0.0.1[2m (MS)[0m
        [32m✓[0m connection   127.0.0.1 port PORT answers[2m (MS)[0m
        [32m✓[0m tls          TLSv1.3, the certificate is good until TIME (REL)[2m (MS)[0m
                       trusted by: DIR/ca.pem
                       CN = localhost, signed by CN = Konexus sandbox CA
        [32m✓[0m discovery    https://localhost:PORT/.well-known/openid-configuration \
        is https://localhost:PORT's[2m (MS)[0m
                       token_endpoint: https://localhost:PORT/connect/token
                       jwks_uri: https://localhost:PORT/.well-known/openid-configuration/jwks
                       client authentication: 'client_secret_basic', 'client_secret_post'
                       scopes: 'tamarack'
        [32m✓[0m clock        this host's clock and the server's agree to a second
        [31m✗[0m token        the token endpoint answered 400 'invalid_scope'
                       [1m-> [0mset scope to what the server allows for this client
        [2m-[0m verification, refresh, reader: not reached

        [31mfailed at: token of token konexus[0m (exit code 16)

        """
      // An escape stands before each bracket that begins a colour.
      #expect(coloured.output == expected.replacing(/\[(?=[0-9]+m)/, with: "\u{1B}["))
      let plain = try await CommandRun(
        check, in: scene.workplace, environment: ["NO_COLOR": "1"], onTerminal: true)
      #expect(plain.output == expected.replacing(/\[[0-9]+m/, with: ""))
    }
  }

  @Test("warns of what a token or server cannot do: be revoked, be used by who has no key")
  func warnings() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.removeMembers(["revocation_endpoint"]), at: [.discovery])
      scene.sandbox.inject(.setClaims(["cnf": ["x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"]]))
      try scene.configure(scene.table("konexus", ["revoke_on_stop": "true"]))
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == 0, "\(run.output)")
      #expect(run.output.contains("revocation_endpoint: none") && run.output.contains("remove revoke_on_stop"))
      #expect(run.output.contains("bound to a key (cnf, RFC 8705 section 3)"), "\(run.output)")
    }
  }

  @Test(arguments: ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:9000/a"])
  func warnsOfAnIssuerThatIsNotAuthenticated(_ issuer: String) async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["issuer": "\"\(issuer)\""]))
      let check = ["check", "--config", scene.workplace.configFile, "--offline"]
      let run = try await CommandRun(check, in: scene.workplace)
      #expect(run.code == 0, "\(run.output)")
      #expect(
        run.output.contains(
          "warning config       \(issuer.replacing("8080", with: "PORT")) is not authenticated: "
            + "any local user who takes port PORT"), "\(run.output)")
      #expect(run.output.hasSuffix("offline checks passed, with 1 warning; no server was contacted\n"))
      try scene.configure()
      #expect(try await !CommandRun(check, in: scene.workplace).output.contains("warning"))
    }
  }

  @Test func reportsEndpointsOnAnotherHost() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["revoke_on_stop": "true"]))
      let other = "https://127.0.0.1:\(scene.sandbox.port)/connect/"
      scene.sandbox.inject(
        .setMembers([
          "token_endpoint": .string(other + "token"), "revocation_endpoint": .string(other + "revocation"),
          "introspection_endpoint": .string(other + "introspect"),
        ]), at: [.discovery])
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      for name in ["token_endpoint", "revocation_endpoint"] {
        #expect(
          run.output.contains(
            "warning discovery    \(name) is on 127.0.0.1, not on the issuer's host localhost: "
              + "the client secret goes there"), "\(run.output)")
      }
      // The one that is not used.
      #expect(!run.output.contains("introspection_endpoint is on"), "\(run.output)")
    }
  }

  private static let allIsWell = BrokenSituation.whole(
    BrokenSituation.output, BrokenSituation.connected, BrokenSituation.synchronous, BrokenSituation.answered,
    BrokenSituation.verified, BrokenSituation.planned, BrokenSituation.read, "\nall is well\n")

  @Test func walksTheWholeWay() async throws {
    try await withScene { scene in
      try scene.configure()
      let run = try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(run.code == 0)
      #expect(
        run.output == BrokenSituation.whole(BrokenSituation.configured, Self.allIsWell))
      #expect(run.errors == "")
      #expect(!run.output.contains(scene.sandbox.clientSecret))
      #expect(scene.token() == nil)
      let terminal = try await CommandRun(
        ["check", "--config", scene.workplace.configFile], in: scene.workplace, onTerminal: true)
      #expect(terminal.output.contains("\u{1B}[32m✓\u{1B}[0m verification"))
    }
  }

  @Test(.enabled(if: geteuid() == 0, "needs root to give files away"))
  func refusesACAFileOfAnotherUser() async throws {
    try await withScene { scene in
      try scene.configure()
      #expect(chown(scene.workplace.caFile, 1234, 1234) == 0)
      let run = try await CommandRun(
        ["check", "--config", scene.workplace.configFile, "--offline"], in: scene.workplace)
      #expect(run.code == 78, "\(run.output)")
      #expect(
        run.output.contains("'ca_file': 'DIR/ca.pem' belongs to another user (uid 1234) -> chown root DIR/ca.pem"),
        "\(run.output)")
    }
  }

  @Test func offlineStopsShortOfTheNetwork() async throws {
    try await withScene { scene in
      try scene.configure()
      let run = try await CommandRun(
        ["check", "--config", scene.workplace.configFile, "--offline"], in: scene.workplace)
      #expect(run.code == 0)
      #expect(
        run.output
          == BrokenSituation.whole(
            BrokenSituation.configured, BrokenSituation.output,
            "\noffline checks passed; no server was contacted\n"))
      #expect(scene.sandbox.requests.isEmpty)
    }
  }

  @Test func checksTheTokenThatIsNamed() async throws {
    try await withScene { scene in
      // The other would fail.
      try scene.configure(scene.table(), scene.table("other", ["scope": #""other""#]))
      let check = ["check", "--config", scene.workplace.configFile, "--token"]
      let one = try await CommandRun(check + ["konexus"], in: scene.workplace)
      #expect(one.code == 0)
      #expect(
        one.output
          == BrokenSituation.whole(
            BrokenSituation.configured.replacing("1 token,", with: "2 tokens,"), Self.allIsWell))
      #expect(scene.sandbox.counts[.token] == 1)
      let other = try await CommandRun(check + ["other"], in: scene.workplace)
      #expect(other.code == 16)
      #expect(other.output.hasSuffix("\nfailed at: token of token other (exit code 16)\n"))
      let none = try await CommandRun(check + ["nonesuch"], in: scene.workplace)
      #expect(none.code == 78)
      #expect(
        none.output == """
          FAILED  config       DIR/config.toml has no token 'nonesuch'
                               -> name one of: konexus, other

          failed at: config (exit code 78)

          """)
    }
  }

  /// What `check --json` prints: these members, and no others.
  private struct Report: Decodable, Equatable {
    struct Step: Decodable, Equatable {
      var name: String
      var outcome: String
      var summary: String
      var token: String?
      var details: [String]
      var remedy: String?
      var seconds: Double?
    }
    var schemaVersion = 1
    var exitCode: Int32
    var steps: [Step]
  }

  @Test func tellsMachinesTheSame() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["scope": #""other""#]))
      let run = try await CommandRun(
        ["check", "--config", scene.workplace.configFile, "--json"], in: scene.workplace)
      #expect(run.code == 16)
      #expect(run.errors == "")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      var report = try decoder.decode(Report.self, from: Data(run.output.utf8))
      // Only the steps over the network report their duration.
      #expect(
        report.steps.filter { $0.seconds.map { $0 >= 0 } ?? false }.map(\.name)
          == ["dns", "connection", "tls", "discovery"])
      for index in report.steps.indices { report.steps[index].seconds = nil }
      report.steps.removeAll { $0.name == "unit" }
      func step(
        _ name: String, _ outcome: String, _ summary: String, token: String? = "konexus", _ details: [String] = [],
        remedy: String? = nil
      ) -> Report.Step {
        Report.Step(
          name: name, outcome: outcome, summary: summary, token: token, details: details, remedy: remedy)
      }
      #expect(
        report
          == Report(
            exitCode: 16,
            steps: [
              step("config", "ok", "DIR/config.toml: 1 token, mode 0600, OWNER", token: nil),
              step("output", "ok", "DIR/run: in memory, mode 0750, OWNER"),
              step("dns", "ok", "localhost is 127.0.0.1"),
              step("connection", "ok", "127.0.0.1 port PORT answers"),
              step(
                "tls", "ok", "TLSv1.3, the certificate is good until TIME (REL)",
                ["trusted by: DIR/ca.pem", "CN = localhost, signed by CN = Konexus sandbox CA"]),
              step(
                "discovery", "ok",
                "https://localhost:PORT/.well-known/openid-configuration is https://localhost:PORT's",
                [
                  "token_endpoint: https://localhost:PORT/connect/token",
                  "jwks_uri: https://localhost:PORT/.well-known/openid-configuration/jwks",
                  "client authentication: 'client_secret_basic', 'client_secret_post'", "scopes: 'tamarack'",
                ]),
              step("clock", "ok", "this host's clock and the server's agree to a second"),
              step(
                "token", "failed", "the token endpoint answered 400 'invalid_scope'",
                remedy: "set scope to what the server allows for this client"),
              step("verification", "skipped", "not reached"),
              step("refresh", "skipped", "not reached"),
              step("reader", "skipped", "not reached"),
            ]))
    }
  }
}
