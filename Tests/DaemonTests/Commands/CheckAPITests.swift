import KonexusSandbox
import Testing

/// The step `api` of `check`: the token that it obtained, sent once to the API.
@Suite(.inTurn) struct CheckAPITests {
  private static let path = "/api/v2/settings/subscriptions"

  private static func otherServer() async throws -> Sandbox {
    var options = SandboxOptions()
    options.algorithm = .es256
    return try await Sandbox.start(options)
  }

  /// Runs `check` with the sandbox's API in `api_url`.
  private func check(_ scene: Scene, url: String? = nil, _ further: String...) async throws -> CommandRun {
    let url = url ?? "\(scene.sandbox.issuer)\(Self.path)"
    try scene.configure(scene.table("konexus", ["api_url": "\"\(url)\""]))
    return try await run(scene, further)
  }

  private func run(_ scene: Scene, _ further: [String]) async throws -> CommandRun {
    let run = try await CommandRun(["check", "--config", scene.workplace.configFile] + further, in: scene.workplace)
    for token in scene.sandbox.issuedTokens {
      let signature = token.split(separator: ".").last.map(String.init) ?? token
      #expect(!(run.output + run.errors).contains(signature), "the token is printed")
    }
    return run
  }

  /// The lines of the step.
  private func step(_ run: CommandRun) -> [String] {
    let lines = run.lines.drop { !$0.contains(" api  ") }
    return lines.first.map { [$0] + lines.dropFirst().prefix { $0.hasPrefix("      ") } } ?? []
  }

