import Base
import CLinux
package import Dispatch
package import Files
import Glibc

/// The process that sent a `RejectionRequest`. It is for the log only, because the process can have ended, or can have
/// passed its connection on.
package struct RejectionPeer: Hashable, Sendable {
  /// The process id; `nil` if the process is in a namespace that this one cannot see.
  package var process: Int32?
  /// The user; `nil` if the service's user namespace does not map it.
  package var userID: UInt32?

  /// What the kernel reports in place of a user that is not mapped (user_namespaces(7)).
  private static let overflowUser: UInt32 = 65_534

  package init(process: Int32, userID: UInt32) {
    self.process = process > 0 ? process : nil
    self.userID = userID == Self.overflowUser ? nil : userID
  }
}

/// The socket at which applications report rejected tokens: `reject.sock` in the runtime directory, for its group.
///
/// A connection carries one line and its answer: see `RejectionRequest` and `RejectionReply`. The daemon answers at
/// once and ends the connection.
///
/// Each member of the group can send any number of lines, so the work for them is limited:
///
/// - A few connections are accepted at a time. Then the queue does the other work that waits in it.
/// - At most `maximumConnections` are open. A further one ends the oldest, so that no report waits behind idle ones.
/// - At most `batch` more have ended and are not closed yet. Further ones wait until one of these is closed.
/// - A connection without a whole line after `lineLimit`, or with a line that is too long, ends.
///
/// Proof of `Sendable`: it is used on `queue` only, where its sources call it too.
package final class RejectionSocket: @unchecked Sendable {
  /// Answers one request, at once. It is called on the queue of the socket.
  package typealias Handler = (RejectionRequest, RejectionPeer) -> RejectionReply

  /// The most connections that are open at a time.
  static let maximumConnections = 64
  /// The most connections that are accepted before the queue does other work.
  static let batch = 16
  /// How long a peer can take to send its line.
  static let lineLimit = Duration.seconds(1)

  /// The permission bits of the socket's file. To connect, a process needs the right to write.
  private static let mode: mode_t = 0o660

  private let path: String
  private let queue: DispatchQueue
  private let handler: Handler
  private let source: ConnectionSource
  /// Ends the connections whose time is over. One timer serves all. With a timer for each, peers would decide how much
  /// memory is used.
  private let timer: any DispatchSourceTimer
  private var connections: [Int32: Connection] = [:]
  /// The number of connections that have ended and are not closed yet. Dispatch closes them a moment later.
  private var closing = 0

  /// A peer that has not sent its whole line yet.
  private struct Connection {
    var source: any DispatchSourceRead
    var line: [UInt8]
    var end: BootTime
  }

  /// Listens in `directory`. A socket that a previous run left there is replaced.
  ///
  /// The socket's file gets the group that token files get: that of the process, or of a set-group-ID directory.
  ///
  /// - Parameters:
  ///   - queue: a serial queue, for the sources and the handler.
  ///   - handler: answers a request.
  /// - Throws: `PublicationFailure` if the socket cannot be opened.
  package init(in directory: String, queue: DispatchQueue, handler: @escaping Handler) throws(PublicationFailure) {
    path = directory + "/" + DaemonFile.rejections
    let listener = try UnixSocket.listen(at: path, inTheWay: "remove it")
    do throws(PublicationFailure) { try Self.admitGroup(to: path) } catch {
      close(listener)
      throw error
    }
    self.queue = queue
    self.handler = handler
    source = ConnectionSource(listener, queue: queue)
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .distantFuture)
    timer.setEventHandler { [weak self] in self?.endOverdue() }
    timer.activate()
    source.start { [weak self] in self?.accept() }
  }

  /// Whether the socket's file exists, because another process can remove it.
  package var isThere: Bool { UnixSocket.isThere(path) }

  /// The number of open connections.
  var openConnections: Int { connections.count }

  deinit {
    timer.cancel()
    for connection in connections.values { connection.source.cancel() }
  }

  /// Lets the group connect. bind(2) applies the umask of the process, which has no bits for the group.
  private static func admitGroup(to path: String) throws(PublicationFailure) {
    // Only this process's user and root can write to the directory, so the name still means the socket.
    let directory = try OutputDirectory(FilePath.directory(of: path), allowsPersistentStorage: true)
    let name = FilePath.name(of: path)
    var status = stat()
    guard fchmodat(directory.descriptor, name, mode, 0) == 0,
      fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    else { throw .system("set the mode of", path, errno) }
    guard status.st_mode & S_IFMT == S_IFSOCK, status.st_mode & 0o7777 == mode else {
      throw PublicationFailure("\(path) was replaced while it was made", remedy: ServiceCommands.current.reload)
    }
  }

  private func accept() {
    for _ in 0..<Self.batch {
      guard closing < Self.batch else { return source.pause() }
      guard let accepted = source.accept() else { return }
      admit(accepted)
    }
    // The source reports the rest again, after the other work in the queue.
  }

  /// Answers a peer whose line has arrived, which is the usual case. Other peers get a source of their own.
  private func admit(_ descriptor: Int32) {
    var line: [UInt8] = []
    if let reply = advance(descriptor, &line) { return end(descriptor, with: reply) }
    makeRoom()
    let source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    let connection = Connection(source: source, line: line, end: Moment.now().boot + Self.lineLimit)
    if connections.isEmpty { schedule(connection.end) }
    connections[descriptor] = connection
    source.setEventHandler { [weak self] in self?.read(descriptor) }
    source.setCancelHandler { [weak self] in
      Glibc.close(descriptor)
      self?.noteClosed()
    }
    source.activate()
  }

  /// Ends the oldest connection if there is no room for another one.
  private func makeRoom() {
    guard connections.count >= Self.maximumConnections else { return }
    guard let oldest = connections.min(by: { $0.value.end < $1.value.end })?.key else { return }
    // Its line can have arrived, although its source has not reported that yet.
    read(oldest)
    if connections[oldest] != nil { endWithoutLine(oldest) }
  }

  private func read(_ descriptor: Int32) {
    guard var connection = connections[descriptor] else { return }
    let reply = advance(descriptor, &connection.line)
    connections[descriptor] = connection
    if let reply { end(descriptor, with: reply) }
  }

  /// What happens with a peer.
  private enum Outcome {
    case reply(RejectionReply)
    /// The end of the connection: the peer has closed it.
    case end
  }

  /// Reads what has arrived; `nil` if more must come.
  private func advance(_ descriptor: Int32, _ line: inout [UInt8]) -> Outcome? {
    let received = withUnsafeTemporaryAllocation(byteCount: RejectionRequest.longest, alignment: 1) { buffer in
      let count = recv(descriptor, buffer.baseAddress, RejectionRequest.longest - line.count, 0)
      if count > 0 { line += buffer[..<count] }
      return count
    }
    if received < 0 { return errno == EAGAIN || errno == EINTR ? nil : Outcome.end }
    // Bytes after the line break are not read.
    if let end = line.firstIndex(of: UInt8(ascii: "\n")) {
      guard let request = RejectionRequest(line: line[..<end]) else {
        return .reply(.error("not a request: send `rejected NAME sha256 HEX64` or `refresh NAME`"))
      }
      return .reply(handler(request, peer(of: descriptor)))
    }
    if line.count == RejectionRequest.longest { return .reply(.error("the line is too long")) }
    return received == 0 ? Outcome.end : nil
  }

  private func peer(of descriptor: Int32) -> RejectionPeer {
    let peer = UnixSocket.peer(of: descriptor)
    return RejectionPeer(process: peer?.process ?? 0, userID: peer?.userID ?? .max)
  }

  /// Sends the answer and ends the connection. An empty socket takes a line without waiting.
  private func end(_ descriptor: Int32, with outcome: Outcome) {
    if case .reply(let reply) = outcome {
      let text = reply.line.utf8.prefix(RejectionReply.longest - 1) + [UInt8(ascii: "\n")]
      _ = linux_send(descriptor, text, text.count, -1)
    }
    if let connection = connections.removeValue(forKey: descriptor) {
      // The cancel handler closes the descriptor. Until then, the peer must see the end.
      shutdown(descriptor, Int32(SHUT_RDWR))
      connection.source.cancel()
      closing += 1
    } else {
      Glibc.close(descriptor)
    }
  }

  private func noteClosed() {
    closing -= 1
    source.resume()
  }

  private func endOverdue() {
    let now = Moment.now().boot
    for (descriptor, connection) in connections where connection.end <= now {
      endWithoutLine(descriptor)
    }
    if let next = connections.values.map(\.end).min() { schedule(next) }
  }

  private func endWithoutLine(_ descriptor: Int32) {
    end(descriptor, with: .reply(.error("no line within 1 s")))
  }

  private func schedule(_ time: BootTime) {
    let wait = max(.zero, time - Moment.now().boot) + .milliseconds(1)
    timer.schedule(deadline: .now() + .nanoseconds(Int(wait.nanoseconds)), leeway: .milliseconds(50))
  }
}
