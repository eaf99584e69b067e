import CLinux
import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Base
@testable import Broker
@testable import Engine
@testable import Files

/// The socket at which applications report rejected tokens, with applications of every kind.
@Suite struct RejectionSocketTests {
  private static let digest = String(repeating: "0123456789abcdef", count: 4)

  // MARK: Requests

  @Test(
    "a line gets the handler's answer, and the connection ends",
    arguments: [.newer, .requested, .limited(seconds: 4), .rejected(seconds: 60, code: "invalid-client"), .unknown]
      as [RejectionReply])
  func answers(_ reply: RejectionReply) throws {
    let listener = try RejectionListener { _ in reply }
    #expect(try RejectionCaller.ask("refresh konexus\n", at: listener.path) == reply.line + "\n")
    #expect(
      try RejectionCaller.ask("rejected konexus sha256 \(Self.digest)\n", at: listener.path) == reply.line + "\n")
    let digest = try #require(TokenDigest(hex: Self.digest))
    #expect(listener.requests == [.refresh(name: "konexus"), .rejected(name: "konexus", digest: digest)])
    #expect(listener.openConnections == 0)
  }

  @Test func passesOnTheProcessAndUserFromTheKernel() throws {
    let listener = try RejectionListener()
    _ = try RejectionCaller.ask("refresh konexus\n", at: listener.path)
    #expect(listener.peers == [RejectionPeer(process: getpid(), userID: geteuid())])
    #expect(listener.peers.first?.process == getpid() && listener.peers.first?.userID == geteuid())
  }

  @Test func doesNotPassOnAUserOrProcessThatIsNotMapped() {
    let peer = RejectionPeer(process: 0, userID: 65_534)
    #expect(peer.process == nil && peer.userID == nil)
    #expect(RejectionPeer(process: 1, userID: 0).userID == 0)
  }

  @Test func readsALineThatComesByteByByte() throws {
    let listener = try RejectionListener()
    let caller = try RejectionCaller(at: listener.path)
    for byte in "rejected konexus sha256 \(Self.digest)".utf8 {
      caller.send([byte])
      // The daemon has read what there is.
      _ = listener.openConnections
    }
    #expect(listener.requests.isEmpty)
    caller.send([UInt8(ascii: "\n")])
    #expect(caller.answer() == "requested\n")
    #expect(listener.requests.count == 1)
  }

  @Test func answersTheFirstLineOnly() throws {
    let listener = try RejectionListener()
    #expect(try RejectionCaller.ask("refresh one\nrefresh two\n", at: listener.path) == "requested\n")
    let caller = try RejectionCaller(at: listener.path)
    caller.send(Array("refresh three\n".utf8) + Array(repeating: 0, count: 100_000))
    #expect(caller.answer() == "requested\n")
    #expect(listener.requests == [.refresh(name: "one"), .refresh(name: "three")])
  }

  @Test(
    "what is no request gets an error, and the handler does not see it",
    arguments: [
      "", " ", "refresh", "refresh ", "refresh  konexus", " refresh konexus", "refresh konexus ", "REFRESH konexus",
      "refresh\tkonexus", "refresh konexus\r", "refresh a b", "refresh k\u{f6}nexus", "refresh konexus\0",
      "rejected konexus", "rejected konexus \(digest)", "rejected konexus sha256", "rejected konexus sha256 ",
      "rejected konexus md5 \(digest)", "rejected konexus sha256 \(digest)0", "rejected konexus sha256 \(digest) ",
      "rejected konexus sha256 g\(digest.dropFirst())", "rejected  sha256 \(digest)", "GET / HTTP/1.1\r",
    ])
  func rejectsOtherLines(_ line: String) throws {
    let listener = try RejectionListener()
    let answer = try RejectionCaller.ask(line + "\n", at: listener.path)
    #expect(answer?.hasPrefix("error not a request: ") == true, "\(answer ?? "no end")")
    #expect(listener.requests.isEmpty)
  }

  @Test func takesLinesOf256BytesAndNoLongerOnes() throws {
    let listener = try RejectionListener()
    let name = String(repeating: "n", count: 256 - "refresh \n".utf8.count)
    #expect(try RejectionCaller.ask("refresh \(name)\n", at: listener.path) == "requested\n")
    for rest in ["", "\n", String(repeating: "n", count: 1 << 20)] {
      #expect(try RejectionCaller.ask("refresh \(name)n\(rest)", at: listener.path) == "error the line is too long\n")
    }
    #expect(listener.requests == [.refresh(name: name)])
  }

  @Test func cutsAnAnswerThatIsTooLong() throws {
    let listener = try RejectionListener { _ in .error(String(repeating: "x", count: 1 << 20)) }
    let answer = try #require(try RejectionCaller.ask("refresh konexus\n", at: listener.path))
    #expect(answer.utf8.count == RejectionReply.longest && answer.hasSuffix("x\n"))
  }

  @Test func survivesBinaryGarbage() throws {
    let listener = try RejectionListener()
    var random = SplitMix64(seed: 11)
    let good = Array("rejected konexus sha256 \(Self.digest)\n".utf8)
    for _ in 0..<3000 {
      var line = good
      if Bool.random(using: &random) {
        line = (0..<Int.random(in: 0...400, using: &random)).map { _ in .random(in: .min ... .max, using: &random) }
      }
      for _ in 0..<Int.random(in: 1...4, using: &random) where !line.isEmpty {
        line[Int.random(in: 0..<line.count, using: &random)] = .random(in: .min ... .max, using: &random)
      }
      let caller = try RejectionCaller(at: listener.path)
      caller.send(line)
      shutdown(caller.descriptor, Int32(SHUT_WR))
      let answer = try #require(caller.answer(), "the connection does not end")
      #expect(["", "requested\n", "error the line is too long\n"].contains(answer) || answer.hasPrefix("error not a "))
    }
    for request in listener.requests {
      let name =
        switch request {
        case .refresh(let name): name
        case .rejected(let name, _): name
        }
      #expect(!name.isEmpty && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f })
    }
    #expect(listener.openConnections == 0)
  }

  // MARK: Peers that do not behave

  @Test func endsAConnectionWithoutALineAfterASecond() throws {
    let listener = try RejectionListener()
    for start in ["", "refresh konexus"] {
      let began = Moment.now().monotonic
      let caller = try RejectionCaller(at: listener.path)
      caller.send(start.utf8)
      #expect(caller.answer() == "error no line within 1 s\n")
      let lasted = Moment.now().monotonic - began
      #expect(lasted >= .milliseconds(990) && lasted < .seconds(10), "\(lasted)")
    }
    #expect(listener.openConnections == 0 && listener.requests.isEmpty)
  }

  @Test func aPeerThatSendsABytePerMomentHasASecondToo() async throws {
    let listener = try RejectionListener()
    let began = Moment.now().monotonic
    let caller = try RejectionCaller(at: listener.path)
    let isOver = Mutex(false)
    let dripping = Task {
      while !isOver.withLock({ $0 }) {
        caller.send([UInt8(ascii: "n")])
        try await Task.sleep(for: .milliseconds(20))
      }
    }
    #expect(caller.answer() == "error no line within 1 s\n")
    #expect(Moment.now().monotonic - began < .seconds(10))
    isOver.withLock { $0 = true }
    try await dripping.value
  }

  @Test func peersThatLeaveCostNothing() async throws {
    let listener = try RejectionListener()
    for number in 0..<500 {
      let caller = try RejectionCaller(at: listener.path)
      if number % 3 == 1 { caller.send("refre".utf8) }
      if number % 3 == 2 { caller.send("refresh konexus\n".utf8) }
    }
    try await listener.settle()
    #expect(try RejectionCaller.ask("refresh konexus\n", at: listener.path) == "requested\n")
    #expect(listener.openConnections == 0)
  }

  @Test func aReportDoesNotWaitBehindIdleConnections() throws {
    let listener = try RejectionListener()
    let idle = try (0..<500).map { _ in try RejectionCaller(at: listener.path) }
    let began = Moment.now().monotonic
    #expect(try RejectionCaller.ask("refresh konexus\n", at: listener.path) == "requested\n")
    #expect(Moment.now().monotonic - began < .seconds(1))
    #expect(listener.openConnections <= RejectionSocket.maximumConnections)
    for caller in idle { #expect(caller.answer() == "error no line within 1 s\n") }
    #expect(listener.openConnections == 0 && listener.requests == [.refresh(name: "konexus")])
  }

  @Test func atMost64ConnectionsAreOpenAndAFurtherOneEndsTheOldest() throws {
    let listener = try RejectionListener()
    let began = Moment.now().monotonic
    let silent = try (0..<200).map { _ in try RejectionCaller(at: listener.path) }
    let next = try RejectionCaller(at: listener.path)
    next.send("refresh konexus\n".utf8)
    #expect(next.answer() == "requested\n")
    // All of them were accepted before. The last ones still have their second.
    #expect(listener.openConnections == RejectionSocket.maximumConnections)
    for caller in silent.dropLast(RejectionSocket.maximumConnections) {
      #expect(caller.answer() == "error no line within 1 s\n")
    }
    #expect(Moment.now().monotonic - began < .seconds(1))
    for caller in silent.suffix(RejectionSocket.maximumConnections) {
      #expect(caller.answer() == "error no line within 1 s\n")
      #expect(Moment.now().monotonic - began >= .milliseconds(990))
    }
    #expect(listener.openConnections == 0)
  }

  @Test func theOldestConnectionIsAnsweredIfItsLineHasArrived() throws {
    let listener = try RejectionListener()
    let oldest = try RejectionCaller(at: listener.path)
    for _ in 0..<5000 where listener.openConnections == 0 { usleep(1000) }
    let start = DispatchSemaphore(value: 0)
    listener.queue.async { start.wait() }
    // The connections arrive before the line.
    let others = try (0..<200).map { _ in try RejectionCaller(at: listener.path) }
    oldest.send("refresh konexus\n".utf8)
    start.signal()
    #expect(oldest.answer() == "requested\n")
    for caller in others { #expect(caller.answer() == "error no line within 1 s\n") }
  }

  @Test func floodsOfIdleConnectionsTakeFewDescriptors() async {
    // Descriptors are those of a process: therefore in a process of its own.
    await #expect(processExitsWith: .success) {
      func descriptors() -> Int { (0..<1024).count { fcntl($0, F_GETFD) >= 0 } }
      let listener = try RejectionListener()
      // Dispatch opens descriptors of its own for its first timer.
      #expect(try RejectionCaller(at: listener.path).answer() == "error no line within 1 s\n")
      try await listener.settle()
      let before = descriptors()
      var idle: [RejectionCaller] = []
      var most = 0
      for _ in 0..<500 {
        idle.append(try RejectionCaller(at: listener.path))
        if idle.count % 20 == 0 { most = max(most, descriptors() - before - idle.count) }
      }
      // Some have ended, and are closed a moment later.
      #expect(most <= RejectionSocket.maximumConnections + RejectionSocket.batch, "\(most)")
      #expect(most >= RejectionSocket.maximumConnections - 1, "\(most)")
      try await listener.settle()
    }
  }

  @Test func otherWorkInTheQueueComesAfterAFewConnections() throws {
    let listener = try RejectionListener()
    let before = Mutex<[Int]>([])
    let start = DispatchSemaphore(value: 0)
    listener.queue.async { start.wait() }
    let callers = try (0..<400).map { _ in
      let caller = try RejectionCaller(at: listener.path)
      caller.send("refresh konexus\n".utf8)
      return caller
    }
    let end = DispatchSemaphore(value: 0)
    // Each block comes into the queue when the previous one has run.
    @Sendable func look() {
      let count = listener.requests.count
      before.withLock { if $0.last != count { $0.append(count) } }
      guard count < callers.count else {
        end.signal()
        return
      }
      listener.queue.async { look() }
    }
    listener.queue.async { look() }
    start.signal()
    #expect(end.wait(timeout: .now() + 30) == .success)
    let counts = before.withLock { $0 }
    for (one, next) in zip([0] + counts, counts) { #expect(next - one <= 16, "\(counts)") }
    for caller in callers { #expect(caller.answer() == "requested\n") }
    #expect(listener.requests.count == 400)
  }

  @Test func tenThousandConnectionsCostNoMemory() async {
    // Memory and descriptors are those of a process: therefore in a process of its own.
    await #expect(processExitsWith: .success) {
      let reports = Mutex((reports: RejectionReports(), requests: 0))
      let held = TokenDigest(bytes: Array(repeating: 7, count: 32))
      let listener = try RejectionListener(in: ConfigurationDirectory()) { _ in
        reports.withLock { state in
          let verdict = state.reports.handle(held, held: held, at: Moment.now().boot)
          if verdict == .request { state.requests += 1 }
          if case .rateLimited = verdict { return .limited(seconds: 1) }
          return .requested
        }
      }
      func flood(_ count: Int) throws {
        for number in 0..<count {
          let caller = try RejectionCaller(at: listener.path)
          // Some leave without a word.
          if number % 10 == 0 { continue }
          caller.send("refresh konexus\n".utf8)
          if number % 10 == 1 { #expect(caller.answer() == "requested\n") }
        }
      }
      func resident() -> Int {
        let descriptor = open("/proc/self/statm", O_RDONLY)
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = read(descriptor, &buffer, buffer.count)
        let fields = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * 4096 : 0
      }
      // Dispatch opens a descriptor for the first timer of each kind, at any time.
      func sockets() -> Int {
        var status = stat()
        return (0..<1024).count { fstat($0, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK }
      }
      try flood(6000)
      try await listener.settle()
      let (memory, files) = (resident(), sockets())
      try flood(10_000)
      try await listener.settle()
      // Dispatch closes the last ones a moment after their end.
      for _ in 0..<500 where sockets() > files { try await Task.sleep(for: .milliseconds(10)) }
      #expect(sockets() <= files)
      #expect(resident() - memory < 2 << 20, "\(resident() - memory)")
      #expect(reports.withLock { $0.requests } == 1)
    }
  }

  // MARK: The file

  @Test(
    "its mode is 0660 whatever the umask, and its group that of token files", arguments: [0, 0o022, 0o077] as [mode_t])
  func mode(_ mask: mode_t) async {
    // The mask belongs to the process: therefore in a process of its own.
    await #expect(processExitsWith: .success) { [mask] in
      umask(mask)
      let listener = try RejectionListener(in: ConfigurationDirectory()) { _ in .requested }
      var status = stat()
      #expect(lstat(listener.path, &status) == 0 && status.st_mode == S_IFSOCK | 0o660)
      #expect(status.st_uid == geteuid() && status.st_gid == getegid())
    }
  }

  @Test("in a set-group-ID directory it gets the directory's group", .enabled(if: geteuid() == 0))
  func group() throws {
    let directory = try ConfigurationDirectory()
    try #require(chown(directory.path, 0, 4242) == 0 && chmod(directory.path, 0o2750) == 0)
    let listener = try RejectionListener(in: directory) { _ in .requested }
    var status = stat()
    #expect(lstat(listener.path, &status) == 0 && status.st_gid == 4242 && status.st_mode & 0o7777 == 0o660)
    #expect(try RejectionCaller.ask("refresh konexus\n", at: listener.path) == "requested\n")
  }

  @Test func replacesASocketThatIsLeftAndNothingElse() throws {
    let directory = try ConfigurationDirectory()
    for _ in 0..<2 {
      let listener = try RejectionListener(in: directory) { _ in .requested }
      #expect(try RejectionCaller.ask("refresh konexus\n", at: listener.path) == "requested\n")
      listener.close()
      #expect(UnixSocket.isThere(listener.path))
    }
    unlink(directory.path + "/reject.sock")
    let file = try directory.write("reject.sock", "x")
    let failure = #expect(throws: PublicationFailure.self) { try RejectionListener(in: directory) { _ in .requested } }
    #expect(failure?.description.contains(file) == true)
    unlink(file)
    try directory.link("reject.sock", to: try directory.write("other", "x"))
    #expect(throws: PublicationFailure.self) { try RejectionListener(in: directory) { _ in .requested } }
  }

  @Test func doesNotListenWhereOthersCanWrite() throws {
    let directory = try ConfigurationDirectory()
    chmod(directory.path, 0o770)
    #expect(throws: PublicationFailure.self) { try RejectionListener(in: directory) { _ in .requested } }
  }

  @Test func knowsWhetherItsFileIsThere() throws {
    let listener = try RejectionListener()
    #expect(listener.isThere)
    unlink(listener.path)
    #expect(!listener.isThere)
  }
}
