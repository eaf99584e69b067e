import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Broker
@testable import Files

/// A socket for rejected tokens in a directory of its own, and what its handler got.
final class RejectionListener: Sendable {
  let directory: ConfigurationDirectory
  let queue = DispatchQueue(label: "rejections")
  private let received = Mutex<[(RejectionRequest, RejectionPeer)]>([])
  private let socket = Mutex<RejectionSocket?>(nil)

  init(in directory: ConfigurationDirectory, answer: @escaping @Sendable (RejectionRequest) -> RejectionReply) throws {
    self.directory = directory
    let opened = try RejectionSocket(in: directory.path, queue: queue) { [unowned self] request, peer in
      // A flood must not count as memory of the socket.
      received.withLock { if $0.count < 4000 { $0.append((request, peer)) } }
      return answer(request)
    }
    socket.withLock { $0 = opened }
  }

  convenience init(answer: @escaping @Sendable (RejectionRequest) -> RejectionReply = { _ in .requested }) throws {
    try self.init(in: ConfigurationDirectory(), answer: answer)
  }

  var path: String { directory.path + "/reject.sock" }
  var requests: [RejectionRequest] { received.withLock { $0.map(\.0) } }
  var peers: [RejectionPeer] { received.withLock { $0.map(\.1) } }
  var openConnections: Int { queue.sync { socket.withLock { $0?.openConnections ?? 0 } } }
  var isThere: Bool { queue.sync { socket.withLock { $0?.isThere ?? false } } }

  /// Stops to listen, on the queue as the daemon would.
  func close() { queue.sync { socket.withLock { $0 = nil } } }

  /// Waits until nothing of the kernel's queue is left and no connection is open.
  func settle() async throws {
    // The kernel's queue keeps its order, so that all earlier connections were accepted when this one is answered.
    #expect(try RejectionCaller.ask("\n", at: path)?.hasPrefix("error not a request: ") == true)
    for _ in 0..<500 where openConnections > 0 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(openConnections == 0)
  }
}

/// An application at the other end.
final class RejectionCaller: Sendable {
  let descriptor: Int32

  init(at path: String) throws {
    descriptor = try UnixSocket.connect(to: path)
    // A fault must not hang the test.
    var limit = timeval(tv_sec: 30, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
  }

  deinit { close(descriptor) }

  /// Sends bytes; the daemon may have ended the connection already.
  func send(_ bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
  }

  /// Reads to the end of the connection; `nil` if it does not end.
  func answer() -> String? {
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      // The daemon has not read all that was sent. What it answered came before.
      if count == 0 || count < 0 && errno == ECONNRESET { return String(decoding: content, as: UTF8.self) }
      guard count > 0 else { return nil }
      content += buffer[..<count]
    }
  }

  /// One request and its answer.
  static func ask(_ line: String, at path: String) throws -> String? {
    let caller = try RejectionCaller(at: path)
    caller.send(line.utf8)
    return caller.answer()
  }
}
