import Dispatch
import Glibc
import KonexusSandbox
import Testing

/// Units that wait for their credential while the daemon ends in different ways. They get an error or a token. They
/// never get anything else that systemd accepts as a credential.
@Suite("Credential socket", .inTurn, .enabled(if: geteuid() == 0, "needs root, as whom systemd connects"))
struct CredentialSocketTests {
  /// A unit's start as systemd does it. Its address names the unit. It sends nothing and reads everything.
  private final class Unit: Sendable {
    enum Outcome: Equatable {
      /// The credential with which systemd would start the unit.
      case credential(String)
      /// Its start fails because of an error when it reads, or because of more than 1 MiB.
      case failed(Int32)
    }

    let descriptor: Int32

    init(_ number: Int, _ credential: String = "konexus.token", at path: String) throws {
      descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      // A fault must not hang the test.
      var patience = timeval(tv_sec: 60, tv_usec: 0)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
      let random = String(UInt64.random(in: .min ... .max), radix: 16)
      let own = [0] + Array("\(random)/unit/waits@\(number).service/\(credential)".utf8)
      let isConnected =
        Self.withAddress(own) { bind(descriptor, $0, $1) } == 0
        && Self.withAddress(Array(path.utf8) + [0]) { connect(descriptor, $0, $1) } == 0
        && shutdown(descriptor, Int32(SHUT_WR)) == 0
      try #require(isConnected, "\(path): \(String(cString: strerror(errno)))")
    }

    deinit { close(descriptor) }

