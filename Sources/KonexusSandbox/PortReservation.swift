import Glibc
import NIOCore

/// A reserved TCP port. The socket is bound but never listens. While no socket listens, the kernel refuses connections
/// to the port, and it gives the port to no other process.
final class PortReservation: Sendable {
  let address: String
  let port: Int
  private let descriptor: CInt

  /// - Parameter port: 0 for any free port.
  /// - Throws: `SandboxError` if the port is not available.
  init(address: String, port: Int) throws {
    guard (0...65535).contains(port) else { throw SandboxError("\(port) is no TCP port") }
    let wanted = try SocketAddress(ipAddress: address, port: port)
    let family = wanted.protocol == .inet6 ? AF_INET6 : AF_INET
    descriptor = socket(family, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw SandboxError("cannot make a socket: \(Self.lastError)") }
    self.address = address
    // Both this socket and the listening one need this option to share the port.
    var on: CInt = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
    let descriptor = descriptor
    guard wanted.withSockAddr({ Glibc.bind(descriptor, $0, socklen_t($1)) }) == 0 else {
      let error = Self.lastError
      Glibc.close(descriptor)
      throw SandboxError("cannot bind \(address) port \(port): \(error)")
    }
    var name = sockaddr_storage()
    self.port = withUnsafeMutableBytes(of: &name) { bytes in
      var length = socklen_t(bytes.count)
      getsockname(descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress, &length)
      // The port is the second pair of bytes of both sockaddr_in and sockaddr_in6, in network order.
      return Int(bytes[2]) << 8 | Int(bytes[3])
    }
  }

  deinit { Glibc.close(descriptor) }

  private static var lastError: String { String(cString: strerror(errno)) }
}