  @Test func acceptedByTheConfiguredAPI() async throws {
    try await withScene { scene in
      let run = try await check(scene, url: "\(scene.sandbox.issuer)\(Self.path)?page=1")
      #expect(run.code == 0)
      #expect(
        step(run) == [
          "ok      api          https://localhost:PORT\(Self.path) accepts the token: it answered 200 (MS)"
        ],
        "\(run.output)")
      #expect(run.output.hasSuffix("\nall is well\n"))
      #expect(scene.sandbox.counts.apiAccepted == 1 && scene.sandbox.counts[.api] == 1)
      #expect(scene.sandbox.requests.last?.method == "GET")
      #expect(scene.token() == nil)
    }
  }

  /// Without `api_url`, and once.
  @Test func acceptedByTheAPIOfTheCommandLine() async throws {
    try await withScene { scene in
      try scene.configure()
      let plain = try await run(scene, [])
      #expect(plain.code == 0 && step(plain) == [])
      #expect(scene.sandbox.counts[.api] == 0)
      let run = try await run(scene, ["--api", "\(scene.sandbox.issuer)\(Self.path)"])
      #expect(run.code == 0 && step(run).first?.hasPrefix("ok      api ") == true, "\(run.output)")
      #expect(scene.sandbox.counts.apiAccepted == 1)
    }
  }

  @Test func commandLineGoesBeforeConfiguration() async throws {
    try await withScene { scene in
      let run = try await check(
        scene, url: "https://api.konexus.invalid/", "--api", "\(scene.sandbox.issuer)\(Self.path)")
      #expect(run.code == 0 && step(run).first?.hasPrefix("ok      api ") == true, "\(run.output)")
    }
  }

  /// 403: the token is valid, and may not be used for this.
  @Test func acceptedWithoutTheScope() async throws {
    try await withScene { scene in
      scene.sandbox.update { $0.requiredScope = "content" }
      let run = try await check(scene)
      #expect(run.code == 0)
      #expect(
        step(run).first?.hasPrefix(
          "ok      api          https://localhost:PORT\(Self.path) accepts the token: it answered 403") == true,
        "\(run.output)")
    }
  }

  @Test func notAccepted() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(401), at: [.api])
      let run = try await check(scene)
      #expect(run.code == 22)
      let step = step(run)
      #expect(
        step.first?.hasPrefix(
          "FAILED  api          https://localhost:PORT\(Self.path) does not accept the token: it answered 401")
          == true,
        "\(run.output)")
      #expect(step.last?.contains("-> ") == true)
      #expect(run.output.hasSuffix("\nfailed at: api of token konexus (exit code 22)\n"))
      #expect(scene.sandbox.counts[.api] == 1)
    }
  }

  @Test(arguments: [404, 429, 500, 503])
  func unknown(_ status: Int) async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(status), at: [.api])
      let run = try await check(scene)
      #expect(run.code == 0)
      let line = step(run).first ?? ""
      #expect(line.hasPrefix("warning api ") && line.contains("\(status)"), "\(run.output)")
      #expect(run.output.hasSuffix("\nit works, with 1 warning\n"))
      #expect(scene.sandbox.counts[.api] == 1)
    }
  }

  /// The token does not follow a redirect to another host.
  @Test func redirect() async throws {
    try await withScene { scene in
      let other = try await Self.otherServer()
      scene.sandbox.inject(.redirect("https://127.0.0.1:\(other.port)\(Self.path)"), at: [.api])
      let run = try await check(scene)
      #expect(run.code == 0 && step(run).first?.hasPrefix("warning api ") == true, "\(run.output)")
      #expect(other.counts.connections == 0)
      await other.stop()
    }
  }

  /// A server with a certificate of another authority gets nothing.
  @Test func anotherAuthority() async throws {
    try await withScene { scene in
      let other = try await Self.otherServer()
      let run = try await check(scene, url: "https://localhost:\(other.port)\(Self.path)")
      #expect(run.code == 0 && step(run).first?.hasPrefix("warning api ") == true, "\(run.output)")
      #expect(other.requests.isEmpty)
      await other.stop()
    }
  }

  @Test func notReached() async throws {
    try await withScene { scene in
      try scene.configure(
        scene.table("konexus", ["scope": #""other""#, "api_url": "\"\(scene.sandbox.issuer)\(Self.path)\""]))
      let run = try await run(scene, [])
      #expect(run.code == 16)
      #expect(run.output.contains("skipped verification, refresh, reader, api: not reached\n"), "\(run.output)")
      #expect(scene.sandbox.counts[.api] == 0)
    }
  }

  @Test func offline() async throws {
    try await withScene { scene in
      let run = try await check(scene, "--offline")
      #expect(run.code == 0 && step(run) == [], "\(run.output)")
      #expect(scene.sandbox.requests.isEmpty)
    }
  }

  /// The API of one token must not get the token of another.
  @Test func oneTokenOnly() async throws {
    try await withScene { scene in
      try scene.configure(scene.table(), scene.table("other"))
      let api = ["--api", "\(scene.sandbox.issuer)\(Self.path)"]
      let both = try await run(scene, api)
      #expect(both.code == 78)
      #expect(
        both.output == """
          FAILED  config       --api is for one token, and DIR/config.toml has 2
                               -> add --token with one of: konexus, other

          failed at: config (exit code 78)

          """)
      #expect(scene.sandbox.requests.isEmpty)
      let one = try await run(scene, api + ["--token", "other"])
      #expect(one.code == 0 && scene.sandbox.counts[.api] == 1, "\(one.output)")
    }
  }

  @Test(
    arguments: [
      ("http://api.example.org/x", "--api is 'http://api.example.org/x', which would send the token in clear text"),
      ("http://127.0.0.1.example.org/", "which would send the token in clear text"),
      ("https://user:hunter2@localhost/", "--api is '…', which holds a user name or password"),
      ("https://localhost/#x", "which has a fragment"), ("localhost", "which is no URL"), ("", "--api is empty"),
    ])
  func refusedURLs(_ url: String, _ message: String) async throws {
    try await withScene { scene in
      try scene.configure()
      let run = try await run(scene, ["--api", url])
      #expect(run.code == 64)
      #expect(run.output == "")
      #expect(run.errors.contains(message), "\(run.errors)")
      #expect(!run.errors.contains("hunter2"))
      #expect(scene.sandbox.requests.isEmpty)
    }
  }

  @Test func onlineOnly() async throws {
    try await withScene { scene in
      try scene.configure()
      let run = try await run(scene, ["--api", "https://localhost/", "--offline"])
      #expect(run.code == 64 && run.errors.contains("--api and --offline do not go together"), "\(run.errors)")
    }
  }
}
