import Base
import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// One row of the fault matrix: a daemon, a reader, and a hardship that comes at one moment and passes.
struct Trial {
  /// When the hardship comes.
  enum Moment: String, Sendable, CaseIterable {
    /// Before the first token.
    case start
    /// When a token is refreshed; it passes before that token ends.
    case refresh
    /// When a token is refreshed; it passes only after that token has ended.
    case end
  }

  let hardship: Hardship
  let moment: Moment
  let scene: Scene
  private let names: PrivateNames?
  private let impostor: Sandbox?
  private let proxy: Proxy?
  private var secretFile: String { scene.workplace.path + "/secret" }

  static func run(_ hardship: Hardship, at moment: Moment) async throws {
    let lifetime: Int64 = moment == .end ? 6 : hardship.code == .timeout ? 24 : 14
    try await withScene(lifetime: lifetime, options: { if hardship.needsNames { $0.host = PrivateNames.host } }) {
      let trial = try await Trial(hardship, at: moment, on: $0)
      do {
        try await trial.run()
      } catch {
        await trial.impostor?.stop()
        throw error
      }
      await trial.impostor?.stop()
    }
  }

  private init(_ hardship: Hardship, at moment: Moment, on scene: Scene) async throws {
    self.hardship = hardship
    self.moment = moment
    self.scene = scene
    names = hardship.needsNames ? try PrivateNames(in: scene.workplace) : nil
    impostor = try await Self.impostor(for: hardship, port: scene.sandbox.port)
    if let impostor {
      // Both authorities are trusted, so that nothing but the certificate's own fault is found.
      try scene.workplace.write(scene.sandbox.caPEM + impostor.caPEM, to: scene.workplace.caFile)
    }
    try names?.lead(to: "127.0.0.1")
    // Short where it is what is tried. Else a host that is busy for a moment must not look like a server that is slow.
    let timeout = hardship.code == .timeout ? "\"2s\"" : "\"30s\""
    switch hardship.means {
    case .proxyGone, .proxyRefuses:
      let proxy = try await Proxy.start(in: scene)
      self.proxy = proxy
      try scene.configure(scene.table("konexus", ["timeout": timeout, "proxy": "\"\(proxy.url)\""]))
    case .noSecretFile:
      proxy = nil
      try scene.workplace.write(scene.sandbox.clientSecret, to: secretFile)
      try scene.configure(
        scene.table(
          "konexus", ["timeout": timeout, "client_secret": "", "client_secret_file": "\"\(secretFile)\""]))
    default:
      proxy = nil
      try scene.configure(scene.table("konexus", ["timeout": timeout]))
    }
  }

  /// The server that the name comes to lead to: another address, the same port.
  private static func impostor(for hardship: Hardship, port: Int) async throws -> Sandbox? {
    var options = SandboxOptions()
    options.algorithm = .es256
    options.host = PrivateNames.host
    options.address = "127.0.0.2"
    options.port = port
    switch hardship.means {
    case .certificate(let certificate): options.certificate = certificate
    case .tls(let version): options.maximumTLSVersion = version
    default: return nil
    }
    return try await Sandbox.start(options)
  }

  // MARK: The hardship

  private func strike() async throws {
    switch hardship.means {
    case .faults(let faults): for fault in faults { scene.sandbox.inject(fault) }
    case .down: await scene.sandbox.down()
    case .noName: try names?.lead(to: nil)
    case .certificate, .tls: try names?.lead(to: "127.0.0.2")
    case .proxyGone: proxy?.stop()
    case .proxyRefuses(let status): try proxy?.answer(status)
    case .caFile(let text): try scene.workplace.write(text, to: scene.workplace.caFile)
    case .noSecretFile: unlink(secretFile)
    }
  }

  private func relieve() async throws {
    switch hardship.means {
    case .faults: scene.sandbox.clearFaults()
    case .down: try await scene.sandbox.up()
    case .noName, .certificate, .tls: try names?.lead(to: "127.0.0.1")
    case .proxyGone: try await proxy?.startAgain()
    case .proxyRefuses: try proxy?.answer(200)
    case .caFile: try scene.sandbox.writeCA(to: scene.workplace.caFile)
    case .noSecretFile: try scene.workplace.write(scene.sandbox.clientSecret, to: secretFile)
    }
  }

  // MARK: The row

