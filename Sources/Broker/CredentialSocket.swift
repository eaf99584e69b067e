import Base
import CLinux
import Dispatch
import Glibc

/// The socket that systemd reads tokens from (`LoadCredential=`). It passes on connections of root that name a unit.
///
/// **A connection stays in the kernel's queue until it can be answered.** If the daemon ends meanwhile, the kernel
/// resets the connection, and the unit's start fails. If systemd stores the listening socket, the next run answers.
///
/// If the daemon ends, an accepted connection ends without data, which systemd treats as an empty credential. The
/// kernel resets a connected Unix socket only if the closed end has unread bytes, and systemd sends none. A refusal is
/// larger than systemd accepts, and it does not fit into the socket's buffer. A unit that does not read at that moment
/// would get a part of it.
///
/// In two cases a unit nevertheless waits on an accepted connection:
///
/// - Connections are accepted in their order. Before one that can be answered, all earlier ones must be accepted.
/// - If the kernel does not report which units wait (``ConnectionQueue``), every connection is accepted at once.
///
/// Proof of `Sendable`: it is used on `queue` only, the broker's, where its source calls it too.
final class CredentialSocket: @unchecked Sendable {
  /// An accepted connection.
  enum Arrival {
    /// A unit requests its credential.
    case request(CredentialConnection)
    /// The peer is not root, or its address is not one of systemd's. The connection is closed already.
    case unauthorizedPeer(userID: UInt32, process: Int32)
  }

  /// Further connections wait in the kernel's queue until one has ended.
  static let maximumConnections = 64
  /// How often the connections in the kernel's queue are examined.
  private static let lookPeriod = DispatchTimeInterval.milliseconds(100)

  /// The path that it is bound to, if any.
  let path: String?
  private let queue: DispatchQueue
  private let source: ConnectionSource
  private let canAnswer: (CredentialPeer, BootTime) -> Bool
  private let onArrival: (Arrival) -> Void
  private var kernel: ConnectionQueue
  /// The connections that are not closed yet, because the kernel sometimes cannot take an answer at once.
  private var connections: [UInt64: CredentialConnection] = [:]
  private var lastNumber: UInt64 = 0

  /// Serves a listening socket, and owns it from now on. The closures are called on `queue`.
  ///
  /// - Parameter canAnswer: whether a unit that sent its request at this time would get an answer now.
  init(
    _ descriptor: Int32, queue: DispatchQueue, canAnswer: @escaping (CredentialPeer, BootTime) -> Bool,
    onArrival: @escaping (Arrival) -> Void
  ) {
    self.queue = queue
    self.canAnswer = canAnswer
    self.onArrival = onArrival
    kernel = ConnectionQueue(descriptor)
    path = UnixSocket.path(of: descriptor)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    source = ConnectionSource(descriptor, queue: queue)
    source.start { [weak self] in self?.accept() }
  }

  /// The listening socket.
  var descriptor: Int32 { source.descriptor }

  private func accept() {
    while connections.count < Self.maximumConnections {
      guard let callers = kernel.callers() else {
        guard acceptNext(nil) else { return }
        continue
      }
      // Later connections are the source's next event.
      if callers.isEmpty { return }
      guard let last = callers.lastIndex(where: { $0.peer.map { [since = $0.since] in canAnswer($0, since) } ?? true })
      else { return source.pause(for: Self.lookPeriod) }
      for caller in callers[...last] where connections.count < Self.maximumConnections {
        guard acceptNext(caller) else { return }
      }
    }
    source.pause()
  }

  /// Accepts the first connection of the queue, which should be `caller`; returns whether there may be more.
  private func acceptNext(_ caller: ConnectionQueue.Caller?) -> Bool {
    guard let accepted = source.accept() else { return false }
    admit(accepted, caller)
    return true
  }

  private func admit(_ accepted: Int32, _ caller: ConnectionQueue.Caller?) {
    var end = pollfd(fd: accepted, events: 0, revents: 0)
    // The unit's start was cancelled while it waited.
    if poll(&end, 1, 0) > 0, end.revents & Int16(POLLHUP) != 0 {
      Glibc.close(accepted)
      return
    }
    let who = UnixSocket.peer(of: accepted)
    guard let who, who.userID == 0, let peer = CredentialPeer(address: UnixSocket.peerAddress(of: accepted)) else {
      Glibc.close(accepted)
      return onArrival(.unauthorizedPeer(userID: who?.userID ?? .max, process: who?.process ?? 0))
    }
    lastNumber += 1
    let number = lastNumber
    let since = caller.flatMap { $0.peer == peer ? $0.since : nil } ?? Moment.now().boot
    let connection = CredentialConnection(accepted, peer: peer, since: since, queue: queue) { [weak self] in
      self?.leave(number)
    }
    connections[number] = connection
    onArrival(.request(connection))
  }

  /// Refuses the units that wait on accepted connections, all at the same time, because the process is about to end.
  /// Returns when all answers were sent, and no later than `end`.
  func dismiss(until end: BootTime) {
    for connection in connections.values { connection.refuse() }
    while !connections.isEmpty {
      let left = (end - Moment.now().boot).nanoseconds / 1_000_000
      guard left > 0 else { return }
      var ends = connections.values.map { pollfd(fd: $0.descriptor, events: Int16(POLLOUT), revents: 0) }
      poll(&ends, nfds_t(ends.count), Int32(left))
      for connection in connections.values { connection.write() }
    }
  }

  private func leave(_ number: UInt64) {
    connections[number] = nil
    source.resume()
  }
}

/// The connections that wait in the kernel to be accepted, from sock_diag(7). Nothing else identifies a peer before
/// accept(2).
struct ConnectionQueue {
  /// A connection that is not accepted yet.
  struct Caller {
    /// The peer; `nil` if it is not systemd, or has closed the connection.
    var peer: CredentialPeer?
    /// When it was first seen.
    var since: BootTime
  }

  private let listener: UInt32
  /// The connections by the inodes of their other ends.
  private var known: [UInt32: Caller] = [:]

  init(_ descriptor: Int32) {
    var status = stat()
    listener = fstat(descriptor, &status) == 0 ? UInt32(truncatingIfNeeded: status.st_ino) : 0
  }

  /// The connections that wait now, oldest first. `nil` if the kernel does not report them. Then it is older than 5.3,
  /// has no `unix_diag`, or grants no netlink socket.
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
    let callersInOrder = queue.map { inode in
      // Zero means that the connection is closed.
      let caller = inode == 0 ? Caller(since: now) : known[inode] ?? Self.caller(inode, since: now, diag)
      callers[inode] = caller
      return caller
    }
    known = callers
    return callersInOrder
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
    // The largest size of the kernel's responses.
    withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: MemoryLayout<nlmsghdr>.alignment) { buffer in
      var size = 0
      let bytes = linux_unix_attribute(
        diag, inode, UInt32(show), Int32(type), buffer.baseAddress, buffer.count, &size)
      return bytes.map { body(UnsafeRawBufferPointer(start: $0, count: size)) }
    }
  }
}