    /// Reads to the end.
    func read() -> Outcome {
      var content: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 64 << 10)
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EINTR { continue }
        if count < 0 { return .failed(errno) }
        if count == 0 { return .credential(String(decoding: content, as: UTF8.self)) }
        content += buffer[..<count]
        if content.count > 1 << 20 { return .failed(E2BIG) }
      }
    }

    /// The same beside the test.
    func reading() -> Task<Outcome, Never> {
      Task {
        await withCheckedContinuation { continuation in
          DispatchQueue.global().async { continuation.resume(returning: self.read()) }
        }
      }
    }

    /// Whether there is something to read, if only the end.
    var isAnswered: Bool {
      var end = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      return poll(&end, 1, 0) > 0
    }

    private static func withAddress<R>(_ name: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.prefix($0.count)) }
      let length = socklen_t((MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + name.count)
      return withUnsafePointer(to: address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
      }
    }
  }

  /// A daemon with a socket and these tables, each with `allow_units` for all units here.
  private func start(
    _ tables: [(String, KeyValuePairs<String, String>)], in scene: Scene, wrapper: [String] = []
  ) async throws -> (DaemonProcess, socket: String) {
    let socket = scene.workplace.runtimeDirectory + "/credentials.sock"
    let texts = tables.map { name, settings in
      scene.table(name, settings) + "allow_units = [\"waits@*.service\"]\n"
    }
    try scene.configure("[daemon]\ncredential_socket = \"\(socket)\"\n" + texts.joined())
    let daemon = try scene.startDaemon(wrapper: wrapper)
    try await scene.wait(for: "the socket") { !daemon.log(with: "token(s) fresh").isEmpty }
    return (daemon, socket)
  }

  /// Sends a signal; returns how long the daemon took to end.
  private func end(_ daemon: DaemonProcess, by signal: Int32, in scene: Scene) async throws -> Double {
    let start = Clock.monotonic
    daemon.signal(signal)
    _ = try await scene.ending(of: daemon)
    return Clock.monotonic - start
  }

  /// Runs `trial` up to three times, until the daemon ends within a second.
  ///
  /// A busy machine can take a second once. A daemon that waits for its units is slow each time.
  ///
  /// - Parameter trial: returns how long the daemon took to end.
  private func expectEndWithinASecond(
    lifetime: Int64 = 3600, _ trial: (Scene) async throws -> Double
  ) async throws {
    var durations: [Double] = []
    repeat {
      try await withScene(lifetime: lifetime) { durations.append(try await trial($0)) }
    } while durations.allSatisfy { $0 >= 1 } && durations.count < 3
    #expect(durations.contains { $0 < 1 }, "\(durations)")
  }

  /// A table whose server is not there.
  private static let away: KeyValuePairs<String, String> = ["issuer": "\"https://localhost:1\""]

  @Test(
    "however many units wait without reading, a stop ends within a second, and each of them gets an error",
    arguments: [1, 20, 64, 200], [SIGTERM, SIGKILL])
  func waiting(_ count: Int, _ signal: Int32) async throws {
    try await expectEndWithinASecond { scene in
      let (daemon, socket) = try await start([("konexus", Self.away)], in: scene)
      let units = try (0..<count).map { try Unit($0, at: socket) }
      try await scene.wait(for: "the first failure") { daemon.status?.tokens.first?.failure != nil }
      try await scene.pass(0.5)
      #expect(units.allSatisfy { !$0.isAnswered })
      let duration = try await end(daemon, by: signal, in: scene)
      for unit in units { #expect(unit.read() == .failed(ECONNRESET)) }
      return duration
    }
  }

  @Test("a unit that wants a token which is there does not wait for one that wants another")
  func inLine() async throws {
    try await expectEndWithinASecond { scene in
      let (daemon, socket) = try await start([("konexus", [:]), ("other", Self.away)], in: scene)
      try await scene.wait(for: "the token") { scene.token() != nil }
      let waiting = try (0..<20).map { try Unit($0, "other.token", at: socket) }
      try await scene.pass(0.3)
      let served = try Unit(20, at: socket)
      #expect(served.read() == .credential(try #require(scene.token())))
      // A credential that does not exist is refused nevertheless.
      #expect(try Unit(21, "none.token", at: socket).read() == .failed(E2BIG))
      // The earlier ones are accepted by now. One of them reads, as systemd does. The others delay nothing.
      let reading = waiting[0].reading()
      try await scene.pass(0.3)
      #expect(waiting.allSatisfy { !$0.isAnswered })
      let duration = try await end(daemon, by: SIGTERM, in: scene)
      #expect(await reading.value == .failed(E2BIG))
      return duration
    }
  }

  @Test("where the kernel does not tell who waits, a stop ends within a second too, and who reads gets an error")
  func withoutNetlink() async throws {
    try await expectEndWithinASecond { scene in
      // In a network of its own the daemon cannot see the sockets of others.
      let (daemon, socket) = try await start([("konexus", Self.away)], in: scene, wrapper: ["unshare", "--net"])
      let units = try (0..<64).map { try Unit($0, at: socket) }
      let reading = units[..<4].map { $0.reading() }
      try await scene.pass(0.5)
      #expect(units.allSatisfy { !$0.isAnswered })
      let duration = try await end(daemon, by: SIGTERM, in: scene)
      for unit in reading { #expect(await unit.value == .failed(E2BIG)) }
      return duration
    }
  }

  @Test("at a stop, a token that is good for less than min_validity is better than none")
  func shortToken() async throws {
    try await expectEndWithinASecond(lifetime: 120) { scene in
      let (daemon, socket) = try await start(
        [("konexus", [:]), ("short", ["min_validity": "\"119s\""])], in: scene)
      try await scene.settled()
      // It is refreshed for the one that asks, in vain; the other brings it out of the kernel's queue.
      scene.sandbox.inject(.status(503), at: [.token])
      let unit = try Unit(0, "short.token", at: socket)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.contains { $0.failure != nil } ?? false }
      #expect(try Unit(1, at: socket).read() == .credential(try #require(scene.token())))
      #expect(!unit.isAnswered)
      let duration = try await end(daemon, by: SIGTERM, in: scene)
      #expect(unit.read() == .credential(try #require(scene.token("short"))))
      return duration
    }
  }

  @Test("units that wait get the token when it comes, and one that gave up meanwhile is no fault")
  func tokenComes() async throws {
    try await withScene { scene in
      scene.sandbox.inject(.status(503), at: [.token])
      let (daemon, socket) = try await start([("konexus", [:])], in: scene)
      var units = try (0..<100).map { try Unit($0, at: socket) }
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      units.removeFirst(3)
      scene.sandbox.clearFaults()
      try await scene.wait(for: "the token") { scene.token() != nil }
      let token = try #require(scene.token())
      for unit in units { #expect(unit.read() == .credential(token)) }
      #expect(daemon.log(with: "the credential socket is for systemd").isEmpty, "\(daemon.log)")
    }
  }

  @Test("a refusal that is read late is not cut short: it would be a credential")
  func lateReader() async throws {
    try await withScene { scene in
      let (_, socket) = try await start([("konexus", [:])], in: scene)
      let unit = try Unit(0, "none.token", at: socket)
      try await scene.pass(12)
      #expect(unit.read() == .failed(E2BIG))
    }
  }
}
