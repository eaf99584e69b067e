import CLinux
public import Dispatch
public import Files
import Glibc

/// The daemon's control socket: `control` in the runtime directory. Root, and the daemon's own user, send it a line; it answers.
///
/// A command that reads a process id from a file must trust the file. A command that connects here asks the kernel for the peer's user.
/// A request is one line, `reload` or `compare`, with the open configuration file beside it (SCM_RIGHTS) if the daemon cannot open it
/// itself. The answer is `ok` or `failed`, a line break and a text; then the connection ends.
///
/// Proof of `Sendable`: it is touched on `queue` alone, on which its sources call it too.
public final class ControlSocket: @unchecked Sendable {
  /// What a command asks for.
  public enum Request: String, Sendable {
    /// Take the settings of the file into effect.
    case reload
    /// Tell whether the file holds what is in effect.
    case compare
  }

  /// Commands are few; whatever is more waits in the kernel's queue.
  private static let maximumConnections = 16
  /// How long a command may take to send its line.
  private static let requestLimit = DispatchTimeInterval.seconds(5)

  private let path: String
  private let queue: DispatchQueue
  private let source: any DispatchSourceRead
  private let onRequest: (Request, PassedFile?, ControlReply) -> Void
  private var connections: [Int32: any DispatchSourceRead] = [:]
  private var isPaused = false

  /// Listens in `directory`. `onRequest` is called on `queue`.
  ///
  /// - Throws: `PublicationFailure` if that is not possible.
  public init(
    in directory: String, queue: DispatchQueue, onRequest: @escaping (Request, PassedFile?, ControlReply) -> Void
  ) throws(PublicationFailure) {
    path = directory + "/" + DaemonFile.control
    let descriptor = try UnixSocket.listen(at: path, inTheWay: "remove it")
    self.queue = queue
    self.onRequest = onRequest
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setCancelHandler { Glibc.close(descriptor) }
    source.setEventHandler { [weak self] in self?.accept(descriptor) }
    source.activate()
  }

  /// Whether commands find it: someone may have removed it.
  public var isThere: Bool { UnixSocket.isThere(path) }

  deinit {
    // A source that is suspended must not be released.
    if isPaused { source.resume() }
    source.cancel()
    for connection in connections.values { connection.cancel() }
  }

  private func accept(_ descriptor: Int32) {
    while connections.count < Self.maximumConnections {
      let accepted = linux_accept(descriptor)
      if accepted < 0, errno == EINTR || errno == ECONNABORTED { continue }
      if accepted < 0, errno == EAGAIN { return }
      guard accepted >= 0 else {
        // No descriptors left: there may be some soon.
        queue.asyncAfter(deadline: .now() + .milliseconds(200)) { [weak self] in self?.resume() }
        return pause()
      }
      let reply = ControlReply(accepted)
      guard let peer = UnixSocket.peer(of: accepted), peer.userID == 0 || peer.userID == geteuid() else {
        reply.send(.failed("only root may ask for this"))
        continue
      }
      let connection = DispatchSource.makeReadSource(fileDescriptor: accepted, queue: queue)
      connections[accepted] = connection
      connection.setEventHandler { [weak self] in self?.read(reply) }
      // The reply owns the descriptor: it must outlive the source.
      connection.setCancelHandler { _ = reply }
      connection.activate()
      queue.asyncAfter(deadline: .now() + Self.requestLimit) { [weak self, weak reply] in
        if let reply { self?.end(reply) }
      }
    }
    pause()
  }

  /// Accepts no more for now. The source's event would come again and again.
  private func pause() {
    guard !isPaused else { return }
    isPaused = true
    source.suspend()
  }

  private func resume() {
    guard isPaused else { return }
    isPaused = false
    source.resume()
  }

  private func read(_ reply: ControlReply) {
    guard connections[reply.descriptor] != nil else { return }
    var buffer = [UInt8](repeating: 0, count: 64)
    var passed: Int32 = -1
    let count = linux_receive(reply.descriptor, &buffer, buffer.count, &passed)
    if count < 0, errno == EINTR || errno == EAGAIN { return }
    let file = passed >= 0 ? PassedFile(passed) : nil
    end(reply)
    let line = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    guard line.hasSuffix("\n"), let request = Request(rawValue: String(line.dropLast())) else {
      return reply.send(.failed("the daemon does not know this request"))
    }
    onRequest(request, file, reply)
  }

  private func end(_ reply: ControlReply) {
    connections.removeValue(forKey: reply.descriptor)?.cancel()
    resume()
  }
}

/// What the daemon answers to a request on its control socket.
public final class ControlReply: Sendable {
  /// The answer.
  public enum Answer: Hashable, Sendable {
    /// It was done, or is so.
    case ok(String)
    /// It was not done, or is not so; and why.
    case failed(String)
  }

  /// Closed with the last reference.
  let descriptor: Int32

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Sends the answer. A peer that does not read loses it.
  public func send(_ answer: Answer) {
    let text =
      switch answer {
      case .ok(let text): "ok\n" + text
      case .failed(let text): "failed\n" + text
      }
    let bytes = Array(text.utf8.prefix(ControlClient.longestAnswer))
    _ = linux_send(descriptor, bytes, bytes.count, -1)
    shutdown(descriptor, Int32(SHUT_RDWR))
  }
}
