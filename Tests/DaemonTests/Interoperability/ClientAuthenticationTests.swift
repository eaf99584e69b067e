import Glibc
import KonexusSandbox
import Testing

/// Every method of client authentication, from the configuration file to a token that the API accepts.
@Suite("Client authentication", .inTurn)
struct ClientAuthenticationTests {
  /// Of five real servers two need it form-encoded in HTTP Basic, and three refuse it so.
  static let oddSecret = "s3cret/with+odd&chars=%"

  private func scene(
    secrets: [String] = [oddSecret], settings: @escaping (inout SandboxSettings) -> Void = { _ in },
    perform: (Scene) async throws -> Void
  ) async throws {
    try await withScene(options: {
      $0.clients = [SandboxClient(id: "gauge one", secrets: secrets)]
      settings(&$0.settings)
    }) { scene in
      scene.secrets.withLock { $0.formUnion(secrets) }
      try await perform(scene)
    }
  }

  /// Registers the client `gauge` with its key alone, and configures it. Returns the private key's file.
  @discardableResult
  private func configure(
    _ scene: Scene, with key: KeyPair, _ more: KeyValuePairs<String, String> = [:]
  ) throws -> String {
    scene.sandbox.updateClients { $0[0] = SandboxClient(id: "gauge", publicKeys: [key.publicPEM]) }
    let file = scene.workplace.path + "/client.pem"
    try scene.workplace.write(key.privatePEM, to: file)
    let table = scene.table(
      "konexus",
      [
        "client_id": "\"gauge\"", "client_secret": "", "client_auth": "\"private_key_jwt\"",
        "private_key_file": "\"\(file)\"",
      ])
    try scene.configure(table + more.map { "\($0) = \($1)\n" }.joined())
    return file
  }

  private func refresh(_ scene: Scene, _ daemon: DaemonProcess) async throws {
    let before = scene.token()
    // A signal causes at most one request per second.
    try await scene.pass(1.1)
    daemon.signal(SIGUSR1)
    try await scene.wait(for: "a new token") { scene.token() != before && scene.token() != nil }
    #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
  }

  @Test(
    "client_secret_basic: the encoding that the server reads is found, told once, and kept",
    arguments: SandboxSettings.BasicEncoding.allCases, SandboxSettings.Refusal.allCases)
  func basic(encoding: SandboxSettings.BasicEncoding, refusal: SandboxSettings.Refusal) async throws {
    try await scene(settings: {
      $0.basicEncoding = encoding
      $0.refusal = refusal
    }) { scene in
      try scene.configure(scene.table("konexus", ["client_auth": "\"client_secret_basic\""]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      let tries = encoding == .rfc6749 ? 1 : 2
      #expect(scene.sandbox.counts[.token] == tries)
      #expect(scene.lastTokenRequest?.authentication == "client_secret_basic")
      let words = "client_secret_basic (\(encoding == .rfc6749 ? "form-encoded" : "unencoded"))"
      #expect(daemon.log(with: words).filter { $0.contains("the server accepts") }.count >= 1, "\(daemon.log)")
      #expect(daemon.status?.tokens.first?.notes == ["the server accepts \(words)"])
      #expect(daemon.status?.tokens.first?.lastFailure == nil, "finding it is no failure")
      // What worked is tried first from now on, also by the next run.
      try await refresh(scene, daemon)
      #expect(scene.sandbox.counts[.token] == tries + 1)
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      let next = try scene.startDaemon()
      try await scene.wait(for: "READY=1 again") { scene.notify.count(of: "READY=1") == 2 }
      try await refresh(scene, next)
      #expect(scene.sandbox.counts[.token] == tries + 2)
    }
  }

  @Test("basic_encoding settles it: nothing else is tried", arguments: SandboxSettings.BasicEncoding.allCases)
  func fixedEncoding(encoding: SandboxSettings.BasicEncoding) async throws {
    try await scene(settings: { $0.basicEncoding = encoding }) { scene in
      func table(_ encoding: SandboxSettings.BasicEncoding) -> String {
        scene.table(
          "konexus", ["client_auth": "\"client_secret_basic\"", "basic_encoding": "\"\(encoding.rawValue)\""])
      }
      try scene.configure(table(encoding == .raw ? .rfc6749 : .raw))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "a refusal") { daemon.status?.tokens.first?.failure?.code == "invalid-client" }
      #expect(scene.sandbox.counts[.token] == 1)
      try scene.configure(table(encoding))
      daemon.signal(SIGHUP)
      try await scene.ready()
      #expect(scene.sandbox.counts[.token] == 2)
    }
  }

  @Test("a wrong secret is one refusal an attempt where both encodings are the same, two where they differ")
  func wrongSecret() async throws {
    for (secret, tries) in [("plain-secret", 1), (Self.oddSecret, 2)] {
      try await withScene(options: { $0.clients = [SandboxClient(id: "gauge", secrets: ["another-secret"])] }) {
        scene in
        scene.secrets.withLock { _ = $0.insert(secret) }
        try scene.configure(
          scene.table("konexus", ["client_auth": "\"client_secret_basic\"", "client_secret": "\"\(secret)\""]))
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "a refusal") { daemon.status?.tokens.first?.failure?.code == "invalid-client" }
        #expect(scene.sandbox.counts[.token] == tries)
        #expect(scene.token() == nil)
      }
    }
  }

