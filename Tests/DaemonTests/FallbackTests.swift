import Glibc
import KonexusSandbox
import Testing

/// Settings and secrets with a mistake that only the server detects. The previous ones bring tokens until it is mended.
@Suite("Mistakes that the server detects", .inTurn)
struct FallbackTests {
  private func failure(_ daemon: DaemonProcess) -> String? { daemon.status?.tokens.first?.failure?.code }

  /// A reader finds an accepted token all the time, although its file would be empty after one lifetime.
  private func expectTokens(
    of reader: TokenReader, in scene: Scene, _ daemon: DaemonProcess, code: String, note: String,
    failures: Int = 1, warnings: Int = 1
  ) async throws {
    try await scene.wait(for: "the failure") { failure(daemon) == code }
    let (before, notes) = (reader.report().tokens, daemon.log(with: note).count)
    try await scene.wait(for: "two tokens more") { reader.report().tokens >= before + 2 }
    #expect(failure(daemon) == code && daemon.log(with: "warning", note).count == warnings)
    let run = try await CommandRun(["status"], in: scene.workplace)
    #expect(run.code == 1 && run.output.contains(note), "\(run.output)")
    #expect(
      daemon.log(with: "refresh failed:").count == failures && daemon.log(with: note).count > notes, "\(daemon.log)")
  }

  private func expectEnd(of reader: TokenReader, in scene: Scene, _ daemon: DaemonProcess) async throws {
    let before = reader.report().tokens
    try await scene.wait(for: "another token and no failure") {
      failure(daemon) == nil && reader.report().tokens > before
    }
    let run = try await CommandRun(["status"], in: scene.workplace)
    #expect(run.code == 0 && !run.output.contains("in use"), "\(run.output)")
    let report = reader.finish()
    #expect(report.refused.isEmpty && report.gaps.isEmpty, "\(report)")
  }

  static let settingsNote = "the present settings bring no token, and the previous ones are in use"
  static let secretNote = "the present secret brings no token, and the previous one is in use"

  @Test(
    "a reload with a wrong value: the previous settings bring tokens until it is corrected",
    arguments: [
      ("client_secret", "\"not-the-secret-of-this-client\"", "invalid-client"),
      ("client_id", "\"nobody\"", "invalid-client"),
      ("scope", "\"no-such-scope\"", "invalid-scope"),
      ("require_at_jwt", "true", "wrong-type"),
      ("audience", "\"another-api\"", "wrong-audience"),
      ("issuer", "\"https://localhost:1\"", "connection"),
      ("token_endpoint", "\"https://localhost:1/token\"", "connection"),
    ])
  func wrongSetting(key: String, value: String, code: String) async throws {
    try await withScene(lifetime: 20, options: { $0.settings.tokenType = "JWT" }) { scene in
      scene.secrets.withLock { _ = $0.insert("not-the-secret-of-this-client") }
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let reader = try await scene.startReader()
      try scene.configure(scene.table("konexus", [key: value]))
      daemon.signal(SIGHUP)
      try await expectTokens(of: reader, in: scene, daemon, code: code, note: Self.settingsNote)
      // Another mistake does not replace the settings that brought tokens.
      try scene.configure(scene.table("konexus", ["client_id": "\"nobody-either\""]))
      daemon.signal(SIGHUP)
      try await expectTokens(
        of: reader, in: scene, daemon, code: "invalid-client", note: Self.settingsNote, failures: 2, warnings: 2)
      try scene.configure()
      daemon.signal(SIGHUP)
      try await expectEnd(of: reader, in: scene, daemon)
    }
  }

  @Test("a wrong secret in client_secret_file, then one that cannot be read, then none: the previous one is used")
  func wrongSecretFile() async throws {
    try await withScene(lifetime: 20) { scene in
      let path = scene.workplace.path + "/secret"
      scene.secrets.withLock { $0.formUnion([scene.sandbox.clientSecret, "not-the-secret-of-this-client"]) }
      try scene.workplace.write(scene.sandbox.clientSecret, to: path)
      try scene.configure(scene.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let reader = try await scene.startReader()
      try scene.workplace.write("not-the-secret-of-this-client", to: path)
      try await expectTokens(of: reader, in: scene, daemon, code: "invalid-client", note: Self.secretNote)
      try scene.workplace.write(scene.sandbox.clientSecret, to: path, mode: 0o644)
      try await expectTokens(of: reader, in: scene, daemon, code: "credentials", note: Self.secretNote, failures: 2)
      #expect(unlink(path) == 0)
      let before = reader.report().tokens
      try await scene.wait(for: "two tokens more") { reader.report().tokens >= before + 2 }
      // The server takes another secret only, which is not in the file: nothing helps any more.
      let refusals = scene.sandbox.counts.tokenRefusals
      let secret = scene.sandbox.changeSecret()
      scene.secrets.withLock { _ = $0.insert(secret) }
      try await scene.wait(for: "the end of the last token") { scene.token() == nil }
      #expect(failure(daemon) == "credentials")
      #expect(daemon.log(with: "the previous settings or secrets bring no token either").count == 1, "\(daemon.log)")
      // The daemon tries to read the file often. It must not send a secret that was rejected as often.
      try await scene.pass(5)
      #expect(scene.sandbox.counts.tokenRefusals - refusals <= 4, "\(scene.story)")
      try scene.workplace.write(secret, to: path)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "a token by the new secret") { scene.token() != nil }
      #expect(reader.finish().refused.isEmpty)
    }
  }

  @Test("a key file with another key: the previous key signs")
  func wrongKey() async throws {
    try await withScene(lifetime: 20) { scene in
      let key = try await KeyPair("EC", in: scene.workplace)
      let other = try await KeyPair("EC", in: scene.workplace)
      let path = scene.workplace.path + "/client.pem"
      scene.sandbox.updateClients { $0[0] = SandboxClient(id: "gauge", publicKeys: [key.publicPEM]) }
      try scene.workplace.write(key.privatePEM, to: path)
      try scene.configure(
        scene.table(
          "konexus",
          [
            "client_id": "\"gauge\"", "client_secret": "", "client_auth": "\"private_key_jwt\"",
            "private_key_file": "\"\(path)\"",
          ]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let reader = try await scene.startReader()
      try scene.workplace.write(other.privatePEM, to: path)
      try await expectTokens(of: reader, in: scene, daemon, code: "invalid-client", note: Self.secretNote)
      try scene.workplace.write(key.privatePEM, to: path)
      try await expectEnd(of: reader, in: scene, daemon)
    }
  }

  @Test("a server that a new pin rejects does not get the secret by the previous settings")
  func newPin() async throws {
    try await withScene(lifetime: 6) { scene in
      let revokes = "revoke_on_stop = true\n"
      try scene.configure(scene.table() + revokes)
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let pin = "sha256//" + String(repeating: "A", count: 43) + "="
      try scene.configure(scene.table("konexus", ["pinned_public_key": "\"\(pin)\""]) + revokes)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the failure") { failure(daemon) == "tls-pin" }
      let requests = scene.sandbox.counts[.token]
      // An attacker in the network can cause another failure.
      try await scene.wait(for: "the end of the token") {
        if scene.sandbox.faults.isEmpty { scene.sandbox.inject(.resetOnAccept, requests: 1) }
        return scene.token() == nil
      }
      try await scene.pass(2)
      #expect(!daemon.log(with: "connection").isEmpty, "\(daemon.log)")
      scene.sandbox.clearFaults()
      daemon.signal(SIGTERM)
      _ = try await scene.ending(of: daemon)
      #expect(scene.sandbox.counts[.token] == requests && scene.sandbox.counts[.revocation] == 0)
    }
  }

  @Test("a reported token, and one with a withdrawn key, is replaced at once with the previous secret")
  func rejectedTokens() async throws {
    try await withScene { scene in
      let place = scene.workplace
      let path = place.path + "/secret"
      scene.secrets.withLock { $0.formUnion([scene.sandbox.clientSecret, "not-the-secret-of-this-client"]) }
      try place.write(scene.sandbox.clientSecret, to: path)
      try scene.configure(
        scene.table(
          "konexus",
          ["client_secret": "", "client_secret_file": "\"\(path)\"", "recheck_interval": "\"1m\""]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      try place.write("not-the-secret-of-this-client", to: path)
      // The secret is rejected before the report comes.
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the rejection") { failure(daemon) == "invalid-client" }
      let first = try #require(scene.token())
      try place.write(first, to: place.path + "/report")
      let report = try await CommandRun(
        ["refresh", "konexus", "--rejected", "-"], in: place, input: place.path + "/report")
      #expect(report.code == 0, "\(report)")
      try await scene.wait(for: "a token by the previous secret", atMost: 10) { scene.token() != first }
      try await scene.wait(for: "word of it") { daemon.status?.tokens.first?.notes.contains(Self.secretNote) ?? false }
      try await scene.sandbox.rotateKeys(dropOld: true)
      try await scene.wait(for: "a token of the new key", atMost: 100) {
        scene.token().map { scene.sandbox.refusal(of: $0) == nil } ?? false
      }
      let gap = try #require(daemon.status?.tokens.first?.availability?.longestGap)
      #expect(daemon.log(with: "no longer verify").count == 1 && gap.length < .seconds(20), "\(gap)")
    }
  }

  @Test("a secret that is unchanged is sent once in each attempt, also if the server rejects it")
  func sameSecret() async throws {
    try await withScene(lifetime: 20) { scene in
      let path = scene.workplace.path + "/secret"
      scene.secrets.withLock { _ = $0.insert(scene.sandbox.clientSecret) }
      try scene.workplace.write(scene.sandbox.clientSecret, to: path)
      try scene.configure(scene.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      let secret = scene.sandbox.changeSecret()
      scene.secrets.withLock { _ = $0.insert(secret) }
      try await scene.wait(for: "the end of the token") { scene.token() == nil }
      let count = try #require(daemon.status?.tokens.first?.failure?.count)
      #expect(scene.sandbox.counts.tokenRefusals == count)
    }
  }
}
