import Glibc
import KonexusSandbox
import Testing

/// `revoke_on_stop`: who stops the daemon takes its tokens back, from the readers and from the server (RFC 7009).
@Suite("Revocation at stop", .inTurn)
struct RevocationTests {
  private static let revoked: KeyValuePairs = ["revoke_on_stop": "true"]

  @Test("at a stop at most max_requests revocations are under way at once, and none is lost")
  func limit() async throws {
    try await withScene { scene in
      let tables = (1...10).map { scene.table("t\($0)", Self.revoked) }
      try scene.configure("[daemon]\nmax_requests = 2\n" + tables.joined(separator: "\n"))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      scene.sandbox.inject(.delay(seconds: 0.3), at: [.revocation])
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(daemon.log(with: "the token was revoked").count == 10, "\(daemon.log)")
      // One after the other arrives no sooner than the answer to the last but one.
      let times = scene.sandbox.requests.filter { $0.endpoint == .revocation }.map(\.time).sorted()
      for (one, third) in zip(times, times.dropFirst(2)) { #expect(third - one > 0.25, "\(times)") }
    }
  }

  @Test(
    "SIGTERM: the files go, the server revokes the token, others stay",
    arguments: SandboxSettings.TokenForm.allCases, ["jwt", "none"])
  func revokes(form: SandboxSettings.TokenForm, verify: String) async throws {
    try await withScene(options: { $0.settings.tokenForm = verify == "jwt" ? .jwt : form }) { scene in
      try scene.configure(
        scene.table("konexus", ["revoke_on_stop": "true", "verify": "\"\(verify)\""]),
        scene.table("stays", ["verify": "\"\(verify)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let (token, other) = (try #require(scene.token()), try #require(scene.token("stays")))
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.sandbox.refusal(of: token) == "revoked")
      #expect(scene.sandbox.refusal(of: other) == nil)
      #expect(scene.token() == nil && scene.token("stays") == other)
      #expect(access(scene.workplace.runtimeDirectory + "/konexus.state", F_OK) != 0)
      #expect(daemon.log(with: "konexus: the token was revoked").count == 1, "\(daemon.log)")
      let status = try #require(daemon.status)
      #expect(status.tokens.map(\.condition) == [.absent, .valid] && status.stoppedAt != nil)
      // The next run starts from nothing, and is well.
      try scene.startDaemon()
      try await scene.wait(for: "a token again") { scene.token() != nil }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  @Test("a client that authenticates with a certificate revokes at the alias")
  func byCertificate() async throws {
    try await withScene(options: {
      $0.mutualTLSPort = 0
      $0.clients = [SandboxClient(id: "gauge", certificateName: "river gauge")]
    }) { scene in
      let pair = try scene.sandbox.issueClientCertificate(name: "river gauge")
      let file = scene.workplace.path + "/client.pem"
      try scene.workplace.write(pair.certificatePEM + pair.keyPEM, to: file)
      try scene.configure(
        scene.table(
          "konexus",
          [
            "client_secret": "", "client_auth": "\"tls_client_auth\"", "client_certificate_file": "\"\(file)\"",
            "revoke_on_stop": "true",
          ]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token())
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.sandbox.refusal(of: token) == "revoked")
    }
  }

  @Test(
    "whatever the server does, the files are gone at once, and the daemon ends",
    arguments: ["hang", "503", "down", "none"])
  func serverInTrouble(how: String) async throws {
    try await withScene { scene in
      if how == "none" { scene.sandbox.inject(.removeMembers(["revocation_endpoint"]), at: [.discovery]) }
      try scene.configure(scene.table("konexus", Self.revoked), scene.table("second", Self.revoked))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      switch how {
      case "hang": scene.sandbox.inject(.hang, at: [.revocation])
      case "503": scene.sandbox.inject(.status(503), at: [.revocation])
      case "down": await scene.sandbox.down()
      default: break
      }
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the files' end") { scene.token() == nil && scene.token("second") == nil }
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(daemon.log(with: "could not be revoked").count == 2, "\(daemon.log)")
    }
  }

  @Test("a second signal is not made to wait")
  func twice() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", Self.revoked))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      scene.sandbox.inject(.hang, at: [.revocation])
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the request") { scene.sandbox.counts[.revocation] == 1 }
      daemon.signal(SIGINT)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(daemon.log(with: "could not be revoked").isEmpty)
      #expect(scene.token() == nil)
    }
  }
}