  @Test("two secrets and two encodings: whichever pair the server takes is found in one attempt")
  func secretsAndEncodings() async throws {
    let next = "next+secret&of=it"
    try await scene(secrets: [next], settings: { $0.basicEncoding = .raw }) { scene in
      scene.secrets.withLock { _ = $0.insert(Self.oddSecret) }
      try scene.configure(
        scene.table(
          "konexus",
          ["client_auth": "\"client_secret_basic\"", "client_secret": "[\"\(Self.oddSecret)\", \"\(next)\"]"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.counts[.token] == 4)
      #expect(daemon.log(with: "second of the two client secrets").count == 1)
      try await refresh(scene, daemon)
      #expect(scene.sandbox.counts[.token] == 5)
    }
  }

  @Test(
    "private_key_jwt: RSA, EC and Ed25519, for the token endpoint or the issuer", arguments: ["RSA", "EC", "ED25519"],
    ["token_endpoint", "issuer"])
  func privateKey(algorithm: String, audience: String) async throws {
    try await scene { scene in
      let (first, second) = (
        try await KeyPair(algorithm, in: scene.workplace), try await KeyPair(algorithm, in: scene.workplace)
      )
      let file = try configure(
        scene, with: first, ["key_id": "\"k1\"", "assertion_audience": "\"\(audience)\""])
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.lastTokenRequest?.authentication == "private_key_jwt")
      let assertion = try #require(scene.lastTokenRequest?.assertion)
      #expect(
        assertion["kid"] == "k1" && assertion["alg"] == ["RSA": "RS256", "EC": "ES256"][algorithm, default: "EdDSA"])
      #expect(assertion["aud"] == scene.sandbox.issuer + (audience == "issuer" ? "" : "/connect/token"))
      // The key is rotated: the file is read for each request.
      try scene.workplace.write(second.privatePEM, to: file)
      scene.sandbox.updateClients { $0[0].publicKeys = [second.publicPEM] }
      try await refresh(scene, daemon)
      #expect(scene.sandbox.counts.tokenRefusals == 0)
    }
  }

  @Test(
    "private_key_jwt: signed by assertion_algorithm, or by what the server alone takes",
    arguments: [("\"PS256\"", nil), ("\"PS384\"", ["RS256"]), ("", ["PS256"])] as [(String, [String]?)])
  func assertionAlgorithm(setting: String, advertised: [String]?) async throws {
    try await scene { scene in
      let key = try await KeyPair("RSA", in: scene.workplace)
      if let advertised {
        let names = advertised.map { JSON.string($0) }
        scene.sandbox.inject(
          .setMembers(["token_endpoint_auth_signing_alg_values_supported": .array(names)]), at: [.discovery])
      }
      try configure(scene, with: key, setting.isEmpty ? [:] : ["assertion_algorithm": setting])
      try scene.startDaemon()
      // The sandbox does not support PS384. The test only checks that the daemon uses it.
      try await scene.wait(for: "a request") { scene.lastTokenRequest?.assertion != nil }
      let wanted = setting.isEmpty ? advertised?.first : setting.filter { $0 != "\"" }
      #expect(scene.lastTokenRequest?.assertion?["alg"] == wanted)
      if wanted == "PS256" { try await scene.ready() }
    }
  }

