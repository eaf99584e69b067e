import Base
import Broker
import Glibc
import KonexusSandbox
import Publication
import Report
import Testing

/// Tokens that the server verifies by introspection (RFC 7662), and tokens that are not verified.
@Suite("Opaque tokens", .inTurn)
struct IntrospectionTests {
  private static let introspected: KeyValuePairs = ["verify": "\"introspection\""]

  @Test(
    "a token that the server calls active is published, by each method of authentication",
    arguments: SandboxSettings.TokenForm.allCases, ["client_secret_post", "client_secret_basic"])
  func active(form: SandboxSettings.TokenForm, method: String) async throws {
    try await withScene(options: {
      $0.settings.tokenForm = form
      $0.settings.basicEncoding = .raw
      $0.clients = [SandboxClient(id: "gauge", secrets: ["a+secret&more"])]
    }) { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\"", "client_auth": "\"\(method)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.sandbox.counts[.introspection] == 1)
      #expect(scene.sandbox.counts[.jwks] == 0, "no keys are needed")
      #expect(daemon.status?.tokens.first?.notes.contains { $0.contains("NOT VERIFIED") } == false)
    }
  }

  @Test("by a signed assertion and by certificate, at the alias; so is revocation", arguments: [true, false])
  func byKey(isCertificate: Bool) async throws {
    try await withScene(options: {
      $0.settings.tokenForm = .opaque
      $0.mutualTLSPort = 0
      $0.clients = [SandboxClient(id: "gauge", certificateName: "river gauge")]
    }) { scene in
      let file = scene.workplace.path + "/client.pem"
      if isCertificate {
        let pair = try scene.sandbox.issueClientCertificate(name: "river gauge")
        try scene.workplace.write(pair.certificatePEM + pair.keyPEM, to: file)
      } else {
        let key = try await KeyPair("EC", in: scene.workplace)
        scene.sandbox.updateClients { $0[0].publicKeys = [key.publicPEM] }
        try scene.workplace.write(key.privatePEM, to: file)
      }
      let method = isCertificate ? "tls_client_auth" : "private_key_jwt"
      try scene.configure(
        scene.table(
          "konexus",
          [
            "verify": "\"introspection\"", "revoke_on_stop": "true", "client_secret": "",
            "client_auth": "\"\(method)\"",
            isCertificate ? "client_certificate_file" : "private_key_file": "\"\(file)\"",
          ]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.sandbox.refusal(of: token) == "revoked")
      let seen = scene.sandbox.requests.filter { [.token, .introspection, .revocation].contains($0.endpoint) }
      #expect(seen.map(\.authentication) == [method, method, method], "\(seen)")
      #expect(seen.allSatisfy { $0.showsCertificate == isCertificate && $0.status == 200 }, "\(seen)")
      #expect(Set(seen.map(\.endpoint)).count == 3)
    }
  }

  struct Answer: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: FailureCode
    var fault: Fault.Kind
    init(_ name: String, _ code: FailureCode, _ fault: Fault.Kind) {
      testDescription = name
      self.code = code
      self.fault = fault
    }
  }

