import Glibc
import KonexusSandbox
import Testing

/// Keys, secrets, endpoints and authorities that change while the daemon runs.
@Suite("Rotation", .inTurn)
struct RotationTests {
  @Test("the signing key is rotated at any moment, old keys dropped at once or kept", arguments: [true, false])
  func signingKeys(dropsOld: Bool) async throws {
    try await withScene(lifetime: 8) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      for rotation in 1...3 {
        try await scene.sandbox.rotateKeys(dropOld: dropsOld)
        let before = scene.token()
        daemon.signal(SIGUSR1)
        try await scene.wait(for: "a token of the new key") {
          scene.token() != before && scene.sandbox.refusal(of: scene.token() ?? "") == nil
        }
        // One reload for each rotation, in the attempt that met it.
        #expect(scene.sandbox.counts[.jwks] == rotation + 1)
        try await scene.pass(1.1)
      }
      #expect(daemon.status?.tokens.first?.lastFailure == nil, "no attempt failed")
    }
  }

  @Test("keys that were rotated are waited for, also where the server is slow to tell them")
  func slowKeys() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      // Longer than is waited for keys that there is a substitute for.
      scene.sandbox.inject(.delay(seconds: 6.5), at: [.jwks])
      try await scene.sandbox.rotateKeys(dropOld: true)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key") { scene.token() != before }
      #expect(scene.sandbox.counts[.token] == 2 && scene.sandbox.counts[.jwks] == 2)
    }
  }

  @Test("made-up kids make no storm of reloads")
  func forgedKids() async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      scene.sandbox.inject(.signature(.unknownKey), at: [.token])
      let start = Clock.monotonic
      while Clock.monotonic < start + 4.5 {
        daemon.signal(SIGUSR1)
        try await scene.pass(0.2)
      }
      #expect(scene.sandbox.counts[.token] >= 4)
      #expect(scene.sandbox.counts[.jwks] <= 1 + 3, "three at once, then one every half minute")
      #expect(scene.token() == token || scene.token() == nil)
      scene.sandbox.clearFaults()
      try await scene.wait(for: "a true token") { scene.token() != token && scene.token() != nil }
    }
  }

  @Test("a moved token endpoint is followed, within the attempt that meets it", arguments: ["/connect/v2/token", "/t"])
  func movedEndpoint(path: String) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      scene.sandbox.update { $0.tokenPath = path }
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new place") { scene.token() != before }
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      #expect(scene.sandbox.counts[.discovery] == 2)
    }
  }

  @Test("moved keys are followed in the attempt that meets them, also where the document is said to be good for a day")
  func movedKeys() async throws {
    try await withScene(options: { $0.settings.discoveryCacheControl = "max-age=86400" }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      scene.sandbox.update { $0.keySetPath = "/keys/v2" }
      try await scene.sandbox.rotateKeys(dropOld: true)
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token of the new key") { scene.token() != before }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      #expect(scene.sandbox.counts[.discovery] == 2 && scene.sandbox.counts[.token] == 2)
    }
  }

  @Test("a moved introspection endpoint is followed, within the attempt that meets it")
  func movedIntrospection() async throws {
    try await withScene(options: {
      $0.settings.discoveryCacheControl = "max-age=86400"
      $0.settings.tokenForm = .opaque
    }) { scene in
      try scene.configure(scene.table("konexus", ["verify": "\"introspection\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      scene.sandbox.update { $0.introspectionPath = "/v2/introspect" }
      try await scene.pass(1.1)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token that the server vouches for there") { scene.token() != before }
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      #expect(scene.sandbox.counts[.discovery] == 2 && scene.sandbox.counts[.token] == 2)
    }
  }

  @Test("two secrets: when the server changes to the next, it is tried at once, and said")
  func twoSecrets() async throws {
    try await withScene(lifetime: 8) { scene in
      let current = scene.sandbox.clientSecret
      let next = "the-next-secret-of-the-client"
      scene.secrets.withLock { $0.formUnion([current, next]) }
      try scene.configure(scene.table("konexus", ["client_secret": "[\"\(current)\", \"\(next)\"]"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      #expect(scene.sandbox.counts[.token] == 1)
      scene.sandbox.changeSecret(to: next)
      try await scene.wait(for: "a token by the next secret") { reader.report().tokens == 2 }
      #expect(daemon.log(with: "second of the two client secrets").count == 1, "\(daemon.log)")
      let refusals = scene.sandbox.counts.tokenRefusals
      #expect(refusals == 1)
      try await scene.wait(for: "one more") { reader.report().tokens == 3 }
      #expect(scene.sandbox.counts.tokenRefusals == refusals, "the one that worked is tried first from now on")
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("of two files with secrets, one that is gone is no hindrance, whichever was used last")
  func formerSecretFile() async throws {
    try await withScene { scene in
      let place = scene.workplace
      let (former, next) = (place.path + "/former", place.path + "/next")
      let secret = "the-next-secret-of-the-client"
      scene.secrets.withLock { $0.formUnion([scene.sandbox.clientSecret, secret]) }
      try place.write(scene.sandbox.clientSecret, to: former)
      try place.write(secret, to: next)
      try scene.configure(
        scene.table("konexus", ["client_secret": "", "client_secret_file": "[\"\(former)\", \"\(next)\"]"]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let before = scene.token()
      scene.sandbox.changeSecret(to: secret)
      unlink(former)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token by the next") { scene.token() != before }
      #expect(scene.sandbox.counts.tokenRefusals == 0)
    }
  }

  @Test("client_secret_file and ca_file are read at each request")
  func filesAreReadAgain() async throws {
    try await withScene { scene in
      let place = scene.workplace
      let path = place.path + "/secret"
      try place.write(scene.sandbox.clientSecret + "\n", to: path)
      scene.secrets.withLock { _ = $0.insert(scene.sandbox.clientSecret) }
      try scene.configure(scene.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      var before = scene.token()
      let secret = scene.sandbox.changeSecret()
      scene.secrets.withLock { _ = $0.insert(secret) }
      try place.write(secret, to: path)
      try await scene.wait(for: "a token by the new secret") {
        daemon.signal(SIGUSR1)
        return scene.token() != before
      }
      #expect(scene.sandbox.counts.tokenRefusals == 0)

      before = scene.token()
      let stranger = try await Sandbox.start(Self.quick)
      await stranger.stop()
      try place.write(stranger.caPEM, to: place.caFile)
      try await scene.wait(for: "distrust") {
        daemon.signal(SIGUSR1)
        return daemon.status?.tokens.first?.failure?.code == "tls-unknown-authority"
      }
      #expect(scene.token() != nil)
      before = scene.token()
      try place.write(scene.sandbox.caPEM, to: place.caFile)
      try await scene.wait(for: "trust, without a word from anybody") { scene.token() != before }
    }
  }

  @Test(
    "a ca_file that falls into other hands is not used: no server gets the secret, the token stays",
    .enabled(if: geteuid() == 0, "needs root to give files away"))
  func caFileInOtherHands() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let before = try #require(scene.token())
      let path = scene.workplace.caFile
      // What an owner of the file would do: another authority, and a server of its own in the server's place.
      let impostor = try await Sandbox.start(Self.quick)
      try scene.workplace.write(scene.sandbox.caPEM + impostor.caPEM, to: path, mode: 0o644)
      await impostor.stop()
      #expect(chown(path, 1234, 1234) == 0)
      let requests = scene.sandbox.counts[.token]
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") {
        daemon.status?.tokens.first?.failure?.code == "tls-ca-file"
      }
      let failure = try #require(daemon.status?.tokens.first?.failure)
      #expect(failure.message.contains("'\(path)' belongs to another user (uid 1234)"), "\(failure)")
      #expect(failure.remedy == "chown root \(path)")
      #expect(scene.token() == before && scene.sandbox.counts[.token] == requests)
      #expect(chown(path, 0, 0) == 0)
      try await scene.wait(for: "another token") { scene.token() != before }
    }
  }

  @Test(
    "an outage of discovery alone is harmless: the last good documents serve on, also after a restart",
    arguments: [SandboxEndpoint.discovery, .jwks])
  func documentsOut(endpoint: SandboxEndpoint) async throws {
    try await withScene(lifetime: 6) { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      let reader = try await scene.startReader()
      scene.sandbox.inject(.status(503), at: [endpoint])
      // What was adopted is not fresh: the next refresh asks for the documents anew.
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "two refreshes") { reader.report().tokens >= 3 }
      #expect(scene.sandbox.requests.contains { $0.endpoint == endpoint && $0.status == 503 })
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
    }
  }

  @Test("an issuer that renames itself is refused, and the good token kept to its end")
  func renamedIssuer() async throws {
    try await withScene(lifetime: 8) { scene in
      try scene.configure()
      let first = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      let reader = try await scene.startReader()
      scene.sandbox.inject(.wrongIssuer, at: [.discovery])
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the refusal") {
        daemon.status?.tokens.first?.failure?.code == "issuer-mismatch"
      }
      #expect(scene.token() == token)
      try await scene.wait(for: "the end of the good token") { scene.token() == nil }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.tokens == 1, "\(report)")
    }
  }

  private static var quick: SandboxOptions {
    var options = SandboxOptions()
    options.algorithm = .es256
    return options
  }
}
