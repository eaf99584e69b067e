import Base
import Broker
import FoundationEssentials
import Glibc
import KonexusSandbox
import Testing

/// `make soak DURATION=60`: tokens with a lifetime of seconds, and random faults for as long as requested.
///
/// The faults are failures of the server, key rotations, outages, kill -9 and reloads. Each is shorter than the
/// remaining lifetime of a token at its refresh. So a reader must never lack a token or find one that the API rejects.
///
/// In the second half no process ends, and the daemon's memory must not grow.
/// The test prints its seed; `SOAK_SEED=` replays the order of the faults.
@Suite("Soak", .enabled(if: soakSeconds > 0, "runs by make soak"))
struct SoakTests {
  private static let faults: [Fault.Kind] = [
    .status(500), .status(503), .retryAfter(status: 429, .seconds(1)), .html, .empty, .torn, .halfBody, .reset, .close,
    .oauthError("server_error"), .signature(.corrupted), .signature(.unknownKey), .expiredToken,
    .setMembers(["expires_in": 0]), .huge(mebibytes: 3), .delay(seconds: 0.3),
  ]

  @Test("readers are never refused, whatever happens")
  func soak() async throws {
    let seed = number("SOAK_SEED").map { UInt64($0) } ?? UInt64.random(in: 1...999_999)
    var random = SplitMix64(seed: seed)
    try await withScene(lifetime: 12) { scene in
      try scene.configure()
      var daemon = try scene.startDaemon()
      try await scene.ready()
      let reader = try await scene.startReader()
      let begin = Self.footprint(of: daemon)
      var incidents: [String: Int] = [:]
      // The least memory of one process within some seconds, after the warm-up and at the end. The minimum omits memory
      // that is only in use for a moment.
      var (warmMemory, lastMemory) = (Int.max, Int.max)
      let start = Clock.monotonic
      let end = start + soakSeconds
      while Clock.monotonic < end {
        let incident: String
        let progress = (Clock.monotonic - start) / soakSeconds
        let draw = Int.random(in: 0..<12, using: &random)
        switch progress > 0.5 ? max(draw, 2) : draw {
        case 0:
          incident = "kill -9"
          daemon.signal(SIGKILL)
          _ = try await scene.ending(of: daemon)
          daemon = try await Self.start(scene)
        case 1:
          incident = "restart"
          daemon.signal(SIGTERM)
          _ = try await scene.ending(of: daemon)
          daemon = try await Self.start(scene)
        case 2:
          incident = "reload"
          daemon.signal(SIGHUP)
        case 3:
          incident = "refresh"
          daemon.signal(SIGUSR1)
        case 4:
          incident = "outage"
          await scene.sandbox.down()
          try await scene.pass(Double.random(in: 0.2...1.5, using: &random))
          try await scene.sandbox.up()
        case 5:
          // The API still accepts tokens of the old key. So if it rejects a token now, the daemon is at fault.
          incident = "key rotation"
          try await scene.sandbox.rotateKeys()
        case 6:
          incident = "file deleted"
          unlink(scene.workplace.tokenFile())
        default:
          let kind = Self.faults[Int.random(in: 0..<Self.faults.count, using: &random)]
          incident = "fault"
          scene.sandbox.inject(kind, at: [.token], requests: 1)
        }
        incidents[incident, default: 0] += 1
        try await scene.pass(Double.random(in: 0.1...2.5, using: &random))
        switch progress {
        case 0.6..<0.75: warmMemory = min(warmMemory, Self.footprint(of: daemon).kibibytes)
        case 0.85...: lastMemory = min(lastMemory, Self.footprint(of: daemon).kibibytes)
        default: break
        }
      }
      scene.sandbox.clearFaults()
      let report = reader.finish()
      // A daemon that has just started has fewer descriptors than one that has run for some time.
      // The descriptors of its last request count too.
      let after = Self.footprint(of: daemon)
      let counts = scene.sandbox.counts
      print(
        """
        soak: \(Int(soakSeconds)) s, seed \(seed)
          reads \(report.reads), accepted \(report.accepted), refused \(report.refused.values.reduce(0, +)), \
        empty \(report.empty), \(report.tokens) different tokens
          without a file: \(report.gaps.count) times, of which deleted by us \(incidents["file deleted"] ?? 0); \
        longest \(report.gaps.map { Int(($0.upperBound - $0.lowerBound) * 1000) }.max() ?? 0) ms
          requests: token \(counts[.token]), discovery \(counts[.discovery]), keys \(counts[.jwks])
          memory \(warmMemory) KiB -> \(lastMemory) KiB, open descriptors \(begin.descriptors) -> \(after.descriptors)
          incidents: \(incidents.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
        """)
      #expect(report.refused.isEmpty && report.empty == 0, "seed \(seed): \(report)")
      #expect(report.gaps.count <= incidents["file deleted"] ?? 0, "seed \(seed): \(report.gaps)\n\(scene.story)")
      #expect(report.accepted + Self.absent(reader) == report.reads)
      #expect(Double(lastMemory) < 1.25 * Double(warmMemory), "seed \(seed)")
      #expect(after.descriptors <= begin.descriptors + 8, "seed \(seed)")
      #expect(daemon.process.ending == nil)
    }
  }

  private static func absent(_ reader: TokenReader) -> Int {
    reader.readings.filter { !$0.isToken }.reduce(0) { $0 + $1.count }
  }

  /// Memory of its own, without the files that it maps, and open descriptors.
  private static func footprint(of daemon: DaemonProcess) -> (kibibytes: Int, descriptors: Int) {
    let status = Workplace.read("/proc/\(daemon.process.pid)/status") ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
    let kibibytes = line.flatMap { $0.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } }
    let descriptors = (try? Scene.files(in: "/proc/\(daemon.process.pid)/fd"))?.count
    return (kibibytes ?? 0, descriptors ?? 0)
  }

  /// A daemon that catches signals: one that comes sooner ends the process.
  private static func start(_ scene: Scene) async throws -> DaemonProcess {
    let daemon = try scene.startDaemon()
    try await scene.wait(for: "the start") { !daemon.log(with: "keeps 1 token(s)").isEmpty }
    return daemon
  }
}

/// How long the soak lasts.
private let soakSeconds = number("SOAK_SECONDS") ?? 0

private func number(_ name: String) -> Double? {
  getenv(name).flatMap { Double(String(cString: $0)) }
}
