import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// One token in several files, each in the form that its application needs.
@Suite("Outputs", .inTurn)
struct OutputTests {
  private static let outputs = #"""
    [[token.konexus.output]]
    format = "header"
    mode = "0600"
    [[token.konexus.output]]
    format = "json"
    [[token.konexus.output]]
    format = "env"
    variable = "API_TOKEN"
    [[token.konexus.output]]
    format = "template"
    template = """
    [api]
    token = {token}
    # {{token}} until {expires_at} ({expires_at_unix})
    """

    """#

  /// What a file in the runtime directory holds.
  private static func content(_ name: String, _ scene: Scene) -> String? {
    Workplace.read("\(scene.workplace.runtimeDirectory)/\(name)")
  }

  private struct Document: Decodable {
    var accessToken, tokenType, scope, issuedAt, expiresAt: String
    var issuedAtEpoch, expiresAtEpoch: Int

    enum CodingKeys: String, CodingKey {
      case accessToken = "access_token"
      case tokenType = "token_type"
      case scope
      case issuedAt = "issued_at"
      case issuedAtEpoch = "issued_at_epoch"
      case expiresAt = "expires_at"
      case expiresAtEpoch = "expires_at_epoch"
    }
  }

  @Test("the same token in every form, each file with its mode")
  func forms() async throws {
    try await withScene { scene in
      try scene.configure(scene.table() + Self.outputs)
      try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      #expect(scene.sandbox.refusal(of: token) == nil)
      #expect(Self.content("konexus.header", scene) == "Authorization: Bearer \(token)\n")
      #expect(Self.content("konexus.env", scene) == "API_TOKEN=\(token)\n")
      let text = try #require(Self.content("konexus.json", scene))
      let document = try JSONDecoder().decode(Document.self, from: Data(text.utf8))
      #expect(document.accessToken == token && document.tokenType == "Bearer" && document.scope == "tamarack")
      #expect(document.expiresAtEpoch == document.issuedAtEpoch + 3600)
      #expect(TokenReader.expiry(of: token) == Double(document.expiresAtEpoch))
      let dates = try [document.issuedAt, document.expiresAt].map { try Date($0, strategy: .iso8601) }
      #expect(
        dates.map { Int($0.timeIntervalSince1970) } == [document.issuedAtEpoch, document.expiresAtEpoch])
      #expect(
        Self.content("konexus.conf", scene)
          == "[api]\ntoken = \(token)\n# {token} until \(document.expiresAt) (\(document.expiresAtEpoch))\n")
      var status = stat()
      #expect(lstat("\(scene.workplace.runtimeDirectory)/konexus.header", &status) == 0)
      #expect(status.st_mode == S_IFREG | 0o600)
      #expect(lstat("\(scene.workplace.runtimeDirectory)/konexus.json", &status) == 0)
      #expect(status.st_mode == S_IFREG | 0o640)
    }
  }

  @Test("a refresh changes all of them, in the order of the config file, and a reader of any never sees a torn one")
  func together() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure(scene.table() + Self.outputs)
      try scene.startDaemon()
      try await scene.ready()
      var seen: Set<String> = []
      try await scene.wait(for: "three tokens in every form") {
        // The last in the order first: what it holds, the others held before.
        guard let template = Self.content("konexus.conf", scene),
          let environment = Self.content("konexus.env", scene), let json = Self.content("konexus.json", scene),
          let header = Self.content("konexus.header", scene), let raw = scene.token()
        else {
          Issue.record("a file is missing")
          return true
        }
        let document = try JSONDecoder().decode(Document.self, from: Data(json.utf8))
        let tokens = [
          String(template.split(separator: "\n")[1].dropFirst("token = ".count)),
          String(environment.dropFirst("API_TOKEN=".count).dropLast()), document.accessToken,
          String(header.dropFirst("Authorization: Bearer ".count).dropLast()), raw,
        ]
        for token in tokens { #expect(token.split(separator: ".").count == 3 && token.count == raw.count) }
        let ends = tokens.compactMap { TokenReader.expiry(of: $0) }
        #expect(ends == ends.sorted(), "an earlier file is older than a later one")
        if Set(tokens).count == 1 { seen.insert(raw) }
        return seen.count >= 3
      }
    }
  }

  @Test("a restart takes all of them over; one that was changed is put right without a request")
  func adoption() async throws {
    try await withScene { scene in
      try scene.configure(scene.table() + Self.outputs)
      let daemon = try scene.startDaemon()
      try await scene.ready()
      daemon.process.kill()
      let names = ["konexus.header", "konexus.json", "konexus.env", "konexus.conf"]
      let contents = names.map { Self.content($0, scene) }
      #expect(contents.allSatisfy { $0 != nil })
      for name in ["konexus.header", "konexus.conf"] {
        try scene.workplace.write("forged", to: "\(scene.workplace.runtimeDirectory)/\(name)")
      }
      try scene.startDaemon()
      try await scene.wait(for: "the files' return") { names.map { Self.content($0, scene) } == contents }
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("a restart without changes writes no file again")
  func untouched() async throws {
    try await withScene { scene in
      try scene.configure(scene.table() + Self.outputs)
      let daemon = try scene.startDaemon()
      try await scene.ready()
      func inodes() -> [ino_t] {
        ["konexus.token", "konexus.header", "konexus.json", "konexus.env", "konexus.conf"].map { name in
          var status = stat()
          return lstat("\(scene.workplace.runtimeDirectory)/\(name)", &status) == 0 ? status.st_ino : 0
        }
      }
      let before = inodes()
      #expect(!before.contains(0))
      daemon.process.kill()
      let next = try scene.startDaemon()
      try await scene.wait(for: "the next run's status") { next.status?.pid == next.process.pid }
      try await scene.wait(for: "the token's adoption") { next.status?.tokens.first?.condition == .valid }
      #expect(inodes() == before)
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("one file that cannot be written does not disturb the others: no gap, no second writing, no missing status")
  func oneBroken() async throws {
    try await withScene(lifetime: 8) { scene in
      let directory = scene.workplace.path + "/extra"
      #expect(mkdir(directory, 0o750) == 0)
      let output = "[[token.konexus.output]]\nformat = 'header'\npath = '\(directory)/konexus.header'\n"
      try scene.configure(scene.table() + output)
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let reader = try await scene.startReader()
      #expect(rename(directory, directory + ".old") == 0)
      var files: [String: Set<ino_t>] = [:]
      let end = Clock.monotonic + 20
      try await scene.wait(for: "the lives of two tokens") {
        var status = stat()
        if lstat(scene.workplace.tokenFile(), &status) == 0, let token = scene.token() {
          var again = stat()
          if lstat(scene.workplace.tokenFile(), &again) == 0, again.st_ino == status.st_ino {
            files[token, default: []].insert(status.st_ino)
          }
        }
        #expect(daemon.status?.tokens.first?.condition != .absent)
        return Clock.monotonic > end
      }
      #expect(daemon.status?.tokens.first?.publicationFailure?.contains(directory) == true)
      #expect(files.count >= 4 && files.values.allSatisfy { $0.count == 1 }, "\(files.values.map(\.count))")
      let report = reader.finish()
      #expect(report.gaps.isEmpty && report.refused.isEmpty, "\(report)")
      #expect(rename(directory + ".old", directory) == 0)
      try await scene.wait(for: "the token in the other file") {
        Workplace.read(directory + "/konexus.header") == scene.token().map { "Authorization: Bearer \($0)\n" }
      }
    }
  }

  @Test("a template that cannot hold the token does not delay the start of applications that read another file")
  func oneUnfit() async throws {
    try await withScene { scene in
      scene.sandbox.inject(Fault(.setMembers(["access_token": "a|b!"])))
      try scene.configure(
        scene.table("konexus", ["verify": "\"none\""])
          + "[[token.konexus.output]]\nformat = 'template'\ntemplate = 'key={token}'\n")
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.token() != nil)
    }
  }

  @Test("a changed template takes effect at a reload, with the same token; a broken one changes nothing")
  func changedTemplate() async throws {
    try await withScene { scene in
      func configure(_ template: String) throws {
        try scene.configure(
          scene.table() + "[[token.konexus.output]]\nformat = 'template'\ntemplate = '\(template)'\n")
      }
      try configure("first {token}")
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      #expect(Self.content("konexus.conf", scene) == "first \(token)")
      try configure("{tokne}")
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the error") {
        daemon.status?.configurationProblem?.contains("contains {tokne}") == true
      }
      #expect(Self.content("konexus.conf", scene) == "first \(token)")
      try configure("second {token}")
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the second template") { Self.content("konexus.conf", scene) == "second \(token)" }
      #expect(scene.sandbox.counts[.token] == 1)
      #expect(daemon.status?.tokens.first?.outputs.map(\.format) == ["raw", "template"])
    }
  }
}
