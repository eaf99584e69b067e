import Glibc
import KonexusSandbox
import Testing

/// From the start of the process to a verified token in the file.
@Suite("Start", .inTurn)
struct StartTests {
  @Test("a second daemon in the same directory ends with 75, names the first one and touches nothing")
  func secondDaemon() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("first"))
      let first = try scene.startDaemon()
      try await scene.ready()
      let token = try #require(scene.token("first"))
      try scene.configure(scene.table("second"))
      let second = try scene.startDaemon(isSupervised: false)
      #expect(try await scene.ending(of: second) == .exited(75), "\(second.log)")
      #expect(second.log.contains("process id \(first.process.pid)"), "\(second.log)")
      #expect(scene.token("first") == token && scene.token("second") == nil)
      #expect(first.log(with: "It was restored").isEmpty && first.process.ending == nil)
    }
  }

  @Test("two daemons with runtime directories of their own and one output directory: the second ends with 75")
  func secondDaemonAtOutput() async throws {
    try await withScene { scene in
      let directory = scene.workplace.path + "/shared"
      let runtime = scene.workplace.path + "/other-run"
      guard mkdir(directory, 0o750) == 0, mkdir(runtime, 0o750) == 0 else { throw HarnessError("no directories") }
      let place: KeyValuePairs<String, String> = ["file": "\"\(directory)/a.token\""]
      try scene.configure(scene.table("a", place))
      let first = try scene.startDaemon()
      try await scene.ready()
      try scene.configure(scene.table("b", ["file": "\"\(directory)/b.token\""]))
      let second = try scene.startDaemon(environment: ["RUNTIME_DIRECTORY": runtime], isSupervised: false)
      #expect(try await scene.ending(of: second) == .exited(75), "\(second.log)")
      #expect(second.log.contains("process id \(first.process.pid)"), "\(second.log)")
      // Another path of the same directory neither locks the first one out of it, nor releases it.
      guard symlink(scene.workplace.path, scene.workplace.path + "/alias") == 0 else { throw HarnessError("no link") }
      let alias = scene.table("alias", ["file": "\"\(scene.workplace.path)/alias/shared/alias.token\""])
      for tables in [[scene.table("a", place), alias], [scene.table("a", place)]] {
        let reloads = first.status?.reloads ?? 0
        try scene.configure(tables.joined(separator: "\n"))
        first.signal(SIGHUP)
        try await scene.wait(for: "the reload") { first.status.map { $0.reloads == reloads + 1 } ?? false }
        #expect(first.status?.configurationProblem == nil)
      }
      try scene.configure(scene.table("b", ["file": "\"\(directory)/b.token\""]))
      let third = try scene.startDaemon(environment: ["RUNTIME_DIRECTORY": runtime], isSupervised: false)
      #expect(try await scene.ending(of: third) == .exited(75), "\(third.log)")
      // The directory is free as soon as the first one has ended.
      first.signal(SIGKILL)
      _ = try await scene.ending(of: first)
      try scene.startDaemon(environment: ["RUNTIME_DIRECTORY": runtime], isSupervised: false)
      try await scene.wait(for: "its token") { Workplace.read(directory + "/b.token") != nil }
    }
  }

  /// The first descriptor that the daemon opens is that of its lock file, and would be the log's.
  @Test(
    "with standard input, output and error closed, nothing writes into the files that the daemon opens",
    .enabled(if: geteuid() == 0, "needs root to see the daemon's descriptors"), arguments: ["2>&-", "<&- >&- 2>&-"])
  func closedDescriptors(_ redirections: String) async throws {
    try await withScene { scene in
      try scene.configure("[daemon]\nlog_level = \"debug\"\n", scene.table())
      let daemon = try scene.startDaemon(wrapper: ["sh", "-c", "exec \"$@\" \(redirections)", "sh"])
      try await scene.settled()
      #expect(scene.token() != nil)
      let lock = scene.workplace.runtimeDirectory + "/.konexus-tokend.lock"
      #expect(Workplace.read(lock) == "\(daemon.process.pid)\n")
      for descriptor in 0...2 {
        var target = [UInt8](repeating: 0, count: 256)
        let path = "/proc/\(daemon.process.pid)/fd/\(descriptor)"
        let count = target.withUnsafeMutableBytes { bytes in
          bytes.baseAddress.map { readlink(path, $0, bytes.count) } ?? 0
        }
        #expect(String(decoding: target.prefix(max(0, count)), as: UTF8.self) == "/dev/null", "\(descriptor)")
      }
      let show = try await CommandRun(
        ["show"], in: scene.workplace, wrapper: ["sh", "-c", "exec \"$@\" >&-", "sh"])
      #expect(show.code == 74 && show.errors == "konexus-tokend: cannot write to standard output\n", "\(show.errors)")
    }
  }

  @Test("READY=1 comes once a token that the API accepts is in the file, and not before")
  func readyMeansToken() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.delay(seconds: 3), at: [.token], requests: 1)
      try scene.configure()
      let reader = try await scene.startReader()
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "a token request") { scene.sandbox.counts[.token] == 1 }
      #expect(scene.notify.readyAt == nil)
      #expect(scene.token() == nil)
      try await scene.settled()
      let token = try #require(scene.token())
      #expect(scene.sandbox.refusal(of: token) == nil)
      try await scene.wait(for: "the reader's token") { reader.readings.contains { $0.isToken } }
      let first = try #require(reader.readings.first { $0.isToken })
      // The reader looks every 20 ms: what it found first was there when READY=1 was sent.
      let readyAt = try #require(scene.notify.readyAt)
      #expect(first.text == token)
      #expect(reader.readings.filter { $0.last < readyAt && $0.kind == "empty" }.isEmpty)
      #expect(scene.sandbox.counts[.discovery] == 1 && scene.sandbox.counts[.jwks] == 1)
      #expect(scene.sandbox.counts[.token] == 1)
      let status = try #require(scene.notify.messages.first { $0["READY"] == "1" }?["STATUS"])
      #expect(status.contains("konexus: token valid for 59 min") && status.contains("next refresh"), "\(status)")
      let told = try #require(daemon.status)
      #expect(told.isReady && told.tokens.count == 1 && told.tokens[0].condition == .valid)
      #expect(reader.finish().refused.isEmpty)
    }
  }

  @Test("the file has its mode whatever the umask, no line break, and no company but the daemon's own files")
  func fileAsConfigured() async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["mode": "\"0644\""]), scene.table("other"))
      let daemon = try scene.startDaemon(wrapper: ["sh", "-c", #"umask 077; exec "$@""#, "sh"])
      try await scene.settled()
      var status = stat()
      #expect(lstat(scene.workplace.tokenFile(), &status) == 0 && status.st_mode == S_IFREG | 0o644)
      #expect(lstat(scene.workplace.tokenFile("other"), &status) == 0 && status.st_mode == S_IFREG | 0o640)
      #expect(scene.token()?.hasSuffix("\n") == false)
      try await scene.wait(for: "its own files, and no other") {
        Set(try Scene.files(in: scene.workplace.runtimeDirectory))
          == Set(["konexus.token", "other.token", "konexus.state", "other.state"]).union(Scene.daemonFiles)
      }
      #expect(daemon.process.ending == nil)
    }
  }

  @Test("a server that listens on IPv6 alone is reached, by name and by address", arguments: ["localhost", "[::1]"])
  func overIPv6(host: String) async throws {
    try await withScene(options: {
      $0.address = "::1"
      $0.host = host
    }) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  @Test("without NOTIFY_SOCKET it works in a terminal or a container")
  func unsupervised() async throws {
    try await withScene { scene in
      try scene.configure()
      let daemon = try scene.startDaemon(isSupervised: false)
      try await scene.wait(for: "a token") { scene.token() != nil }
      daemon.signal(SIGTERM)
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.notify.messages.isEmpty)
      #expect(daemon.log(with: "warning").isEmpty, "\(daemon.log)")
    }
  }

  @Test("a token that the server refuses holds back neither the others nor READY=1, which names it")
  func oneRefused() async throws {
    try await withScene { scene in
      try scene.configure(
        scene.table("good"), scene.table("bad", ["client_secret": "\"wrong-and-secret-too\""]), scene.table("fine"))
      scene.secrets.withLock { _ = $0.insert("wrong-and-secret-too") }
      try scene.startDaemon()
      try await scene.ready()
      let status = try #require(scene.notify.messages.first { $0["READY"] == "1" }?["STATUS"])
      #expect(status.contains("2 of 3 tokens valid") && status.contains("bad: NO TOKEN"), "\(status)")
      #expect(status.contains("invalid_client"), "\(status)")
      #expect(scene.token("good") != nil && scene.token("fine") != nil && scene.token("bad") == nil)
    }
  }

  @Test("with no token at all there is no READY=1: systemd is asked for time, and told why", arguments: [true, false])
  func notReady(isRefused: Bool) async throws {
    try await withScene { scene in
      scene.sandbox.inject(isRefused ? .oauthError("invalid_client") : .status(503), at: [.token])
      try scene.configure()
      try scene.startDaemon()
      try await scene.wait(for: "two extensions") {
        scene.notify.messages.count { $0["EXTEND_TIMEOUT_USEC"] != nil } >= 2
      }
      #expect(scene.notify.readyAt == nil)
      let extensions = scene.notify.messages.filter { $0["EXTEND_TIMEOUT_USEC"] != nil }
      // Each asks for longer than the time to the next.
      let asked = extensions.compactMap { $0["EXTEND_TIMEOUT_USEC"].flatMap(Double.init) }
      #expect(asked.allSatisfy { $0 / 1e6 > extensions[1].time - extensions[0].time })
      let status = try #require(scene.notify.status)
      #expect(status.contains("konexus: NO TOKEN"), "\(status)")
      #expect(status.contains(isRefused ? "invalid_client" : "503"), "\(status)")
      #expect(scene.token() == nil)
    }
  }

  @Test("an RSA key of 4096 bits, as Konexus has it, and every other algorithm", arguments: SigningAlgorithm.allCases)
  func algorithms(algorithm: SigningAlgorithm) async throws {
    try await withScene(options: {
      $0.algorithm = algorithm
      $0.preparesNextKey = false
    }) { scene in
      try scene.configure()
      try scene.startDaemon()
      try await scene.ready()
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }
}
