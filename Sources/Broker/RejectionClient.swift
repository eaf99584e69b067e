import Base
import CLinux
import Files
import Glibc

/// The client of the socket for rejected tokens, for commands.
///
/// The daemon's user can put anything at the socket's path, and root can be the caller. So nothing is sent before the
/// kernel has confirmed that the peer is the owner of the directory. The answer is read up to a limit.
package enum RejectionClient {
  /// Why there is no answer.
  package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What failed, with the path.
    package var description: String
    /// Whether this user is not permitted to connect.
    package var isDenied = false
  }

  /// Sends a request to the daemon of `directory`, and waits for the answer.
  ///
  /// - Parameter limit: the time limit of the answer.
  /// - Throws: `Failure` if no daemon of the directory's owner answers.
  package static func send(
    _ request: RejectionRequest, in directory: String, limit: Duration
  ) throws(Failure) -> RejectionReply {
    let path = directory + "/" + DaemonFile.rejections
    let owner: UInt32
    do throws(PrivateFile.Unreadable) { owner = try DaemonDirectory(directory).owner } catch {
      throw Failure(
        description: "the daemon of \(directory) cannot be asked: \(error.reason)", isDenied: error.code == EACCES)
    }
    let descriptor = try connect(to: path, of: owner, directory)
    defer { close(descriptor) }
    let line = Array((request.line + "\n").utf8)
    // A daemon that has answered already can have closed the connection.
    guard linux_send(descriptor, line, line.count, -1) == line.count || errno == EPIPE else {
      throw Failure(description: "the daemon of \(directory) does not listen: \(SystemError.text(errno))")
    }
    let answer = try answer(from: descriptor, directory, limit)
    guard let reply = RejectionReply(line: answer) else {
      throw Failure(description: "the daemon of \(directory) answered \(Printable.quoted(answer))")
    }
    return reply
  }

  private static func connect(to path: String, of owner: UInt32, _ directory: String) throws(Failure) -> Int32 {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      let code = errno
      let reason = code == ENOENT ? "there is no \(path)" : "\(path): \(SystemError.text(code))"
      throw Failure(description: "the daemon cannot be asked: \(reason)", isDenied: code == EACCES)
    }
    guard status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == owner else {
      throw Failure(description: "the daemon cannot be asked: \(path) is not a socket of the owner of \(directory)")
    }
    let descriptor: Int32
    do throws(PublicationFailure) { descriptor = try UnixSocket.connect(to: path) } catch {
      let isDenied = access(path, W_OK) != 0 && errno == EACCES
      throw Failure(description: "the daemon of \(directory) does not answer: \(error)", isDenied: isDenied)
    }
    // The path can have become a link to another user's socket since.
    guard let peer = UnixSocket.peer(of: descriptor), peer.userID == owner else {
      close(descriptor)
      throw Failure(
        description: "the daemon cannot be asked: another user than the owner of \(directory) listens at \(path)")
    }
    return descriptor
  }

  /// The line that comes before the end of the connection, without its line break.
  private static func answer(
    from descriptor: Int32, _ directory: String, _ limit: Duration
  ) throws(Failure) -> String {
    let end = Moment.now().boot + limit
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: RejectionReply.longest)
    while true {
      if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) { return String(decoding: bytes[..<end], as: UTF8.self) }
      guard bytes.count < RejectionReply.longest else {
        throw Failure(description: "the daemon of \(directory) answered too much")
      }
      let left = end - Moment.now().boot
      guard left > .zero else {
        throw Failure(description: "the daemon of \(directory) did not answer within \(Int(limit.seconds)) s")
      }
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waiting, 1, Int32(clamping: Int(left.seconds * 1000) + 1)) > 0 else { continue }
      let count = recv(descriptor, &buffer, buffer.count, Int32(0))
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { throw Failure(description: "the daemon of \(directory) ended before it answered") }
      bytes += buffer[..<count]
    }
  }
}
