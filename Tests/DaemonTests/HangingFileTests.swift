import Glibc
import KonexusSandbox
import Testing

/// One table's files hang, break or flood; another table's must not notice.
@Suite(
  "Files and endpoints that hang", .inTurn,
  .enabled(if: FaultyDisk.isAvailable, "needs root, /dev/fuse and python3-fusepy"))
struct HangingFileTests {
  /// What the table `ill` has on the faulty disk.
  enum Place: String, CaseIterable, Sendable {
    case secret, key, authorities, certificate, signal, output
    case discovery, token, jwks, introspection

    /// What the table asks at its server; nil for its files.
    var endpoint: SandboxEndpoint? { SandboxEndpoint(rawValue: rawValue) }
  }

  struct Trial: Sendable, CustomTestStringConvertible {
    var place: Place
    var fault: FaultyDisk.Fault
    var testDescription: String { "\(fault.rawValue) \(place.rawValue)" }
  }

  static let trials = Place.allCases.flatMap { place in
    FaultyDisk.Fault.allCases.map { Trial(place: place, fault: $0) }
  }

  @Test("another table's refresh, its heartbeats and the stop go on", arguments: trials)
  func oneTable(trial: Trial) async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(
        trial.place == .output ? "[daemon]\nallow_persistent_storage = true\n" : "",
        try await ill(scene, disk, trial.place), well(scene, other))
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"])
      try await scene.ready()
      let reader = try await scene.startReader(of: "well", at: other)
      if let endpoint = trial.place.endpoint {
        scene.sandbox.inject(trial.fault.atServer, at: [endpoint])
        if endpoint == .jwks { try await scene.sandbox.rotateKeys(dropOld: true) }
      } else {
        try disk.set(trial.fault)
      }
      let beats = scene.notify.count(of: "WATCHDOG=1")
      let requests = other.counts[.token]
      try await scene.wait(for: "three more tokens of the other table") { other.counts[.token] >= requests + 3 }
      #expect(scene.notify.count(of: "WATCHDOG=1") >= beats + 6)
      if trial.place != .output {
        try await scene.wait(for: "the removal of the table's own token, or another one") {
          daemon.status?.tokens.first { $0.name == "ill" }.map { $0.condition == .absent || $0.successes > 2 } ?? false
        }
      }
      #expect(reader.report().gaps.isEmpty)
      // Its expiry comes in time too: no read finds a token that has expired.
      other.inject(.hang)
      try await scene.wait(for: "the removal at its expiry") { scene.token("well") == nil }
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.gaps.count <= 1, "\(report)")
      // A thread in the file system's call keeps the process from being reaped, but not from ending its work.
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the end", atMost: 4) { daemon.process.ending != nil || daemon.isZombie }
      disk.end()
      #expect(try await scene.ending(of: daemon) == .exited(0))
      #expect(scene.notify.count(of: "STOPPING=1") == 1)
      #expect(daemon.status?.stoppedAt != nil)
    }
  }

  @Test("a table whose files hung has its token again when they answer")
  func recovers() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(try await ill(scene, disk, .secret), well(scene, other))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      try disk.set(.hang)
      try await scene.wait(for: "the failure") {
        daemon.status?.tokens.first { $0.name == "ill" }?.failure?.code == "credentials"
      }
      let failure = try #require(daemon.status?.tokens.first { $0.name == "ill" }?.failure)
      #expect(failure.message.contains("\(disk.directory)/secret took longer than 5 s"), "\(failure.message)")
      try await scene.wait(for: "its end") { scene.token("ill") == nil }
      try disk.set(nil)
      try await scene.wait(for: "its return") { scene.token("ill") != nil }
    }
  }

  @Test("an output that hung gets the newest token when it answers")
  func outputRecovers() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(
        "[daemon]\nallow_persistent_storage = true\n", try await ill(scene, disk, .output), well(scene, other))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let path = disk.backing + "/ill.token"
      let before = Workplace.read(path)
      try disk.set(.hang)
      try await scene.wait(for: "the complaint") {
        daemon.status?.tokens.first { $0.name == "ill" }?.publicationFailure?.contains("does not answer") ?? false
      }
      try disk.set(nil)
      try await scene.wait(for: "a newer token") { Workplace.read(path).map { $0 != before && !$0.isEmpty } ?? false }
      try await scene.wait(for: "no more complaint") {
        daemon.status?.tokens.first { $0.name == "ill" }.map { $0.publicationFailure == nil } ?? false
      }
    }
  }

  @Test(
    "a reload that reads a file which hangs keeps the previous configuration, and nothing waits",
    arguments: [false, true])
  func reload(isConfiguration: Bool) async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(try await ill(scene, disk, .secret), well(scene, other))
      if isConfiguration {
        // The configuration itself is on the disk.
        guard rename(scene.workplace.configFile, disk.backing + "/config.toml") == 0,
          symlink(disk.directory + "/config.toml", scene.workplace.configFile) == 0
        else { throw HarnessError("cannot move the configuration") }
      }
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"])
      try await scene.ready()
      let reader = try await scene.startReader(of: "well", at: other)
      try disk.set(.hang)
      let beats = scene.notify.count(of: "WATCHDOG=1")
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the end of the reload") { scene.notify.count(of: "READY=1") == 2 }
      try await scene.wait(for: "beats") { scene.notify.count(of: "WATCHDOG=1") >= beats + 8 }
      if isConfiguration {
        #expect(daemon.status?.configurationProblem?.contains("the file system does not answer") ?? false)
      }
      let report = reader.finish()
      #expect(report.gaps.isEmpty && report.refused.isEmpty && report.tokens >= 2, "\(report)")
    }
  }

  @Test("a credential_socket whose directory hangs keeps the previous configuration, and nothing waits")
  func credentialSocket() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(well(scene, other))
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"])
      try await scene.ready()
      let reader = try await scene.startReader(of: "well", at: other)
      try disk.set(.hang)
      let beats = scene.notify.count(of: "WATCHDOG=1")
      try scene.configure(
        "[daemon]\ncredential_socket = \"\(disk.directory)/credentials.sock\"\n", well(scene, other))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the end of the reload", atMost: 20) { scene.notify.count(of: "READY=1") == 2 }
      try await scene.wait(for: "beats", atMost: 20) { scene.notify.count(of: "WATCHDOG=1") >= beats + 8 }
      let problem = daemon.status?.configurationProblem ?? ""
      #expect(problem.contains("credentials.sock") && problem.contains("the file system does not answer"), "\(problem)")
      let report = reader.finish()
      #expect(report.gaps.isEmpty && report.refused.isEmpty && report.tokens >= 2, "\(report)")
    }
  }

  @Test("a reload during another one begins when that ends, also for systemd")
  func twoReloads() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(try await ill(scene, disk, .secret), well(scene, other))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      try disk.set(.hang)
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the first reload") { scene.notify.count(of: "RELOADING=1") == 1 }
      daemon.signal(SIGHUP)
      try await scene.wait(for: "both ends", atMost: 20) { scene.notify.count(of: "READY=1") == 3 }
      let lines = scene.notify.messages.flatMap(\.lines).filter { ["RELOADING=1", "READY=1"].contains($0) }
      #expect(lines == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1"])
    }
  }

  @Test("SIGHUP after the configuration was read and before the daemon is made: it is read again after the start")
  func reloadDuringStart() async throws {
    try await withTwoServers { scene, other, disk in
      let table = try await ill(scene, disk, .secret)
      try scene.configure(table, well(scene, other))
      // The start waits for this file's check.
      try disk.set(.hang)
      let daemon = try scene.startDaemon()
      try await scene.pass(1)
      #expect(daemon.status == nil)
      try scene.configure(table, well(scene, other), scene.table("added"))
      daemon.signal(SIGHUP)
      try await scene.wait(for: "the added table's token", atMost: 20) { scene.token("added") != nil }
      #expect(daemon.status?.reloads == 1)
    }
  }

  @Test("a stop waits two seconds for the last words, also if systemd and the disk of the metrics both hang")
  func lastWords() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(
        "[daemon]\nmetrics_file = \"\(disk.directory)/konexus.prom\"\n", well(scene, other))
      let daemon = try scene.startDaemon()
      try await scene.settled()
      try disk.set(.hang)
      scene.notify.freeze()
      // What is written of this refresh hangs.
      try await scene.wait(for: "a refresh") { daemon.status?.tokens.first?.successes ?? 0 >= 2 }
      let told = Clock.monotonic
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the end", atMost: 10) { daemon.process.ending != nil || daemon.isZombie }
      #expect(Clock.monotonic - told < 3.5)
      scene.notify.thaw()
      disk.end()
      #expect(try await scene.ending(of: daemon) == .exited(0))
    }
  }

  @Test("a former token whose directory hangs at the start hides no other: that one is removed when it expires")
  func leftoverBesideOneThatHangs() async throws {
    try await withTwoServers { scene, other, disk in
      // Where the first table's file is: in memory at first, on the disk later.
      let place = scene.workplace.path + "/place"
      let former = scene.workplace.path + "/former"
      let elsewhere = scene.workplace.path + "/elsewhere"
      for directory in [former, former + "/tokens", elsewhere, disk.backing + "/tokens"] {
        try #require(mkdir(directory, 0o750) == 0)
      }
      try #require(symlink(former, place) == 0)
      let table = scene.table("well", ["file": "\"\(elsewhere)/well.token\""])
      try scene.configure(scene.table("ill", ["file": "\"\(place)/tokens/ill.token\""]), table)
      guard rename(scene.workplace.configFile, disk.backing + "/config.toml") == 0,
        symlink(disk.directory + "/config.toml", scene.workplace.configFile) == 0
      else { throw HarnessError("cannot move the configuration") }
      var daemon = try scene.startDaemon()
      try await scene.settled()
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      #expect(Workplace.read(elsewhere + "/well.token") != nil)
      try #require(unlink(place) == 0 && symlink(disk.directory, place) == 0)
      try disk.set(.hang)
      daemon = try scene.startDaemon()
      try await scene.wait(for: "the removal", atMost: 12) { Workplace.read(elsewhere + "/well.token") == nil }
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the end", atMost: 4) { daemon.process.ending != nil || daemon.isZombie }
    }
  }

  @Test("a start whose configuration hangs removes expired tokens, survives signals and ends at once when told to")
  func start() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(try await ill(scene, disk, .secret), well(scene, other))
      guard rename(scene.workplace.configFile, disk.backing + "/config.toml") == 0,
        symlink(disk.directory + "/config.toml", scene.workplace.configFile) == 0
      else { throw HarnessError("cannot move the configuration") }
      var daemon = try scene.startDaemon()
      try await scene.ready()
      daemon.signal(SIGKILL)
      _ = try await scene.ending(of: daemon)
      #expect(scene.token("well") != nil)
      try disk.set(.hang)
      daemon = try scene.startDaemon()
      try await scene.wait(for: "the removal of both tokens", atMost: 12) {
        scene.token("well") == nil && scene.token("ill") == nil
      }
      try await scene.wait(for: "a line about it") { daemon.log.contains("the file system does not answer") }
      #expect(scene.notify.status?.contains("waits for") ?? false, "\(scene.notify.status ?? "")")
      for signal in [SIGHUP, SIGUSR1] { daemon.signal(signal) }
      try await scene.pass(0.5)
      #expect(!daemon.isZombie && daemon.process.ending == nil)
      daemon.signal(SIGTERM)
      try await scene.wait(for: "the end", atMost: 4) { daemon.process.ending != nil || daemon.isZombie }
      disk.end()
      #expect(try await scene.ending(of: daemon) == .exited(0))
    }
  }

  @Test("a start with one table whose files hang starts the other table")
  func startOfOthers() async throws {
    try await withTwoServers { scene, other, disk in
      try scene.configure(try await ill(scene, disk, .secret), well(scene, other))
      try disk.set(.hang)
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the other table's token", atMost: 15) { scene.token("well") != nil }
      try await scene.wait(for: "the failure") {
        daemon.status?.tokens.first { $0.name == "ill" }?.failure?.code == "credentials"
      }
      try disk.set(nil)
      try await scene.wait(for: "its token") { scene.token("ill") != nil }
    }
  }

  @Test("a start with five tables whose outputs hang waits for all of them at the same time")
  func startOfOneInMemory() async throws {
    try await withTwoServers { scene, other, disk in
      let names = ["river", "lake", "weir", "gauge", "dam"]
      let tables = names.map { scene.table($0, ["file": "\"\(disk.directory)/\($0).token\""]) }
      try scene.configure(
        "[daemon]\nallow_persistent_storage = true\n", tables.joined(separator: "\n"), well(scene, other))
      try disk.set(.hang)
      let began = Clock.monotonic
      let daemon = try scene.startDaemon()
      try await scene.wait(for: "the token in memory") { scene.token("well") != nil }
      #expect(Clock.monotonic - began < 8)
      // The reports come in the order of the tables.
      let reports = daemon.log(with: " error ", "does not answer")
      for (report, name) in zip(reports, names) { #expect(report.contains("\(name): "), "\(report)") }
      #expect(reports.count >= names.count, "\(daemon.log)")
      try disk.set(nil)
      for name in names {
        try await scene.wait(for: "the token of \(name)") { Workplace.read("\(disk.backing)/\(name).token") != nil }
      }
    }
  }

  // MARK: Tables

  /// Runs `perform` with two servers and a faulty disk, and ends them.
  private func withTwoServers(_ perform: (Scene, Sandbox, FaultyDisk) async throws -> Void) async throws {
    try await withScene(lifetime: 6) { scene in
      var options = SandboxOptions()
      options.algorithm = .es256
      options.settings.lifetime = 6
      let other = try await Sandbox.start(options)
      do {
        let disk = try await FaultyDisk(in: scene.workplace)
        defer { disk.end() }
        try await perform(scene, other, disk)
      } catch {
        await other.stop()
        throw error
      }
      await other.stop()
    }
  }

  private func ill(_ scene: Scene, _ disk: FaultyDisk, _ place: Place) async throws -> String {
    let directory = disk.directory
    func copy(_ text: String, to name: String) throws { try scene.workplace.write(text, to: disk.backing + "/" + name) }
    let authorities = try #require(Workplace.read(scene.workplace.caFile))
    switch place {
    case .secret:
      try copy(scene.sandbox.clientSecret + "\n", to: "secret")
      return scene.table(
        "ill", ["client_secret": "", "client_secret_file": "\"\(directory)/secret\""])
    case .key:
      try copy(try await KeyPair("EC", in: scene.workplace).privatePEM, to: "key.pem")
      // `auto` continues with the secret, so that the table has a token at the start.
      return scene.table("ill", ["client_auth": "\"auto\"", "private_key_file": "\"\(directory)/key.pem\""])
    case .authorities:
      try copy(authorities, to: "ca.pem")
      return scene.table("ill", ["ca_file": "\"\(directory)/ca.pem\""])
    case .certificate:
      let pair = try scene.sandbox.issueClientCertificate(name: "river gauge")
      try copy(pair.certificatePEM, to: "certificate.pem")
      try copy(pair.keyPEM, to: "certificate-key.pem")
      return scene.table(
        "ill",
        [
          "client_certificate_file": "\"\(directory)/certificate.pem\"",
          "client_key_file": "\"\(directory)/certificate-key.pem\"",
        ])
    case .signal:
      try copy("999999999\n", to: "pid")
      return scene.table("ill", ["signal": "{ pid_file = \"\(directory)/pid\" }"])
    case .output:
      return scene.table("ill", ["file": "\"\(directory)/ill.token\""])
    case .introspection:
      return scene.table("ill", ["verify": "\"introspection\""])
    case .discovery, .token, .jwks:
      return scene.table("ill")
    }
  }

  private func well(_ scene: Scene, _ other: Sandbox) -> String {
    scene.secrets.withLock { _ = $0.insert(other.clientSecret) }
    let authorities = scene.workplace.path + "/other-ca.pem"
    try? other.writeCA(to: authorities)
    return scene.table(
      "well",
      [
        "issuer": "\"\(other.issuer)\"", "client_id": "\"\(other.clientID)\"",
        "client_secret": "\"\(other.clientSecret)\"", "ca_file": "\"\(authorities)\"",
      ])
  }
}

extension FaultyDisk.Fault {
  /// The like of it at a server.
  fileprivate var atServer: Fault.Kind {
    switch self {
    case .hang: .hang
    case .break: .reset
    case .flood: .endless
    }
  }
}
