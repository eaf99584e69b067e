import Base
import CLinux
import Files
import Glibc

/// A command's side of the control socket.
public enum ControlClient {
  /// Why there is no answer.
  public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, with the path.
    public var description: String
  }

  /// In bytes: more than the first fault of a configuration takes.
  static let longestAnswer = 16_384

  /// Sends a request to the daemon of `directory`, and waits for its answer.
  ///
  /// - Parameters:
  ///   - file: an open file to pass on.
  ///   - limit: how long the answer may take.
  /// - Throws: ``Failure`` if no daemon of the directory's owner answers.
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
    // The directory's owner can put another socket there.
    guard let peer = UnixSocket.peer(of: descriptor), peer.userID == owner else {
      throw Failure(description: "\(path) belongs to another user than \(directory)")
    }
    let line = Array((request.rawValue + "\n").utf8)
    // A daemon that rejects this user has answered and closed the connection before it got the request.
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
