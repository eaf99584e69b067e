import Base
import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// The behaviour of real servers, whether the standards allow it or not.
///
/// Each leads either to a token or to a failure with the right name.
@Suite("What real servers do", .inTurn)
struct RealServerTests {
  /// A peculiarity that a token comes through.
  struct Peculiarity: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var faults: [Fault] = []
    /// The path at which the second attempt finds the discovery document; nil if the first one finds it.
    var place: String?
    var options: @Sendable (inout SandboxOptions) -> Void = { _ in }

    init(
      _ name: String, _ faults: Fault..., place: String? = nil,
      options: @escaping @Sendable (inout SandboxOptions) -> Void = { _ in }
    ) {
      testDescription = name
      self.faults = faults
      self.place = place
      self.options = options
    }
  }

  private static func key(_ use: String) -> JSON {
    // This is no valid RSA key, which would need 2048 bits. An encryption key is skipped before its numbers are read.
    ["kty": "RSA", "use": .string(use), "kid": "other", "e": "AQAB", "n": "AQAB"]
  }

  static let harmless = [
    Peculiarity(
      "no scope member in the answer (RFC 6749, 5.1: as asked)", Fault(.removeMembers(["scope"]), at: [.token])),
    Peculiarity("scope as an array in the answer", Fault(.setMembers(["scope": ["tamarack"]]), at: [.token])),
    Peculiarity("token_type in lower case", Fault(.setMembers(["token_type": "bearer"]), at: [.token])),
    Peculiarity("token_type in capitals", Fault(.setMembers(["token_type": "BEARER"]), at: [.token])),
    Peculiarity("typ JWT", options: { $0.settings.tokenType = "JWT" }),
    Peculiarity("typ application/at+jwt", options: { $0.settings.tokenType = "application/at+jwt" }),
    Peculiarity("no typ", Fault(.removeTokenHeader(["typ"]))),
    Peculiarity("aud an array of one", Fault(.setClaims(["aud": ["tamarack"]]))),
    Peculiarity("aud an array of several", options: { $0.settings.audience = ["tamarack", "https://other.example"] }),
    Peculiarity("scope claim a string", options: { $0.settings.scopeForm = .string }),
    Peculiarity("no scope claim", Fault(.removeClaims(["scope"]))),
    Peculiarity("no nbf", Fault(.removeClaims(["nbf"]))),
    Peculiarity("no iat", Fault(.removeClaims(["iat"]))),
    Peculiarity("no client_id claim", Fault(.removeClaims(["client_id"]))),
    Peculiarity("no jti, no sub", Fault(.removeClaims(["jti", "sub"]))),
    Peculiarity("expires_in missing", Fault(.removeMembers(["expires_in"]), at: [.token])),
    Peculiarity("expires_in a string", Fault(.setMembers(["expires_in": "3600"]), at: [.token])),
    Peculiarity(
      "members that nobody knows", Fault(.setMembers(["foo": ["bar": 1], "refresh_token": ""]), at: [.token])),
    Peculiarity(
      "discovery leaves client_credentials out",
      Fault(.setMembers(["grant_types_supported": ["authorization_code"]]), at: [.discovery])),
    Peculiarity(
      "discovery has no grant_types_supported", Fault(.removeMembers(["grant_types_supported"]), at: [.discovery])),
    Peculiarity(
      "discovery has members of odd types",
      Fault(.setMembers(["scopes_supported": "all", "mtls_endpoint_aliases": []]), at: [.discovery])),
    Peculiarity("discovery leaves the method out", options: { $0.settings.advertisedAuthenticationMethods = ["none"] }),
    Peculiarity(
      "discovery is at RFC 8414's place alone",
      Fault(.status(404), at: [.discovery], requests: 1), place: "/.well-known/oauth-authorization-server"),
    Peculiarity(
      "the same, with a page for every other address", Fault(.html, at: [.discovery], requests: 1),
      place: "/.well-known/oauth-authorization-server"),
    Peculiarity("issuer with a path", options: { $0.issuerPath = "/tenant/a" }),
    Peculiarity("issuer with a trailing slash", options: { $0.issuerPath = "/" }),
    Peculiarity("issuer with a path and a trailing slash", options: { $0.issuerPath = "/realms/b/" }),
    Peculiarity(
      "RFC 8414's place, for an issuer with a path", Fault(.status(404), at: [.discovery], requests: 1),
      place: "/.well-known/oauth-authorization-server/tenant/a", options: { $0.issuerPath = "/tenant/a" }),
    Peculiarity(
      "RFC 8414's place, for an issuer with a path and a trailing slash",
      Fault(.status(404), at: [.discovery], requests: 1),
      place: "/.well-known/oauth-authorization-server/realms/b", options: { $0.issuerPath = "/realms/b/" }),
    Peculiarity("keys without alg", Fault(.removeKeyMembers(["alg"]))),
    Peculiarity("keys without use", Fault(.removeKeyMembers(["use"]))),
    Peculiarity("keys without alg, use, x5t, x5c", Fault(.removeKeyMembers(["alg", "use", "x5t", "x5c"]))),
    Peculiarity("one key without kid", Fault(.removeKeyMembers(["kid"]))),
    Peculiarity("a token without kid", Fault(.removeTokenHeader(["kid", "x5t"]))),
    Peculiarity(
      "keys for encryption, of unknown types and curves beside the signing one",
      Fault(
        .extraKeys([
          key("enc"), ["kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"],
          ["kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"],
          ["kty": "OKP", "crv": "X25519", "use": "enc", "x": "AAAA"], ["kty": "oct", "k": "AAAA"], "odd", 7,
        ]))),
    Peculiarity(
      "an unusable key under the very kid", Fault(.extraKeys([key("enc")])), Fault(.setKeyMembers(["kid": "same"])),
      Fault(.setTokenHeader(["kid": "same"]))),
    Peculiarity("content type text/plain everywhere", Fault(.contentType("text/plain"))),
    Peculiarity("content type with charset", Fault(.contentType("application/json;charset=UTF-8"))),
  ]

  @Test("a token comes through", arguments: harmless)
  func tokenComesThrough(_ peculiarity: Peculiarity) async throws {
    try await withScene(options: peculiarity.options) { scene in
      for fault in peculiarity.faults { scene.sandbox.inject(fault) }
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.token() != nil)
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      for request in scene.sandbox.requests { #expect(!request.path.contains("//"), "\(request.path)") }
      let documents = scene.sandbox.requests.filter { $0.endpoint == .discovery }.map(\.path)
      #expect(documents.count == (peculiarity.place == nil ? 1 : 2), "\(documents)")
      if let place = peculiarity.place { #expect(documents.last == place) }
    }
  }

  /// A peculiarity that must not lead to a token, with the failure's name and a word of its message.
  struct Refusal: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: FailureCode
    var word: String
    var settings: @Sendable (inout SandboxSettings) -> Void = { _ in }
    var fault: Fault?
    var table: KeyValuePairs<String, String> = [:]
  }

  static let refused = [
    Refusal(
      testDescription: "a wrong secret answered with 403 and an empty body", code: .rejected, word: "403",
      settings: { $0.refusal = .forbiddenEmpty }, table: ["client_secret": "\"wrong-secret-of-the-client\""]),
    Refusal(
      testDescription: "a wrong secret called unauthorized_client with 401, as Keycloak does", code: .invalidClient,
      word: "unauthorized_client", fault: Fault(.oauthError("unauthorized_client", status: 401), at: [.token])),
    Refusal(
      testDescription: "scope_invalid, which no standard knows", code: .invalidScope, word: "scope_invalid",
      settings: { $0.invalidScopeCode = "scope_invalid" }, table: ["scope": "\"tamarack beyond\""]),
    Refusal(
      testDescription: "invalid_target (RFC 8707)", code: .invalidScope, word: "invalid_target",
      fault: Fault(.oauthError("invalid_target"), at: [.token])),
    Refusal(
      testDescription: "200 with a narrower scope than asked, in the token", code: .missingScope,
      word: "tamarack", fault: Fault(.setClaims(["scope": ["other"]]))),
    Refusal(
      testDescription: "typ JWT where at+jwt is demanded", code: .wrongType, word: "at+jwt",
      settings: { $0.tokenType = "JWT" }, table: ["require_at_jwt": "true"]),
    Refusal(
      testDescription: "an opaque token where a JWT is demanded", code: .malformedToken, word: "opaque",
      settings: { $0.tokenForm = .opaque }),
  ]

  @Test("no token comes through, and the reason is told", arguments: refused)
  func noTokenComesThrough(_ refusal: Refusal) async throws {
    try await withScene(options: { refusal.settings(&$0.settings) }) { scene in
      if let fault = refusal.fault { scene.sandbox.inject(fault) }
      scene.secrets.withLock { _ = $0.insert("wrong-secret-of-the-client") }
      try scene.configure(scene.table("konexus", refusal.table))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == refusal.code.rawValue, "\(failure)")
      #expect(failure.message.contains(refusal.word), "\(failure.message)")
      #expect(scene.token() == nil)
    }
  }

  @Test(
    "an issuer that differs by its trailing slash alone, either way", arguments: ["", "/", "/realms/b", "/realms/b/"])
  func trailingSlash(path: String) async throws {
    try await withScene(options: { $0.issuerPath = path }) { scene in
      let issuer = scene.sandbox.issuer
      let other = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer + "/"
      try scene.configure(scene.table("konexus", ["issuer": "\"\(other)\""]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the refusal") { daemon.status?.tokens.first?.failure?.code == "issuer-mismatch" }
      #expect(daemon.status?.tokens.first?.failure?.message.contains("not the same text") == true)
      #expect(scene.sandbox.counts[.token] == 0, "no secret goes to a server by another name")
    }
  }

  @Test("what RFC 8414's place says counts where OpenID Connect's has nothing")
  func secondPlaceFails() async throws {
    try await withScene { scene in
      // The later fault is applied last: 404 to the first request, 503 to the second.
      scene.sandbox.inject(.status(503), at: [.discovery])
      scene.sandbox.inject(.status(404), at: [.discovery], requests: 1)
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      #expect(daemon.status?.tokens.first?.failure?.code == "server-error")
    }
  }

  @Test("a scope that is narrower in the answer, where the token tells none")
  func narrowerAnswer() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.setMembers(["scope": "other"]), at: [.token])
      scene.sandbox.inject(.removeClaims(["scope"]))
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "missing-scope" }
      #expect(scene.token() == nil)
    }
  }

  @Test("the old signing key is gone at once, within the key set's own max-age")
  func rotationWithinMaxAge() async throws {
    try await withScene(options: {
      $0.settings.keySetCacheControl = "max-age=86400"
      $0.settings.discoveryCacheControl = "max-age=86400"
    }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      try await scene.sandbox.rotateKeys(dropOld: true)
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key") { scene.token() != before }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.sandbox.counts[.jwks] == 2 && scene.sandbox.counts[.discovery] == 1)
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
    }
  }

  @Test("resource (RFC 8707), audience and extra parameters are sent, and a change of them asks for another token")
  func requestParameters() async throws {
    try await withScene(options: { $0.settings.grantsAskedAudience = true }) { scene in
      let resources = ["https://api.example/v2", "urn:example:alerts?x=1&y=2"]
      func table(_ more: KeyValuePairs<String, String>) -> String {
        var text = scene.table("konexus", ["audience": "[\"\(resources[0])\", \"tamarack\"]"])
        for (key, value) in more { text += "\(key) = \(value)\n" }
        return text
      }
      let resource = "[\"\(resources[0])\", \"\(resources[1])\"]"
      try scene.configure(
        table(["resource": resource, "extra_parameters": "{ tenant = \"north & south\", \"x.y\" = \"\" }"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let sent = try #require(scene.sandbox.requests.last { $0.endpoint == .token }).parameters
      #expect(sent["resource"] == resources)
      #expect(sent["tenant"] == ["north & south"] && sent["x.y"] == [""])
      #expect(sent["audience"] == nil)
      // Each change, by itself, means another token, on reload and after a restart.
      let changes: [KeyValuePairs<String, String>] = [
        ["resource": "\"\(resources[0])\""],
        ["resource": "\"\(resources[0])\"", "request_audience": "\"tamarack\""],
        [
          "resource": "\"\(resources[0])\"", "request_audience": "\"tamarack\"",
          "extra_parameters": "{ tenant = \"x\" }",
        ],
      ]
      for (number, change) in changes.enumerated() {
        let before = scene.token()
        try await scene.pass(1.1)
        try scene.configure(table(change))
        daemon.signal(SIGHUP)
        try await scene.wait(for: "a token of change \(number)") { scene.token() != before }
      }
      let last = try #require(scene.sandbox.requests.last { $0.endpoint == .token }).parameters
      #expect(last["resource"] == [resources[0]] && last["audience"] == ["tamarack"] && last["tenant"] == ["x"])
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      let before = scene.token()
      try scene.configure(table([:]))
      try scene.startDaemon()
      try await scene.wait(for: "a token of the restart") { scene.token() != nil && scene.token() != before }
    }
  }
}