  @Test("auto: a key that cannot be read is passed over where there is a secret as well")
  func unreadableKey() async throws {
    try await withScene(options: { $0.clients = [SandboxClient(id: "gauge", secrets: ["the-secret-of-it"])] }) {
      scene in
      let key = try await KeyPair("EC", in: scene.workplace)
      scene.sandbox.updateClients { $0[0].publicKeys = [key.publicPEM] }
      let file = scene.workplace.path + "/key.pem"
      try scene.workplace.write(key.privatePEM, to: file)
      try scene.configure(scene.table("konexus", ["client_auth": "\"auto\"", "private_key_file": "\"\(file)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.lastTokenRequest?.authentication == "private_key_jwt")
      unlink(file)
      try await refresh(scene, daemon)
      #expect(scene.lastTokenRequest?.authentication == "client_secret_post")
    }
  }

  @Test("a certificate beside a secret: the alias is asked (RFC 8705, 5), and its key must stay nobody else's")
  func certificateBesides() async throws {
    try await withScene(
      lifetime: 8,
      options: {
        $0.mutualTLSPort = 0
        $0.clients = [SandboxClient(id: "gauge", secrets: ["the-secret-of-it"], certificateName: "river gauge")]
      }
    ) { scene in
      let pair = try scene.sandbox.issueClientCertificate(name: "river gauge")
      let (certificate, key) = (scene.workplace.path + "/client.pem", scene.workplace.path + "/client-key.pem")
      try scene.workplace.write(pair.certificatePEM, to: certificate)
      try scene.workplace.write(pair.keyPEM, to: key)
      try scene.configure(
        scene.table("konexus", ["client_certificate_file": "\"\(certificate)\"", "client_key_file": "\"\(key)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.lastTokenRequest?.authentication == "client_secret_post")
      #expect(scene.lastTokenRequest?.showsCertificate == true)
      #expect(chmod(key, 0o644) == 0)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "credentials" }
      #expect(daemon.status?.tokens.first?.failure?.remedy == "chmod 0600 \(key)")
      #expect(chmod(key, 0o600) == 0)
      try await scene.wait(for: "a token again") {
        daemon.status?.tokens.first?.failure == nil && daemon.status?.tokens.first?.successes ?? 0 >= 2
      }
    }
  }

  @Test("pinned_public_key: a server with another key gets no request, and it is said")
  func pin() async throws {
    try await scene { scene in
      try scene.configure(
        scene.table("konexus", ["pinned_public_key": "\"sha256//\(String(repeating: "A", count: 43))=\""]))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "tls-pin" }
      #expect(scene.sandbox.requests.isEmpty)
      // As an administrator would get it.
      let pin = try await scene.shell(
        """
        openssl s_client -connect localhost:\(scene.sandbox.port) </dev/null 2>/dev/null | openssl x509 -pubkey -noout |
        openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
        """)
      try scene.configure(scene.table("konexus", ["pinned_public_key": "\"sha256//\(pin)\""]))
      daemon.signal(SIGHUP)
      try await scene.ready()
    }
  }

  @Test(
    "private_key_jwt by a host whose clock is wrong: the assertion's times are the server's", arguments: [-7200, 7200])
  func privateKeyAndClock(skew: Double) async throws {
    try await scene(settings: { $0.clockSkew = skew }) { scene in
      let key = try await KeyPair("EC", in: scene.workplace)
      try configure(scene, with: key)
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.counts.tokenRefusals == 0)
    }
  }

  @Test("a key file that goes missing or is opened to others is told, and mended by itself")
  func keyFileTrouble() async throws {
    try await withScene(lifetime: 8, options: { $0.clients = [SandboxClient(id: "gauge", secrets: ["unused-secret"])] })
    {
      scene in
      let key = try await KeyPair("EC", in: scene.workplace)
      scene.sandbox.updateClients { $0[0] = SandboxClient(id: "gauge", publicKeys: [key.publicPEM]) }
      let file = scene.workplace.path + "/client.pem"
      try scene.workplace.write(key.privatePEM, to: file)
      try scene.configure(
        scene.table(
          "konexus",
          ["client_secret": "", "client_auth": "\"private_key_jwt\"", "private_key_file": "\"\(file)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(chmod(file, 0o644) == 0)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure?.code == "credentials" }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.message.contains(file) && failure.remedy.contains("chmod"), "\(failure)")
      #expect(chmod(file, 0o600) == 0)
      try await scene.wait(for: "a token again") {
        daemon.status?.tokens.first?.failure == nil && daemon.status?.tokens.first?.successes ?? 0 >= 2
      }
    }
  }

  @Test(
    "tls_client_auth and self_signed_tls_client_auth, at the alias that discovery names",
    arguments: ["tls_client_auth", "self_signed_tls_client_auth"], [true, false])
  func certificate(method: String, isOneFile: Bool) async throws {
    let own = try Sandbox.makeSelfSignedCertificate(name: "gauge")
    try await withScene(options: {
      $0.mutualTLSPort = 0
      $0.clients = [SandboxClient(id: "gauge", certificateName: "river gauge", certificates: [own.certificatePEM])]
    }) { scene in
      let isOwn = method == "self_signed_tls_client_auth"
      let pair = isOwn ? own : try scene.sandbox.issueClientCertificate(name: "river gauge")
      let (certificate, key) = (scene.workplace.path + "/client.pem", scene.workplace.path + "/client-key.pem")
      try scene.workplace.write(pair.certificatePEM + (isOneFile ? pair.keyPEM : ""), to: certificate)
      try scene.workplace.write(pair.keyPEM, to: key)
      try scene.configure(
        scene.table(
          "konexus",
          [
            "client_secret": "", "client_auth": "\"\(method)\"", "client_certificate_file": "\"\(certificate)\"",
            "client_key_file": isOneFile ? "" : "\"\(key)\"",
          ]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(scene.lastTokenRequest?.authentication == method)
      #expect(scene.lastTokenRequest?.parameters["client_id"] == ["gauge"])
      try await refresh(scene, daemon)
    }
  }

  @Test("auto: the best that the settings have the means for and the server names")
  func auto() async throws {
    let own = try Sandbox.makeSelfSignedCertificate(name: "gauge")
    try await withScene(options: {
      $0.mutualTLSPort = 0
      $0.clients = [
        SandboxClient(id: "gauge", secrets: [Self.oddSecret], certificates: [own.certificatePEM])
      ]
    }) { scene in
      scene.secrets.withLock { _ = $0.insert(Self.oddSecret) }
      let key = try await KeyPair("EC", in: scene.workplace)
      scene.sandbox.updateClients { $0[0].publicKeys = [key.publicPEM] }
      let (keyFile, certificate) = (scene.workplace.path + "/key.pem", scene.workplace.path + "/client.pem")
      try scene.workplace.write(key.privatePEM, to: keyFile)
      try scene.workplace.write(own.certificatePEM + own.keyPEM, to: certificate)
      let keyLine = "\"\(keyFile)\""
      let certificateLine = "\"\(certificate)\""
      let cases: [(means: KeyValuePairs<String, String>, advertised: [String]?, method: String, tries: Int)] = [
        (["private_key_file": keyLine, "client_certificate_file": certificateLine], nil, "private_key_jwt", 1),
        (["client_certificate_file": certificateLine], nil, "self_signed_tls_client_auth", 1),
        (["private_key_file": keyLine], ["client_secret_basic", "client_secret_post"], "client_secret_post", 1),
        ([:], nil, "client_secret_post", 1),
        ([:], ["client_secret_basic", "private_key_jwt"], "client_secret_basic", 1),
      ]
      for (number, row) in cases.enumerated() {
        scene.sandbox.update { $0.advertisedAuthenticationMethods = row.advertised }
        scene.sandbox.resetCounts()
        var settings = scene.table("t\(number)", ["client_auth": "\"auto\""])
        for (name, value) in row.means { settings += "\(name) = \(value)\n" }
        try scene.configure(settings)
        let daemon = try scene.startDaemon()
        try await scene.wait(for: "a token of row \(number)") { scene.token("t\(number)") != nil }
        let seen = scene.sandbox.requests.filter { $0.endpoint == .token }
        #expect(seen.last?.authentication == row.method, "row \(number)")
        #expect(seen.count == row.tries, "row \(number): \(seen)")
        try await scene.wait(for: "the note") {
          daemon.status?.tokens.first?.notes.contains { $0.contains("the server accepts \(row.method)") } ?? false
        }
        daemon.signal(SIGTERM)
        _ = try await scene.ending(of: daemon)
      }
    }
  }

  @Test("auto: a method that the server names and refuses is passed over, once and for all")
  func advertisedAndRefused() async throws {
    try await withScene(options: { $0.clients = [SandboxClient(id: "gauge", secrets: ["the-secret-of-it"])] }) {
      scene in
      let stranger = try await KeyPair("EC", in: scene.workplace)
      scene.sandbox.update { $0.advertisedAuthenticationMethods = ["private_key_jwt", "client_secret_basic"] }
      let file = scene.workplace.path + "/key.pem"
      try scene.workplace.write(stranger.privatePEM, to: file)
      try scene.configure(scene.table("konexus", ["client_auth": "\"auto\"", "private_key_file": "\"\(file)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.counts[.token] == 2)
      #expect(scene.lastTokenRequest?.authentication == "client_secret_basic")
      try await refresh(scene, daemon)
      #expect(scene.sandbox.counts[.token] == 3)
    }
  }
}

extension Scene {
  /// What a command of the shell prints, without the line break.
  fileprivate func shell(_ command: String) async throws -> String {
    let output = workplace.path + "/shell.\(UInt64.random(in: .min ... .max))"
    let process = try ChildProcess(
      ["sh", "-c", command], environment: ["PATH": "/usr/bin:/bin"], output: output, errors: output + ".errors")
    try await wait(for: "the shell", atMost: 30) { process.ending != nil }
    return (Workplace.read(output) ?? "").split(separator: "\n").first.map(String.init) ?? ""
  }

  /// The last request that the token endpoint saw.
  fileprivate var lastTokenRequest: RequestRecord? { sandbox.requests.last { $0.endpoint == .token } }
}
