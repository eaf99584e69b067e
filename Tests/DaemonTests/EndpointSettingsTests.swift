import Glibc
import KonexusSandbox
import Publication
import Testing

/// Servers as they are in practice, each with the setting that helps.
@Suite("Settings for servers as they are in practice", .inTurn)
struct EndpointSettingsTests {
  private func check(_ scene: Scene) async throws -> CommandRun {
    try await CommandRun(["check", "--config", scene.workplace.configFile], in: scene.workplace)
  }

  private func failure(
    _ scene: Scene, _ daemon: DaemonProcess, _ code: String, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    try await scene.wait(for: "the failure \(code)", sourceLocation: sourceLocation) {
      daemon.status?.tokens.first?.failure?.code == code
    }
    return try #require(daemon.status?.tokens.first?.failure?.message)
  }

  /// Reloads with this table, and waits for a new token.
  @discardableResult
  private func reload(
    _ scene: Scene, _ daemon: DaemonProcess, _ settings: KeyValuePairs<String, String>,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> String {
    let before = scene.token()
    try scene.configure(scene.table("konexus", settings))
    daemon.signal(SIGHUP)
    try await scene.wait(for: "a new token", sourceLocation: sourceLocation) {
      scene.token() != before && scene.token() != nil
    }
    let token = try #require(scene.token())
    #expect(scene.sandbox.refusal(of: token) == nil, sourceLocation: sourceLocation)
    return token
  }

  private func notes(_ daemon: DaemonProcess) -> String {
    daemon.status?.tokens.first?.notes.joined(separator: "\n") ?? ""
  }

  // MARK: S6

  private static let trust = "http://adfs.example/adfs/services/trust"

  @Test("S6: access_token_issuer, as at AD FS")
  func accessTokenIssuer() async throws {
    try await withScene(options: { $0.settings.accessTokenIssuer = Self.trust }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      let advice = "set access_token_issuer = \"\(Self.trust)\""
      #expect(try await failure(scene, daemon, "wrong-issuer").hasSuffix(advice))
      let failed = try await check(scene)
      #expect(failed.code == 17 && failed.output.contains(advice), "\(failed.output)")
      #expect(scene.token() == nil)
      let setting: KeyValuePairs = ["access_token_issuer": "\"\(Self.trust)\""]
      let token = try await reload(scene, daemon, setting)
      #expect(notes(daemon).contains("tokens of the issuer \(Self.trust) are accepted"))
      #expect(try await check(scene).output.hasSuffix("all is well\n"))
      // By the keys of the daemon, and by fetched ones.
      let input = scene.workplace.path + "/input"
      try scene.workplace.write(token, to: input)
      for arguments in [[], ["--config", scene.workplace.configFile]] as [[String]] {
        let run = try await CommandRun(["inspect", "-"] + arguments, in: scene.workplace, input: input)
        #expect(run.code == 0 && run.output.contains("verifies: signature and claims are right"), "\(run.output)")
      }
      // A restart takes the token over.
      let requests = scene.sandbox.counts[.token]
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      let next = try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") >= 2 }
      try await scene.wait(for: "its status") { next.status?.isReady ?? false }
      #expect(scene.token() == token && scene.sandbox.counts[.token] == requests)
      // Without the setting the next token is not accepted, and a restart asks for one.
      try scene.configure()
      next.signal(SIGKILL)
      _ = try await scene.ending(of: next)
      let last = try scene.startDaemon()
      _ = try await failure(scene, last, "wrong-issuer")
      #expect(scene.token() == token, "it stays until it expires or a successor comes, as after a reload")
    }
  }

  // MARK: S9

  @Test("S9: private_key_jwt with x5t, as at Entra ID", arguments: ["RSA", "EC"])
  func assertionCertificate(algorithm: String) async throws {
    try await withScene { scene in
      scene.sandbox.update { $0.requiresCertificateThumbprint = true }
      let path = scene.workplace.path
      let (key, certificate) = (path + "/key.pem", path + "/certificate.pem")
      func renew(days: Int) async throws {
        let pair = try await KeyPair(algorithm, in: scene.workplace)
        try scene.workplace.write(pair.privatePEM, to: key)
        try await KeyPair.openssl(
          ["req", "-x509", "-new", "-key", key, "-subj", "/CN=gauge", "-days", "\(days)", "-out", certificate],
          scene.workplace)
        let pem = try #require(Workplace.read(certificate))
        scene.sandbox.updateClients {
          $0[0] = SandboxClient(id: "gauge", publicKeys: [pair.publicPEM], certificates: [pem])
        }
      }
      try await renew(days: 400)
      func table(_ more: String) -> String {
        scene.table(
          "konexus",
          [
            "client_id": "\"gauge\"", "client_secret": "", "client_auth": "\"private_key_jwt\"",
            "private_key_file": "\"\(key)\"",
          ]) + more
      }
      try scene.configure(table(""))
      let daemon = try scene.startDaemon()
      #expect(try await failure(scene, daemon, "invalid-client").contains("set assertion_certificate_file"))
      let failed = try await check(scene)
      #expect(failed.code == 16 && failed.output.contains("set assertion_certificate_file"), "\(failed.output)")
      try scene.configure(table("assertion_certificate_file = \"\(certificate)\"\n"))
      daemon.signal(SIGHUP)
      try await scene.ready()
      let assertion = try #require(scene.sandbox.requests.last { $0.endpoint == .token }?.assertion)
      #expect(assertion["x5t"]?.count == 27 && assertion["x5t#S256"]?.count == 43, "\(assertion)")
      #expect(try await check(scene).output.hasSuffix("all is well\n"))
      #expect(notes(daemon) == "")
      // Both are replaced while it runs. The next request has the new ones.
      try await renew(days: 5)
      let before = scene.token()
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a new token") { scene.token() != before && scene.token() != nil }
      try await scene.wait(for: "the note") { notes(daemon).contains("the certificate of client assertions expires") }
      #expect(daemon.log(with: "the certificate of client assertions expires at").count == 1)
      let warned = try await check(scene)
      #expect(
        warned.code == 0 && warned.output.contains("warning config       the certificate of client assertions expires"),
        "\(warned.output)")
    }
  }

