import Base
import CLinux
import Glibc

/// The connections that wait in the kernel to be accepted, as sock_diag(7) describes them: the only way to know who
/// connects before accept(2).
struct ConnectionQueue {
  /// A connection that is not accepted yet.
  struct Caller {
    /// What asks; `nil`: not systemd, or it has gone away.
    var peer: CredentialPeer?
    /// When it was first seen.
    var since: BootTime
  }

  private let listener: UInt32
  /// By the inodes of the other ends.
  private var known: [UInt32: Caller] = [:]

  init(_ descriptor: Int32) {
    var status = stat()
    listener = fstat(descriptor, &status) == 0 ? UInt32(truncatingIfNeeded: status.st_ino) : 0
  }

  /// The connections that wait now, oldest first; `nil` if the kernel does not say: it is older than 5.3, has no
  /// `unix_diag`, or grants no netlink socket.
  mutating func callers() -> [Caller]? {
    let diag = socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_SOCK_DIAG)
    guard diag >= 0 else { return nil }
    defer { close(diag) }
    let queue = Self.attribute(UNIX_DIAG_ICONS, UDIAG_SHOW_ICONS, of: listener, diag) { bytes in
      stride(from: 0, to: bytes.count - 3, by: 4).map { bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self) }
    }
    guard let queue else { return nil }
    let now = Moment.now().boot
    var callers: [UInt32: Caller] = [:]
    let line = queue.map { inode in
      // Zero: it is closed already.
      let caller = inode == 0 ? Caller(since: now) : known[inode] ?? Self.caller(inode, since: now, diag)
      callers[inode] = caller
      return caller
    }
    known = callers
    return line
  }

  private static func caller(_ inode: UInt32, since: BootTime, _ diag: Int32) -> Caller {
    let user = attribute(UNIX_DIAG_UID, UDIAG_SHOW_UID, of: inode, diag) { bytes in
      bytes.count == 4 ? bytes.loadUnaligned(as: UInt32.self) : .max
    }
    let address = attribute(UNIX_DIAG_NAME, UDIAG_SHOW_NAME, of: inode, diag) { Array($0) }
    return Caller(peer: user == 0 ? address.flatMap { CredentialPeer(address: $0) } : nil, since: since)
  }

  private static func attribute<R>(
    _ type: Int, _ show: Int32, of inode: UInt32, _ diag: Int32, _ body: (UnsafeRawBufferPointer) -> R
  ) -> R? {
    // As large as the kernel's answers are at the most.
    withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: MemoryLayout<nlmsghdr>.alignment) { buffer in
      var size = 0
      let bytes = linux_unix_attribute(
        diag, inode, UInt32(show), Int32(type), buffer.baseAddress, buffer.count, &size)
      return bytes.map { body(UnsafeRawBufferPointer(start: $0, count: size)) }
    }
  }
}
