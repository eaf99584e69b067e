import Glibc
import Testing

/// A port of ::1 that neither answers nor refuses, as behind a firewall that drops packets. A client that connects
/// waits.
///
/// Its backlog is full, and Linux does not respond to further attempts.
final class SilentPort {
  private let sockets: [Int32]

  init(port: Int) throws {
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    sockets = (0..<4).map { _ in socket(AF_INET6, kind, 0) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = in6addr_loopback
    address.sin6_port = in_port_t(port).bigEndian
    let isListening = withUnsafePointer(to: address) { [sockets] pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        let length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        guard bind(sockets[0], address, length) == 0, listen(sockets[0], 0) == 0 else { return false }
        for filler in sockets.dropFirst() { _ = connect(filler, address, length) }
        return true
      }
    }
    try #require(isListening, "::1 port \(port): \(String(cString: strerror(errno)))")
  }

  deinit { for descriptor in sockets { close(descriptor) } }

  /// Whether the last of those that tried waits still: neither let in nor refused.
  var isSilent: Bool {
    var last = pollfd(fd: sockets[sockets.count - 1], events: Int16(POLLOUT), revents: 0)
    return poll(&last, 1, 0) == 0
  }
}
