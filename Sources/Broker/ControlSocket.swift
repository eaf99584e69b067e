import Base
import CLinux
public import Dispatch
public import Files
import Glibc

/// The daemon's control socket: `control` in the runtime directory, for root and the daemon's own user.
///
/// - A request is one line, `reload` or `compare`. If the daemon cannot open the configuration file itself, the open
///   file is passed with it (SCM_RIGHTS).
/// - The response is `ok` or `failed`, a line break and a text. Then the connection ends.
///
/// A command that reads a process id from a file must trust the file. A command that connects here gets the peer's user
/// from the kernel.
///
/// Proof of `Sendable`: it is used on `queue` only, where its sources call it too.
public final class ControlSocket: @unchecked Sendable {
  /// The request of a command.
  public enum Request: String, Sendable {
    /// Read the configuration again.
    case reload
    /// Report whether the file is in effect as it is.
    case compare
  }

  /// Further connections wait in the kernel's queue.
  private static let maximumConnections = 16
  /// How long a command may take to send its line.
  private static let requestLimit = DispatchTimeInterval.seconds(5)

  private let path: String
  private let queue: DispatchQueue
  private let source: ConnectionSource
  private let onRequest: (Request, PassedFile?, ControlReply) -> Void
  private var connections: [Int32: any DispatchSourceRead] = [:]

  /// Listens in `directory`. `onRequest` is called on `queue`.
  ///
  /// - Throws: `PublicationFailure` if the socket cannot be opened.
  public init(
    in directory: String, queue: DispatchQueue, onRequest: @escaping (Request, PassedFile?, ControlReply) -> Void
  ) throws(PublicationFailure) {
    path = directory + "/" + DaemonFile.control
    source = ConnectionSource(try UnixSocket.listen(at: path, inTheWay: "remove it"), queue: queue)
    self.queue = queue
    self.onRequest = onRequest
    source.start { [weak self] in self?.accept() }
  }

  /// Whether the socket's file exists, because another process can remove it.
  public var isThere: Bool { UnixSocket.isThere(path) }

  deinit {
    for connection in connections.values { connection.cancel() }
  }

  private func accept() {
    while connections.count < Self.maximumConnections {
      guard let accepted = source.accept() else { return }
      let reply = ControlReply(accepted)
      guard let peer = UnixSocket.peer(of: accepted), peer.userID == 0 || peer.userID == geteuid() else {
        reply.send(.failed("only root may ask for this"))
        continue
      }
      let connection = DispatchSource.makeReadSource(fileDescriptor: accepted, queue: queue)
      connections[accepted] = connection
      connection.setEventHandler { [weak self] in self?.read(reply) }
      // The reply owns the descriptor, which must outlive the source.
      connection.setCancelHandler { _ = reply }
      connection.activate()
      queue.asyncAfter(deadline: .now() + Self.requestLimit) { [weak self, weak reply] in
        if let reply { self?.end(reply) }
      }
    }
    source.pause()
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
    source.resume()
  }
}

/// The response to a request on the control socket.
public final class ControlReply: Sendable {
  /// The result of a request.
  public enum Answer: Hashable, Sendable {
    /// The configuration was reloaded, or is in effect as it is.
    case ok(String)
    /// It was not, for this reason.
    case failed(String)
  }

  /// The connection; closed with the last reference.
  let descriptor: Int32

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Sends the response. If the peer does not read, it is lost.
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

/// The client of the control socket, for commands.
public enum ControlClient {
  /// Why there is no response.
  public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, with the path.
    public var description: String
  }

  /// A length in bytes, longer than the first error of a configuration.
  static let longestAnswer = 16_384

  /// Sends a request to the daemon of `directory`, and waits for the response.
  ///
  /// - Parameters:
  ///   - file: an open file to pass on.
  ///   - limit: the time limit of the response.
  /// - Throws: ``Failure`` if no daemon of the directory's owner responds.
  public static func send(
    _ request: ControlSocket.Request, passing file: Int32?, in directory: String, limit: Duration
  ) throws(Failure) -> ControlReply.Answer {
    let path = directory + "/" + DaemonFile.control
    let owner: UInt32
    do throws(PrivateFile.Unreadable) { owner = try DaemonDirectory(directory).owner } catch {
      throw Failure(description: "the daemon of \(directory) cannot be asked: \(error.reason)")
    }
    let descriptor: Int32
    do throws(PublicationFailure) { descriptor = try UnixSocket.connect(to: path) } catch {
      throw Failure(description: "the daemon of \(directory) does not run: \(error)")
    }
    defer { close(descriptor) }
    // Another user's process can have replaced the socket.
    guard let peer = UnixSocket.peer(of: descriptor), peer.userID == owner else {
      throw Failure(description: "\(path) belongs to another user than \(directory)")
    }
    let line = Array((request.rawValue + "\n").utf8)
    // A daemon that rejects this user answers and closes the connection before it gets the request.
    guard linux_send(descriptor, line, line.count, file ?? -1) == line.count || errno == EPIPE else {
      throw Failure(description: "the daemon of \(directory) does not listen: \(SystemError.text(errno))")
    }
    return try answer(from: descriptor, directory, limit)
  }

  private static func answer(
    from descriptor: Int32, _ directory: String, _ limit: Duration
  ) throws(Failure) -> ControlReply.Answer {
    let end = Moment.now().boot + limit
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while bytes.count <= longestAnswer {
      let left = end - Moment.now().boot
      guard left > .zero else {
        throw Failure(description: "the daemon of \(directory) did not answer within \(Int(limit.seconds)) s")
      }
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, Int32(clamping: Int(left.seconds * 1000) + 1)) > 0 else { continue }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    let text = String(decoding: bytes, as: UTF8.self)
    let rest = String(text.drop { $0 != "\n" }.dropFirst())
    switch text.prefix(while: { $0 != "\n" }) {
    case "ok": return .ok(rest)
    case "failed": return .failed(rest)
    default: throw Failure(description: "the daemon of \(directory) ended before it answered")
    }
  }
}
