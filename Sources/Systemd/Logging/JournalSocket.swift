internal import Glibc
internal import Synchronization

/// The journal's socket, in its native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/).
///
/// Not by sd_journal_sendv(3), which waits without limit while the socket's queue is full: a journald that hangs would hang the daemon.
final class JournalSocket: Sendable {
  /// The one address there is.
  private static let address = "/run/systemd/journal/socket"

  private let descriptor: Int32
  private let lost = Mutex(0)

  init() {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Sends an entry if the journal takes it at once; `notice` makes the entry that tells, once it does again, how many were lost.
  ///
  /// - Parameter entry: the names and values of its fields.
  func send(_ entry: [(name: String, value: String)], notice: (Int) -> [(name: String, value: String)]) {
    lost.withLock { lost in
      guard lost == 0 || send(Self.datagram(notice(lost))) else {
        lost += 1
        return
      }
      lost = send(Self.datagram(entry)) ? 0 : 1
    }
  }

  /// To the address, each time: the socket there may be another one by now. The kernel refuses at once what is too long for a datagram.
  private func send(_ datagram: [UInt8]) -> Bool {
    var name = sockaddr_un()
    name.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: Self.address.utf8) }
    return withUnsafePointer(to: name) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        sendto(
          descriptor, datagram, datagram.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), address,
          socklen_t(MemoryLayout<sockaddr_un>.size)) == datagram.count
      }
    }
  }

  /// `NAME=value` lines; for a value with a line break the name, a line break, the length as 64 bits little-endian, the value.
  private static func datagram(_ entry: [(name: String, value: String)]) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in entry {
      bytes += name.utf8
      if value.utf8.contains(UInt8(ascii: "\n")) {
        bytes.append(UInt8(ascii: "\n"))
        withUnsafeBytes(of: UInt64(value.utf8.count).littleEndian) { bytes += $0 }
      } else {
        bytes.append(UInt8(ascii: "="))
      }
      bytes += value.utf8
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }
}