  @Test("S9: the certificate of another key is a fault, with file and line")
  func otherCertificate() async throws {
    try await withScene { scene in
      let path = scene.workplace.path
      for name in ["one", "two"] {
        try scene.workplace.write(
          try await KeyPair("EC", in: scene.workplace).privatePEM, to: "\(path)/\(name).pem")
        try await KeyPair.openssl(
          ["req", "-x509", "-new", "-key", "\(path)/\(name).pem", "-subj", "/CN=gauge", "-out", "\(path)/\(name).crt"],
          scene.workplace)
      }
      let table = scene.table(
        "konexus",
        [
          "client_secret": "", "client_auth": "\"private_key_jwt\"", "private_key_file": "\"\(path)/one.pem\"",
          "assertion_certificate_file": "\"\(path)/two.crt\"",
        ])
      try scene.configure(table)
      let run = try await check(scene)
      #expect(run.code == 78)
      #expect(
        run.output.contains(
          "DIR/config.toml:8:30: error: 'assertion_certificate_file': 'DIR/two.crt' does not begin with the "
            + "certificate of the key in 'DIR/one.pem' -> write that certificate first"), "\(run.output)")
    }
  }

  // MARK: S10

  @Test("S10: introspection by the API's credentials, as at IdentityServer", arguments: ["secret", "file", "key"])
  func introspectionClient(by source: String) async throws {
    let secret = "secret-of-the-api-itself"
    try await withScene(options: {
      $0.settings.tokenForm = .opaque
      $0.settings.introspectionClient = "tamarack-api"
    }) { scene in
      scene.secrets.withLock { _ = $0.insert(secret) }
      let key = try await KeyPair("EC", in: scene.workplace)
      scene.sandbox.updateClients {
        $0.append(SandboxClient(id: "tamarack-api", secrets: [secret], scopes: [], publicKeys: [key.publicPEM]))
      }
      let file = scene.workplace.path + "/api"
      try scene.workplace.write(source == "key" ? key.privatePEM : secret + "\n", to: file)
      let credentials =
        switch source {
        case "secret": "client_secret = \"\(secret)\""
        case "file": "client_secret_file = \"\(file)\", client_auth = \"client_secret_basic\""
        default: "private_key_file = \"\(file)\""
        }
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\""]))
      let daemon = try scene.startDaemon()
      #expect(try await failure(scene, daemon, "rejected").contains("set [token.NAME.introspection]"))
      let failed = try await check(scene)
      #expect(failed.code == 17 && failed.output.contains("set [token.NAME.introspection]"), "\(failed.output)")
      try await reload(
        scene, daemon,
        [
          "verify": "\"introspection\"",
          "introspection": "{ client_id = \"tamarack-api\", \(credentials) }",
        ])
      #expect(notes(daemon).contains("the client tamarack-api introspects tokens"))
      let method = ["secret": "client_secret_post", "file": "client_secret_basic"][source] ?? "private_key_jwt"
      #expect(scene.sandbox.requests.last { $0.endpoint == .introspection }?.authentication == method)
      #expect(scene.sandbox.requests.last { $0.endpoint == .token }?.authentication == "client_secret_post")
      #expect(try await check(scene).output.hasSuffix("all is well\n"))
      // A file that can no longer be read fails the attempt before a request, and names the table.
      guard source != "secret" else { return }
      unlink(file)
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      let message = try await failure(scene, daemon, "credentials")
      #expect(message.contains("[token.konexus.introspection]") && message.contains(file), "\(message)")
    }
  }

  // MARK: S11

  @Test("S11: the discovery document at another address than the issuer", arguments: ["", "/tenant/a"])
  func discovery(issuerPath: String) async throws {
    try await withScene(options: {
      $0.issuerPath = issuerPath
      $0.settings.discoveryPath = "/metadata"
    }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      #expect(try await failure(scene, daemon, "document-rejected").contains("set discovery_url"))
      let failed = try await check(scene)
      #expect(failed.code == 14 && failed.output.contains("set discovery_url"), "\(failed.output)")
      // By another name of the same host: the certificate has both.
      let location = "https://127.0.0.1:\(scene.sandbox.port)/metadata"
      try await reload(scene, daemon, ["discovery_url": "\"\(location)\""])
      #expect(notes(daemon).contains("discovery_url is set to \(location)"))
      let run = try await check(scene)
      #expect(run.output.hasSuffix("all is well\n"), "\(run.output)")
      // The issuer of that document is compared nevertheless.
      scene.sandbox.inject(.setMembers(["issuer": "https://other.example"]), at: [.discovery])
      let mismatch = try await check(scene)
      #expect(mismatch.code == 14 && mismatch.output.contains("calls itself 'https://other.example'"))
    }
  }

  // MARK: S12

  @Test("S12: endpoints that the discovery document lacks are given, used for a held token, and revoked at")
  func endpoints() async throws {
    try await withScene(options: {
      $0.settings.tokenForm = .opaque
      $0.settings.hiddenMetadata = ["introspection_endpoint", "revocation_endpoint"]
    }) { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\"", "revoke_on_stop": "true"]))
      let daemon = try scene.startDaemon()
      let message = try await failure(scene, daemon, "discovery-incomplete")
      #expect(message.hasSuffix("lacks introspection_endpoint; if the server has one, set introspection_endpoint"))
      let failed = try await check(scene)
      #expect(failed.code == 17 && failed.output.contains("set introspection_endpoint"), "\(failed.output)")
      #expect(failed.output.contains("-> set revocation_endpoint if the server has one"), "\(failed.output)")
      let base = scene.sandbox.issuer + "/connect"
      let token = try await reload(
        scene, daemon,
        [
          "verify": "\"introspection\"", "revoke_on_stop": "true",
          "introspection_endpoint": "\"\(base)/introspect\"", "revocation_endpoint": "\"\(base)/revocation\"",
        ])
      for name in ["introspection_endpoint", "revocation_endpoint"] {
        #expect(notes(daemon).contains("\(name) is set to \(base)/"))
      }
      let run = try await check(scene)
      #expect(run.output.contains("connect/introspect (set in the config file)"), "\(run.output)")
      #expect(run.output.hasSuffix("all is well\n"), "\(run.output)")
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.sandbox.refusal(of: token) == "revoked")
    }
  }

  @Test("S12: a document without token_endpoint and jwks_uri; a changed jwks_uri needs a new token, at a restart too")
  func tokenEndpointAndKeys() async throws {
    try await withScene(options: { $0.settings.hiddenMetadata = ["token_endpoint", "jwks_uri"] }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      #expect(try await failure(scene, daemon, "discovery-incomplete").hasSuffix("set token_endpoint"))
      let token = "\"\(scene.sandbox.issuer)/connect/token\""
      try scene.configure(scene.table("konexus", ["token_endpoint": token]))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the other advice") {
        daemon.status?.tokens.first?.failure?.message.hasSuffix("set jwks_uri") ?? false
      }
      func settings(_ host: String) -> KeyValuePairs<String, String> {
        let keys = "https://\(host):\(scene.sandbox.port)/.well-known/openid-configuration/jwks"
        return ["token_endpoint": token, "jwks_uri": "\"\(keys)\""]
      }
      try await reload(scene, daemon, settings("localhost"))
      let last = try await reload(scene, daemon, settings("127.0.0.1"))
      #expect(scene.sandbox.counts[.jwks] == 2)
      // The same at a restart.
      try scene.configure(scene.table("konexus", settings("localhost")))
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      try scene.startDaemon()
      try await scene.wait(for: "a new token") { scene.token() != last && scene.token() != nil }
      #expect(scene.sandbox.counts[.jwks] == 3)
    }
  }
}
