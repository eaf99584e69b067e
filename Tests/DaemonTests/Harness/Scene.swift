import Broker
import Glibc
import KonexusSandbox
import Publication
import Synchronization
import Testing

/// The environment of one test: an authorization server, a directory, a notification socket, daemons and readers.
final class Scene: Sendable {
  let sandbox: Sandbox
  let workplace: Workplace
  let notify: NotifySocket
  /// The secrets that must not be seen anywhere, beside the sandbox's own.
  let secrets = Mutex<Set<String>>([])
  private let daemons = Mutex<[DaemonProcess]>([])
  private let readers = Mutex<[TokenReader]>([])

  fileprivate init(sandbox: Sandbox, workplace: Workplace) throws {
    self.sandbox = sandbox
    self.workplace = workplace
    notify = try NotifySocket(path: workplace.notifySocket)
    try sandbox.writeCA(to: workplace.caFile)
  }

  // MARK: Settings

  /// A table `[token.NAME]` for the sandbox.
  ///
  /// - Parameter settings: Keys to add or replace, with their values in TOML. An empty value removes the key.
  func table(_ name: String = "konexus", _ settings: KeyValuePairs<String, String> = [:]) -> String {
    var keys = [
      ("issuer", "\"\(sandbox.issuer)\""), ("client_id", "\"\(sandbox.clientID)\""),
      ("client_secret", "\"\(sandbox.clientSecret)\""), ("ca_file", "\"\(workplace.caFile)\""), ("timeout", "\"30s\""),
    ]
    for (key, value) in settings {
      keys.removeAll { $0.0 == key }
      if !value.isEmpty { keys.append((key, value)) }
    }
    return "[token.\(name)]\n" + keys.map { "\($0.0) = \($0.1)\n" }.joined()
  }

  /// Writes the configuration; without tables, one for the sandbox.
  func configure(_ tables: String...) throws {
    secrets.withLock { _ = $0.insert(sandbox.clientSecret) }
    try workplace.write((tables.isEmpty ? [table()] : tables).joined(separator: "\n"), to: workplace.configFile)
  }

  /// A table `[daemon]` that has `metric` work.
  var metricsTable: String { "[daemon]\nmetrics_file = \"\(workplace.metricsFile)\"\n" }

  /// The value of a metric without labels; nil if it is not written.
  func metric(_ name: String) -> Double? {
    let lines = (Workplace.read(workplace.metricsFile) ?? "").split(separator: "\n")
    let prefix = "konexus_tokend_\(name) "
    return lines.first { $0.hasPrefix(prefix) }.flatMap { Double($0.dropFirst(prefix.count)) }
  }

  // MARK: Processes

  /// Starts the daemon, as systemd would unless `isSupervised` says no.
  @discardableResult
  func startDaemon(
    environment: [String: String] = [:], isSupervised: Bool = true, wrapper: [String] = []
  ) throws -> DaemonProcess {
    var variables = environment
    if isSupervised { variables["NOTIFY_SOCKET"] = notify.path }
    let daemon = try DaemonProcess(in: workplace, environment: variables, wrapper: wrapper)
    daemons.withLock { $0.append(daemon) }
    return daemon
  }

  /// Starts a program that reads a token's file, and waits for its first read.
  ///
  /// - Parameter server: The sandbox whose API the program calls, if it is not the scene's own.
  func startReader(of name: String = "konexus", at server: Sandbox? = nil) async throws -> TokenReader {
    let reader = try TokenReader(workplace.tokenFile(name), sandbox: server ?? sandbox, in: workplace)
    readers.withLock { $0.append(reader) }
    try await wait(for: "the reader's first look", atMost: 30) { !reader.readings.isEmpty }
    return reader
  }

  /// Waits until a condition holds, and tests it about twenty times a second.
  ///
  /// After `limit` seconds, far longer than it should take, the test fails and shows the daemon's log.
  func wait(
    for what: String, atMost limit: Double = 60, sourceLocation: SourceLocation = #_sourceLocation,
    until holds: () async throws -> Bool
  ) async throws {
    let end = Clock.monotonic + limit
    while true {
      judge()
      if try await holds() { return }
      if Clock.monotonic > end {
        let text = "waited for \(limit) s for \(what)\n\(story)"
        Issue.record("\(text)", sourceLocation: sourceLocation)
        throw HarnessError("no \(what)")
      }
      try await Task.sleep(for: .milliseconds(40))
    }
  }

  /// Lets `seconds` of the readers' and the daemon's life pass: for what must not happen meanwhile.
  func pass(_ seconds: Double) async throws {
    let end = Clock.monotonic + seconds
    while Clock.monotonic < end {
      judge()
      try await Task.sleep(for: .milliseconds(40))
    }
  }

  /// What is in a token's file; nil if there is none.
  func token(_ name: String = "konexus") -> String? { Workplace.read(workplace.tokenFile(name)) }

