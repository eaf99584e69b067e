import Glibc
import HTTP
import KonexusSandbox
import Testing

/// A series of failures by a server that repeats secrets and tokens wherever it can.
///
/// Afterwards the tests search everything that the daemon wrote for these secrets.
@Suite("Leaks", .inTurn)
struct LeakTests {
  private static let secret = "s3cret/with+odd&chars=%of-the-client"
  private static let next = "next-s3cret+of&the=client"
  private static let parameter = "a-key/0123456789+of-the-gateway"

  /// Every form in which the secret could stand somewhere.
  private static func forms(_ secret: String, id: String) -> [String] {
    let encoded = FormEncoding.encoded(.text(secret)).exposed
    return [
      secret, encoded, String(secret.prefix(16)), String(secret.suffix(16)), base64("\(id):\(secret)"),
      base64("\(id):\(encoded)"),
    ]
  }

  private static func base64(_ text: String) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var result = ""
    let bytes = Array(text.utf8)
    // Without the last, incomplete group: a prefix of it gives the secret away as well.
    for start in stride(from: 0, to: bytes.count - 2, by: 3) {
      let bits = UInt32(bytes[start]) << 16 | UInt32(bytes[start + 1]) << 8 | UInt32(bytes[start + 2])
      for shift in [18, 12, 6, 0] { result.append(alphabet[Int(bits >> UInt32(shift) & 63)]) }
    }
    return result
  }

  /// Answers that say `text`.
  private static func echoes(_ text: String) -> [Fault] {
    let quoted = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    func error(_ error: String, _ description: String) -> Fault.Kind {
      .status(
        400, headers: ["Content-Type": "application/json", "X-Echo": text],
        body: "{\"error\":\"\(error)\",\"error_description\":\"\(description)\"}")
    }
    return [
      Fault(error("invalid_client", "you sent \(quoted)"), at: [.token]), Fault(error(quoted, "no"), at: [.token]),
      Fault(.status(403, body: text), at: [.token]), Fault(.status(500, body: text), at: [.token]),
      Fault(.redirect("https://evil.example/?\(text.filter { $0.isLetter || $0.isNumber })"), at: [.token]),
      Fault(.setMembers(["token_type": .string(text)]), at: [.token]),
      Fault(.setMembers(["expires_in": .string(text)]), at: [.token]),
      Fault(.setMembers(["access_token": .string(text)]), at: [.token]), Fault(.body(text), at: [.token]),
      Fault(.setClaims(["iss": .string(text)])), Fault(.setClaims(["aud": .string(text)])),
      Fault(.setClaims(["client_id": .string(text)])), Fault(.setClaims(["scope": .string(text)])),
      Fault(.setTokenHeader(["kid": .string(text)])), Fault(.setTokenHeader(["alg": .string(text)])),
      Fault(.setTokenHeader(["typ": .string(text)])), Fault(.setTokenHeader(["crit": [.string(text)]])),
    ]
  }

  @Test(
    "whatever a server says of the secret and the token, nothing that the daemon writes holds them",
    arguments: ["client_secret_post", "client_secret_basic"])
  func failures(method: String) async throws {
    try await withScene(options: {
      $0.settings.basicEncoding = .raw
      $0.clients = [SandboxClient(id: "gauge", secrets: [Self.secret])]
    }) { scene in
      scene.secrets.withLock { $0.formUnion([Self.secret, Self.next]) }
      let metrics = scene.workplace.runtimeDirectory + "/konexus.prom"
      let daemonTable = "[daemon]\nlog_level = \"trace\"\nmetrics_file = \"\(metrics)\"\n"
      let secrets = "[\"\(Self.secret)\", \"\(Self.next)\"]"
      try scene.configure(
        daemonTable
          + scene.table(
            "konexus",
            [
              "client_secret": secrets, "client_auth": "\"\(method)\"", "timeout": "\"2s\"",
              "extra_parameters": "{ api_key = \"\(Self.parameter)\" }",
            ]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let good = try #require(scene.token())
      var texts: Set<String> = [good]
      for text in [Self.secret, FormEncoding.encoded(.text(Self.secret)).exposed, Self.parameter, good] {
        for fault in Self.echoes(text) {
          let attempts = daemon.status?.tokens.first?.requests ?? 0
          scene.sandbox.inject(fault)
          try await scene.wait(for: "an attempt and its end") {
            daemon.signal(SIGUSR1)
            return (daemon.status?.tokens.first?.requests ?? 0) > attempts
          }
          scene.sandbox.clearFaults()
          if let token = scene.token() { texts.insert(token) }
        }
      }
      texts.formUnion(scene.sandbox.issuedTokens)
      let forms =
        Self.forms(Self.secret, id: "gauge") + Self.forms(Self.next, id: "gauge") + Self.forms(Self.parameter, id: "")
      let signatures = texts.compactMap { $0.split(separator: ".").last.map(String.init) }.filter { $0.count > 20 }
      for (place, text) in Self.written(scene, daemon) {
        for form in forms { #expect(!text.contains(form), "\(place) holds the secret as \(form)") }
        for signature in signatures { #expect(!text.contains(signature), "\(place) holds a token") }
        for signature in signatures { #expect(!text.contains(signature.prefix(24)), "\(place) holds half a token") }
      }
      #expect(
        daemon.log.contains("(secret)") || daemon.log.contains("quotes the client secret"), "the echoes were seen")
    }
  }

  /// Everything that the daemon wrote or that others can see of it, but the token's file.
  private static func written(_ scene: Scene, _ daemon: DaemonProcess) -> [(String, String)] {
    var written = [("the log", daemon.log)]
    written += scene.notify.messages.map { ("a notification", $0.lines.joined(separator: "\n")) }
    for name in (try? Scene.files(in: scene.workplace.runtimeDirectory)) ?? [] where !name.hasSuffix(".token") {
      written.append((name, Workplace.read("\(scene.workplace.runtimeDirectory)/\(name)") ?? ""))
    }
    for name in ["cmdline", "environ", "status", "comm", "limits", "mountinfo"] {
      written.append(("/proc/PID/\(name)", Workplace.read("/proc/\(daemon.process.pid)/\(name)") ?? ""))
    }
    return written
  }

  @Test("SSLKEYLOGFILE, which libcurl obeys, has no effect: its file would decrypt the traffic")
  func keyLog() async throws {
    try await withScene { scene in
      try scene.configure()
      let keys = scene.workplace.path + "/keys"
      let check = try await CommandRun(
        ["check", "--config", scene.workplace.configFile], in: scene.workplace, environment: ["SSLKEYLOGFILE": keys])
      #expect(check.code == 0, "\(check.output)")
      #expect(access(keys, F_OK) != 0, "check wrote \(Workplace.read(keys) ?? "")")
      let daemon = try scene.startDaemon(environment: ["SSLKEYLOGFILE": keys])
      try await scene.ready()
      #expect(scene.token() != nil)
      #expect(access(keys, F_OK) != 0, "the daemon wrote \(Workplace.read(keys) ?? "")")
      #expect(daemon.log(with: "SSLKEYLOGFILE", "ignored").count == 1, "\(daemon.log)")
    }
  }

  @Test(
    "a crash ends it at once, and leaves neither a core nor a backtrace",
    arguments: [SIGABRT, SIGSEGV, SIGQUIT, SIGBUS])
  func crash(signal: Int32) async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(
        wrapper: ["sh", "-c", "ulimit -c unlimited 2>/dev/null; cd \"$0\" && exec \"$@\"", scene.workplace.path])
      try await scene.ready()
      daemon.signal(signal)
      let ending = try await scene.ending(of: daemon)
      #expect(ending == .killed(by: signal))
      #expect(!daemon.log.contains("rsp") && !daemon.log.contains("***"), "\(daemon.log)")
      let files = try Scene.files(in: scene.workplace.path)
      #expect(files.filter { $0.hasPrefix("core") }.isEmpty, "\(files)")
      #expect(daemon.process.hasDumpedCore == false)
    }
  }
}
