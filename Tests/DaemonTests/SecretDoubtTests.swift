import Glibc
import KonexusSandbox
import Testing

/// Secrets as editors leave them: what is ignored, and what is reported before the server rejects the client.
@Suite("Secret doubts", .inTurn)
struct SecretDoubtTests {
  /// Writes a configuration whose secret is in a file with this content.
  private static func configure(_ scene: Scene, _ content: String) throws {
    let path = scene.workplace.path + "/secret"
    try scene.workplace.write(content, to: path)
    try scene.configure(scene.table("konexus", ["client_secret": "", "client_secret_file": "\"\(path)\""]))
  }

  @Test("a byte order mark and CRLF, in the secret's file, the configuration and the CA certificates, are ignored")
  func windowsFiles() async throws {
    try await withScene { scene in
      try Self.configure(scene, "\u{feff}\(scene.sandbox.clientSecret)\r\n")
      for file in [scene.workplace.configFile, scene.workplace.caFile] {
        let text = try #require(Workplace.read(file))
        try scene.workplace.write("\u{feff}" + text.replacing("\n", with: "\r\n"), to: file)
      }
      let daemon = try scene.startDaemon()
      try await scene.ready()
      #expect(scene.token() != nil)
      #expect(daemon.status?.tokens.first?.notes == [])
      let check = try await CommandRun(
        ["check", "--config", scene.workplace.configFile], in: scene.workplace)
      #expect(check.code == 0 && !check.output.contains("warning"), "\(check.output)")
    }
  }

  @Test("a trailing space is reported by check, log and status, and no more once the server accepts the secret")
  func trailingSpace() async throws {
    try await withScene { scene in
      let secret = scene.sandbox.clientSecret
      try Self.configure(scene, "\(secret) \n")
      let doubt = "the secret in '\(scene.workplace.path)/secret' ends with a space (character \(secret.count + 1))"
      let check = ["check", "--config", scene.workplace.configFile]
      let offline = try await CommandRun(check + ["--offline"], in: scene.workplace)
      #expect(offline.code == 0 && offline.output.contains(doubt.replacing(scene.workplace.path, with: "DIR")))
      #expect(scene.sandbox.counts.connections == 0)
      let online = try await CommandRun(check, in: scene.workplace)
      #expect(online.code == 16 && online.output.contains("remove that if the server rejects the client"))
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the rejection") {
        daemon.status?.tokens.first?.failure?.code == "invalid-client"
      }
      let note = doubt + ": remove that if the server rejects the client"
      #expect(daemon.status?.tokens.first?.notes == [note])
      let status = try await CommandRun(["status"], in: scene.workplace)
      #expect(status.output.contains("ends with a space (character \(secret.count + 1))"), "\(status.output)")
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the second rejection") { daemon.status?.tokens.first?.failure?.count == 2 }
      try Self.configure(scene, secret)
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the token") { scene.token() != nil }
      try await scene.wait(for: "no more doubt") { daemon.status?.tokens.first?.notes == [] }
      #expect(daemon.log(with: "ends with a space").count == 1, "\(daemon.log)")
    }
  }

  @Test("an unusual secret that the server accepts is reported once, in the log")
  func accepted() async throws {
    let client = SandboxClient(id: "c", secrets: ["'s3cr3t-of-ünusual-client'"], scopes: ["tamarack"])
    try await withScene(options: { $0.clients = [client] }) { scene in
      try scene.configure()
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let token = scene.token()
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the next token") { scene.token() != token }
      #expect(daemon.status?.tokens.first?.notes == [])
      #expect(
        daemon.log(with: "client_secret is in quotes (characters 1 and 26) and contains a character that is not ASCII")
          .count == 1, "\(daemon.log)")
    }
  }
}