  /// Waits for a process to end.
  func ending(
    of daemon: DaemonProcess, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> ChildProcess.Ending {
    try await wait(for: "the daemon's end", atMost: 30, sourceLocation: sourceLocation) { daemon.process.ending != nil }
    return try #require(daemon.process.ending)
  }

  /// Waits until the daemon has reported that it is ready.
  func ready(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await wait(for: "READY=1", sourceLocation: sourceLocation) { notify.readyAt != nil }
  }

  /// Waits until it is ready and `status.json` shows this. The notification of systemd can come first.
  func settled(sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await ready(sourceLocation: sourceLocation)
    try await wait(for: "the status of a daemon that is ready", sourceLocation: sourceLocation) {
      (try? StatusFile.read(from: workplace.runtimeDirectory))?.isReady ?? false
    }
  }

  /// Performs with a runtime directory of 64 KiB: `fill` takes what is left of it. Needs root.
  func withSmallDirectory(perform: (_ fill: () throws -> Void) async throws -> Void) async throws {
    let directory = workplace.runtimeDirectory
    func run(_ command: String...) async throws {
      let process = try ChildProcess(
        command, environment: ["PATH": "/usr/bin:/bin"], errors: workplace.path + "/mount-errors")
      try await wait(for: command[0]) { process.ending != nil }
      try #require(process.ending == .exited(0), "\(command)")
    }
    try await run("mount", "-t", "tmpfs", "-o", "size=64k,mode=0750", "konexus", directory)
    do {
      try await perform {
        let filler = open(directory + "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(filler >= 0)
        defer { close(filler) }
        while write(filler, String(repeating: "x", count: 4096), 4096) > 0 {}
        try #require(errno == ENOSPC)
      }
      for daemon in daemons.withLock({ $0 }) { daemon.process.kill() }
    } catch {
      try await run("umount", "--lazy", directory)
      throw error
    }
    try await run("umount", "--lazy", directory)
  }

  // MARK: Afterwards

  /// What happened, for a test that failed.
  var story: String {
    let logs = daemons.withLock { $0 }.map(\.log)
    let messages = notify.messages.map { "\($0.time) \($0.lines)" }
    let requests = sandbox.requests.suffix(40).map {
      "\($0.time) \($0.endpoint) \($0.status ?? 0) \($0.refusal ?? "")"
    }
    return (logs + ["notified:"] + messages + ["requests:"] + requests).joined(separator: "\n")
  }

  private func judge() {
    for reader in readers.withLock({ $0 }) { reader.judge() }
  }

  /// Nothing that the daemon wrote or was started with holds a secret or a token, but the token files themselves.
  fileprivate func expectNothingLeaked() {
    var written: [(String, String)] = daemons.withLock { $0 }.map { ("the log", $0.log) }
    written += notify.messages.map { ("a notification", $0.lines.joined(separator: "\n")) }
    for name in (try? Self.files(in: workplace.runtimeDirectory)) ?? [] {
      // What else there is in it are the token's own files.
      guard name == "status.json" || name.hasSuffix(".state") || name.hasSuffix(".prom") else { continue }
      written.append((name, Workplace.read("\(workplace.runtimeDirectory)/\(name)") ?? ""))
    }
    let secrets = secrets.withLock { $0 }
    let tokens = Set(sandbox.issuedTokens)
    for (place, text) in written {
      for secret in secrets where !secret.isEmpty {
        #expect(!text.contains(secret), "\(place) holds the client secret:\n\(text)")
      }
      for token in tokens {
        // The signature alone is a leak, because the rest of the token can be known.
        let signature = token.split(separator: ".").last.map(String.init) ?? token
        #expect(signature.count < 20 || !text.contains(signature), "\(place) holds a token:\n\(text)")
      }
    }
  }

  /// What a daemon makes in its runtime directory beside the files of its tokens.
  static let daemonFiles = ["status.json", "control", "reject.sock", ".konexus-tokend.lock"]

  static func files(in directory: String) throws -> [String] {
    guard let stream = opendir(directory) else { throw HarnessError("cannot read \(directory)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
    return names.filter { $0 != "." && $0 != ".." }
  }

  fileprivate func clear() async {
    for daemon in daemons.withLock({ $0 }) { daemon.process.kill() }
    for reader in readers.withLock({ $0 }) { _ = reader.finish() }
    await sandbox.stop()
    workplace.remove()
  }
}

/// Runs a test in a scene with a sandbox, and always cleans up.
///
/// It searches everything that the daemon wrote for secrets.
///
/// - Parameters:
///   - lifetime: The life of a token in seconds.
///   - options: Changes to the sandbox, before it starts. It signs with ES256, because such keys are made quickly.
///     Other algorithms have their own tests.
func withScene(
  lifetime: Int64 = 3600, options change: (inout SandboxOptions) -> Void = { _ in },
  perform: (Scene) async throws -> Void
) async throws {
  var options = SandboxOptions()
  options.algorithm = .es256
  options.settings.lifetime = lifetime
  change(&options)
  let sandbox = try await Sandbox.start(options)
  let workplace: Workplace
  let scene: Scene
  do {
    workplace = try Workplace()
    scene = try Scene(sandbox: sandbox, workplace: workplace)
  } catch {
    await sandbox.stop()
    throw error
  }
  do {
    try await perform(scene)
    scene.expectNothingLeaked()
  } catch {
    await scene.clear()
    throw error
  }
  await scene.clear()
}
