import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// One token in several files, each in the form that its readers want.
@Suite("Outputs", .inTurn)
struct OutputTests {
  private static let outputs = """
    [[token.konexus.output]]
    format = "header"
    mode = "0600"
    [[token.konexus.output]]
    format = "json"
    [[token.konexus.output]]
    format = "env"
    variable = "API_TOKEN"

    """

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
        guard let environment = Self.content("konexus.env", scene), let json = Self.content("konexus.json", scene),
          let header = Self.content("konexus.header", scene), let raw = scene.token()
        else {
          Issue.record("a file is missing")
          return true
        }
        let document = try JSONDecoder().decode(Document.self, from: Data(json.utf8))
        let tokens = [
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
      let header = try #require(Self.content("konexus.header", scene))
      try scene.workplace.write("forged", to: "\(scene.workplace.runtimeDirectory)/konexus.header")
      try scene.startDaemon()
      try await scene.wait(for: "the header's return") { Self.content("konexus.header", scene) == header }
      #expect(scene.sandbox.counts[.token] == 1)
    }
  }
}