  static let answers = [
    Answer("inactive", .tokenInactive, .body(#"{"active":false}"#)),
    Answer("inactive, with all else right", .tokenInactive, .setMembers(["active": false])),
    Answer("active as a text", .malformedAnswer, .setMembers(["active": "true"])),
    Answer("active as a number", .malformedAnswer, .setMembers(["active": 1])),
    Answer("no active", .malformedAnswer, .removeMembers(["active"])),
    Answer("active twice", .malformedAnswer, .body(#"{"active":false,"active":true}"#)),
    Answer("another client's", .wrongClient, .setMembers(["client_id": "someone-else"])),
    Answer("another issuer's", .wrongIssuer, .setMembers(["iss": "https://evil.example"])),
    Answer("for another audience", .wrongAudience, .setMembers(["aud": "someone-else"])),
    Answer("a narrower scope", .missingScope, .setMembers(["scope": "other"])),
    Answer("ended", .tokenExpired, .setMembers(["exp": 1_000_000_000, "iat": 999_999_000, "nbf": 999_999_000])),
    Answer("exp a text", .malformedAnswer, .setMembers(["exp": "tomorrow"])),
    Answer("a page", .malformedAnswer, .html),
    Answer("an empty body", .malformedAnswer, .empty),
    Answer("an array", .malformedAnswer, .body("[true]")),
    Answer("503", .serverError, .status(503)),
    Answer("404", .rejected, .status(404)),
    Answer("401 invalid_client", .invalidClient, .oauthError("invalid_client", status: 401)),
    Answer("a redirect", .redirect, .redirect("https://evil.example/introspect")),
    Answer("endless", .tooLarge, .endless),
  ]

  @Test("what the server does not vouch for is not published, and the good token stays", arguments: answers)
  func refused(_ answer: Answer) async throws {
    try await withScene(options: { $0.settings.tokenForm = .opaque }) { scene in
      try scene.configure(scene.table("konexus", Self.introspected))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let good = scene.token()
      scene.sandbox.inject(answer.fault, at: [.introspection])
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.code == answer.code.rawValue, "\(failure)")
      #expect(scene.token() == good && good != nil)
      #expect(!scene.sandbox.issuedTokens.dropFirst().contains { failure.message.contains($0) })
      // As soon as introspection succeeds again, the next one is published.
      scene.sandbox.clearFaults()
      daemon.signal(SIGHUP)
      try await scene.wait(for: "a token again") { scene.token() != good && scene.token() != nil }
    }
  }

  @Test("a server that takes HTTP Basic alone where tokens are introspected and revoked, as Glewlwyd does, and says so")
  func otherMethodThere() async throws {
    try await withScene { scene in
      scene.sandbox.inject(
        .setMembers([
          "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
          "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
        ]), at: [.discovery])
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\"", "revoke_on_stop": "true"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      let seen = scene.sandbox.requests.filter { [.token, .introspection, .revocation].contains($0.endpoint) }
      #expect(
        seen.map(\.authentication) == ["client_secret_post", "client_secret_basic", "client_secret_basic"], "\(seen)")
    }
  }

  @Test("a server without introspection_endpoint: no token, and the reason")
  func notOffered() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.removeMembers(["introspection_endpoint"]), at: [.discovery])
      try scene.configure(scene.table("konexus", Self.introspected))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "discovery-incomplete" }
      #expect(daemon.status?.tokens.first?.failure?.message.contains("introspection_endpoint") == true)
      #expect(scene.token() == nil)
    }
  }

  @Test("without expires_in the introspection's exp counts; without either there is no token")
  func endOfLife() async throws {
    try await withScene(lifetime: 6) { scene in
      scene.sandbox.inject(.removeMembers(["expires_in"]), at: [.token])
      try scene.configure(scene.table("konexus", Self.introspected))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      // A JWT, whose expiry the reader knows. The daemon treats it as opaque.
      let reader = try await scene.startReader()
      await scene.sandbox.down()
      try await scene.wait(for: "the end of the token") { scene.token() == nil }
      #expect(reader.report().refused.isEmpty)
      try await scene.sandbox.up()
      scene.sandbox.inject(.removeMembers(["exp"]), at: [.introspection])
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "lifetime" }
      #expect(scene.token() == nil)
    }
  }

  @Test("a restart: the token serves on without a gap, and the server is asked anew at once")
  func restart() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", Self.introspected))
      let first = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      // A JWT, whose expiry the reader knows. The daemon treats it as opaque.
      let reader = try await scene.startReader()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      try await scene.wait(for: "a token that the server vouched for") { scene.token() != before }
      #expect(scene.sandbox.counts[.introspection] == 2)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("a restart while the server is down: what was vouched for serves on to its end, and no longer")
  func restartWhileDown() async throws {
    try await withScene(lifetime: 9, options: { $0.settings.tokenForm = .opaque }) { scene in
      try scene.configure(scene.table("konexus", Self.introspected))
      let first = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      await scene.sandbox.down()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      let second = try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(scene.token() == before)
      #expect(second.log(with: "reusing the token of the previous run").count == 1)
      try await scene.wait(for: "the end") { scene.token() == nil }
      try await scene.sandbox.up()
      try await scene.wait(for: "a token again") { scene.token() != nil }
    }
  }

  @Test("an opaque token that was changed while nobody looked is not taken over", arguments: ["introspection", "none"])
  func tampered(verify: String) async throws {
    try await withScene(options: { $0.settings.tokenForm = .opaque }) { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"\(verify)\""]))
      let first = try scene.startDaemon()
      try await scene.ready()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      let planted = "planted-by-an-attacker-and-quite-long-too"
      try scene.workplace.write(planted, to: scene.workplace.tokenFile(), mode: 0o640)
      try scene.startDaemon()
      try await scene.wait(for: "a token of the server's") { scene.token() != planted && scene.token() != nil }
      #expect(scene.sandbox.counts[.token] == 2)
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  @Test("verify = none is named in STATUS, in the status and by check; a restart costs nothing")
  func unverified() async throws {
    try await withScene(options: { $0.settings.tokenForm = .opaque }) { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"none\""]))
      let first = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      #expect(scene.sandbox.refusal(of: token) == nil)
      #expect(scene.sandbox.counts[.introspection] == 0 && scene.sandbox.counts[.jwks] == 0)
      let status = try #require(scene.notify.status)
      #expect(status.contains("NOT VERIFIED"), "\(status)")
      let report = StatusReport(try StatusFile.find(in: scene.workplace.runtimeDirectory))
      #expect(report.json().contains("NOT VERIFIED"))
      #expect(report.text(.plain, inDetail: true).rendered(.plain).contains("NOT VERIFIED"))
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      #expect(scene.token() == token && scene.sandbox.counts[.token] == 1)
    }
  }

  @Test("verify = none: a token without any end is not published; one that says it has ended neither")
  func unverifiedEnd() async throws {
    try await withScene(options: { $0.settings.tokenForm = .opaque }) { scene in
      scene.sandbox.inject(.removeMembers(["expires_in"]), at: [.token])
      try scene.configure(scene.table("konexus", ["verify": "\"none\""]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "lifetime" }
      #expect(scene.token() == nil)
      scene.sandbox.clearFaults()
      scene.sandbox.update { $0.tokenForm = .jwt }
      scene.sandbox.inject(.expiredToken)
      // Those that had no end at all are over: what is counted from here on are tokens that have ended.
      let before = scene.sandbox.counts[.token]
      daemon.signal(SIGHUP)
      try await scene.wait(for: "another attempt, and what came of it") {
        scene.sandbox.counts[.token] > before && (daemon.status?.tokens.first?.requests ?? 0) > before
      }
      #expect(daemon.status?.tokens.first?.failure?.code == "lifetime")
      #expect(scene.token() == nil)
    }
  }
}
