import Glibc
import NIOCore

/// A port at which connections are neither accepted nor refused. Each attempt waits until its time limit.
///
/// The socket listens with the shortest backlog, which is filled at once. Linux does not respond to further attempts.
final class Blackhole: Sendable {
  private let sockets: [CInt]

  init(_ port: PortReservation) throws {
    let address = try SocketAddress(ipAddress: port.address, port: port.port)
    let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
    let kind = CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
    sockets = (0..<3).map { _ in socket(family, kind, 0) }
    var on: CInt = 1
    setsockopt(sockets[0], SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
    let listener = sockets[0]
    guard address.withSockAddr({ bind(listener, $0, socklen_t($1)) }) == 0, listen(listener, 0) == 0 else {
      let reason = String(cString: strerror(errno))
      for socket in sockets { close(socket) }
      throw SandboxError("cannot listen on \(port.address) port \(port.port): \(reason)")
    }
    for filler in sockets.dropFirst() {
      // The attempt is in progress, or it waits without end. Both are intended.
      _ = address.withSockAddr { connect(filler, $0, socklen_t($1)) }
    }
  }

  deinit { for socket in sockets { close(socket) } }
}