  private func run() async throws {
    let reader = try await scene.startReader()
    if moment == .start { try await strike() }
    var daemon = try scene.startDaemon(wrapper: names?.wrapper ?? [])
    var before: String?
    if moment != .start {
      try await scene.ready()
      if hardship.needsRestart { daemon = try await restart(daemon) }
      before = scene.token()
      try await strike()
    }
    let attempts = daemon.status?.tokens.first?.requests ?? 0
    try await scene.wait(for: "a failure") { daemon.status?.tokens.first?.failure != nil }
    let struck = Clock.monotonic
    let failure = try #require(daemon.status?.tokens.first?.failure)
    #expect(failure.code == hardship.code.rawValue, "\(failure.message)")
    #expect(failure.kind == hardship.code.kind)
    switch moment {
    case .start:
      try await scene.pass(2.5)
      #expect(scene.token() == nil)
      #expect(scene.notify.readyAt == nil)
      let status = try #require(scene.notify.status)
      #expect(status.contains("konexus: NO TOKEN") && status.contains(failure.remedy), "\(status)")
    case .refresh:
      #expect(scene.token() == before && before != nil, "the good token stays while it lives")
      // The datagram was sent before the status file was written, but its recorder may not have had its turn yet.
      // The status has a remedy at once if a person must act. A transient failure has none while the token is valid.
      try await scene.wait(for: "word of it") {
        scene.notify.status.map {
          $0.contains("konexus: token valid for") && $0.contains("refresh fails since")
            && $0.contains(failure.remedy) == (failure.kind == .refused)
        } ?? false
      }
    case .end:
      try await scene.wait(for: "the end of the token") { scene.token() == nil }
      try await scene.wait(for: "the reader's look") { reader.readings.last.map { !$0.isToken } ?? false }
      try await scene.wait(for: "word of it, and of what to do") {
        scene.notify.status.map { $0.contains("konexus: NO TOKEN") && $0.contains(failure.remedy) } ?? false
      }
      #expect(daemon.log(with: "critical", "the token expired").count == 1, "\(daemon.log)")
    }
    checkPace(since: struck, attempts: (daemon.status?.tokens.first?.requests ?? 0) - attempts)
    try await relieve()
    try await recover(daemon, from: before)
    // There is one log line when the failure began, and one when it ended.
    #expect(daemon.log(with: "refresh failed: ", "failure=").count == 1, "\(daemon.log)")
    #expect(daemon.log(with: "got a token again").count == 1, "\(daemon.log)")
    let told = daemon.log(with: "refresh failed: ", "failure=\(hardship.code.rawValue)")
    #expect(told.allSatisfy { $0.contains(hardship.code.kind == .refused ? " error " : " warning ") }, "\(told)")
    // The reader reads fifty times a second. It must have read once more before it is judged.
    let last = scene.token()
    try await scene.wait(for: "the reader's look") { reader.readings.last?.text == last }
    checkReader(reader.finish())
    #expect(daemon.process.ending == nil)
  }

  /// A daemon that takes over the token, and with it documents that are not fresh: the next refresh reads them again.
  private func restart(_ daemon: DaemonProcess) async throws -> DaemonProcess {
    daemon.signal(SIGKILL)
    _ = try await scene.ending(of: daemon)
    let next = try scene.startDaemon()
    try await scene.wait(for: "the token's adoption") { !next.log(with: "reusing the token").isEmpty }
    return next
  }

  /// Runs a hardship that neither a reader nor an operator must notice, though it outlasts the lifetime of a token.
  static func runUnnoticed(_ hardship: Hardship) async throws {
    try await withScene(lifetime: hardship.code == .timeout ? 16 : 10) { scene in
      let trial = try await Trial(hardship, at: .refresh, on: scene)
      let reader = try await scene.startReader()
      let first = try scene.startDaemon()
      try await scene.ready()
      let daemon = try await trial.restart(first)
      try await trial.strike()
      scene.sandbox.resetCounts()
      try await scene.wait(for: "three refreshes") { reader.report().tokens >= 4 }
      #expect(scene.sandbox.counts[.discovery] + scene.sandbox.counts[.jwks] > 0, "nothing was tried")
      #expect(daemon.log(with: "refresh failed: ").isEmpty, "\(daemon.log)")
      #expect(daemon.status?.tokens.first?.lastFailure == nil)
      let report = reader.finish()
      #expect(report.refused.isEmpty && report.empty == 0 && report.gaps.isEmpty, "\(report)\n\(scene.story)")
    }
  }

  /// After a rejection, the administrator corrects the cause and sends a signal to the daemon. Other failures end by
  /// themselves.
  private func recover(_ daemon: DaemonProcess, from before: String?) async throws {
    let isPatient = hardship.code.kind == .refused || (hardship.asksForAges && moment != .refresh)
    try await scene.wait(for: "recovery") {
      if isPatient, daemon.status?.tokens.first?.failure != nil { daemon.signal(SIGUSR1) }
      guard let token = scene.token() else { return false }
      return token != before && daemon.status?.tokens.first?.failure == nil
    }
    try await scene.ready()
    #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
  }

  private func checkPace(since struck: Double, attempts: Int) {
    let elapsed = Clock.monotonic - struck
    if hardship.code.kind == .refused {
      // The next attempt comes after a minute. With a token in the file, it comes after half of the remaining lifetime,
      // but not within five seconds.
      let most = moment == .start ? 1 : Int(elapsed / 4.5) + 1
      #expect(attempts <= most, "\(attempts) attempts in \(elapsed) s")
    } else {
      #expect(Double(attempts) <= elapsed / 0.25 + 2, "\(attempts) attempts in \(elapsed) s")
    }
    let times = scene.sandbox.requests.filter { $0.endpoint == .token && $0.status != 200 }.map(\.time)
    if let asked = hardship.retryAfter, moment == .start {
      for (one, next) in zip(times, times.dropFirst()) { #expect(next - one >= asked, "Retry-After is honoured") }
    }
    // Made-up kids and signatures make no storm of key reloads; no attempt asks more than once.
    #expect(scene.sandbox.counts[.jwks] <= 5)
    #expect(scene.sandbox.counts[.discovery] <= attempts + 6)
    #expect(scene.sandbox.counts[.other] == 0, "a redirect is not followed")
  }

  private func checkReader(_ report: TokenReader.Report) {
    #expect(report.refused.isEmpty && report.empty == 0, "\(report)")
    #expect(report.gaps.count == (moment == .end ? 1 : 0), "\(report) \(report.gaps)\n\(scene.story)")
    #expect(report.tokens == (moment == .start ? 1 : 2), "\(report)")
  }
}
