import Base
import CLinux
import Files
import Glibc
import Synchronization

/// Calls on sockets of this host (unix(7)).
enum UnixSocket {
  /// Opens a listening socket at `path`, for the daemon's user and root only. One that a previous run left is replaced.
  ///
  /// - Parameter inTheWay: the remedy for a file of another type at the path.
  /// - Throws: `PublicationFailure` if other users can write to the directory, a file of another type is at the path,
  ///   or the kernel rejects the call.
  static func listen(at path: String, inTheWay remedy: String) throws(PublicationFailure) -> Int32 {
    // The socket's file holds no secret, so any file system is fit.
    let directory = try OutputDirectory(FilePath.directory(of: path), allowsPersistentStorage: true)
    let name = FilePath.name(of: path)
    var status = stat()
    if fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
      guard status.st_mode & S_IFMT == S_IFSOCK else {
        throw PublicationFailure("\(path) is there and is no socket", remedy: remedy)
      }
      unlinkat(directory.descriptor, name, 0)
    }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw .system("make a socket for", path, errno) }
    do throws(PublicationFailure) {
      // The file of a Unix socket gets the mode of the unbound socket, so other users can never connect.
      guard fchmod(descriptor, 0o600) == 0, withAddress(of: path, { bind(descriptor, $0, $1) == 0 }) ?? false else {
        throw .system("listen at", path, errno)
      }
      // A later run knows the socket by the path that it was bound to. Therefore it is bound by that path, not through
      // the directory's descriptor, and then compared with what is in the directory that was checked.
      guard fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
        status.st_mode & S_IFMT == S_IFSOCK, status.st_mode & 0o177 == 0, status.st_uid == geteuid()
      else {
        throw PublicationFailure(
          "\(directory.path) was replaced while \(path) was made", remedy: ServiceCommands.current.reload)
      }
      guard Glibc.listen(descriptor, SOMAXCONN) == 0 else { throw .system("listen at", path, errno) }
    } catch {
      close(descriptor)
      throw error
    }
    return descriptor
  }

  /// Connects to the socket at `path`.
  ///
  /// - Throws: `PublicationFailure` if no process listens there.
  static func connect(to path: String) throws(PublicationFailure) -> Int32 {
    guard isThere(path) else { throw .system("connect to", path, errno == 0 ? ENOTSOCK : errno) }
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .system("make a socket for", path, errno) }
    // Both connect(2) and send(2) wait while the peer's queue is full, but no longer than this.
    var limit = timeval(tv_sec: 10, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    guard withAddress(of: path, { Glibc.connect(descriptor, $0, $1) == 0 }) ?? false else {
      let code = errno
      close(descriptor)
      throw .system("connect to", path, code)
    }
    return descriptor
  }

  /// Whether there is a socket at `path`.
  static func isThere(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
  }

  /// Removes the socket at `path`, but no file of another type.
  static func remove(_ path: String) {
    if isThere(path) { unlink(path) }
  }

  /// The path that a socket is bound to; `nil` if it is not a socket, or has no path.
  static func path(of descriptor: Int32) -> String? {
    let bytes = name { getsockname(descriptor, $0, $1) }
    guard let bytes, let first = bytes.first, first != 0 else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The address of the other end, as in `sun_path`; empty if it is not bound.
  static func peerAddress(of descriptor: Int32) -> [UInt8] {
    name { getpeername(descriptor, $0, $1) } ?? []
  }

  /// The user and process of the other end, from the kernel; `nil` if they are unknown.
  static func peer(of descriptor: Int32) -> (userID: UInt32, process: Int32)? {
    var process: pid_t = 0
    var user: uid_t = 0
    guard linux_peer_credentials(descriptor, &process, &user) == 0 else { return nil }
    return (user, process)
  }

  /// The bytes of `sun_path` that are in use.
  private static func name(
    _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
  ) -> [UInt8]? {
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
    }
    guard result == 0, Int32(address.sun_family) == AF_UNIX else { return nil }
    let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    let count = min(max(Int(length) - offset, 0), MemoryLayout.size(ofValue: address.sun_path))
    return withUnsafeBytes(of: &address.sun_path) { Array($0[..<count]) }
  }

  /// Calls `body` with the address of `path`; `nil` if the path is too long for a socket.
  private static func withAddress<R>(of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = Array(path.utf8)
    guard path.count < MemoryLayout.size(ofValue: address.sun_path) else {
      errno = ENAMETOOLONG
      return nil
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    return withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}

/// A listening socket that is closed unless it is taken. If the call hung, its caller has already returned.
final class ListeningSocket: Sendable {
  private let descriptor: Mutex<Int32?>

  /// Opens it, as `UnixSocket.listen` does.
  init(at path: String, inTheWay remedy: String) throws(PublicationFailure) {
    descriptor = Mutex(try UnixSocket.listen(at: path, inTheWay: remedy))
  }

  /// The descriptor, for its new owner.
  func take() -> Int32? {
    descriptor.withLock { descriptor in
      defer { descriptor = nil }
      return descriptor
    }
  }

  deinit {
    if let descriptor = take() { close(descriptor) }
  }
}
