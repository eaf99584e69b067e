import CLinux
import Dispatch
import Glibc

/// The socket that systemd gets tokens from (`LoadCredential=`): takes connections, and passes on those of root that name a unit.
///
/// Proof of `Sendable`: it is touched on `queue` alone, the broker's, on which its source calls it too.
final class CredentialSocket: @unchecked Sendable {
  /// What came of a connection.
  enum Arrival {
    /// A unit asks.
    case request(CredentialConnection)
    /// Somebody whom the kernel does not call root, or an address that is not systemd's. The connection is closed already.
    case intruder(userID: UInt32, process: Int32)
  }

  /// So many units may wait at once; the others wait in the kernel's queue until one is done.
  static let maximumConnections = 64

  /// Where it listens; `nil` if it has no path.
  let path: String?
  let descriptor: Int32
  private let queue: DispatchQueue
  private let source: any DispatchSourceRead
  private let onArrival: (Arrival) -> Void
  /// Those that are not closed yet: an answer that the kernel does not take at once has to be held on to.
  private var connections: [UInt64: CredentialConnection] = [:]
  private var lastNumber: UInt64 = 0
  private var isPaused = false

  /// Serves a listening socket, which it takes over. `onArrival` is called on `queue`.
  init(_ descriptor: Int32, queue: DispatchQueue, onArrival: @escaping (Arrival) -> Void) {
    self.descriptor = descriptor
    self.queue = queue
    self.onArrival = onArrival
    path = UnixSocket.path(of: descriptor)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [weak self] in self?.accept() }
    source.setCancelHandler { Glibc.close(descriptor) }
    source.activate()
  }

  deinit {
    // A source that is suspended may not go away.
    if isPaused { source.resume() }
    source.cancel()
  }

  private func accept() {
    while connections.count < Self.maximumConnections {
      let accepted = linux_accept(descriptor)
      if accepted < 0 {
        // A peer that gave up meanwhile is no fault; with anything else (no descriptors left) there is time to breathe.
        if errno == EINTR || errno == ECONNABORTED { continue }
        if errno != EAGAIN { pause(for: .milliseconds(200)) }
        return
      }
      admit(accepted)
    }
    if !isPaused {
      isPaused = true
      source.suspend()
    }
  }

  private func admit(_ accepted: Int32) {
    let who = UnixSocket.peer(of: accepted)
    guard let who, who.userID == 0, let peer = CredentialPeer(address: UnixSocket.peerAddress(of: accepted)) else {
      Glibc.close(accepted)
      return onArrival(.intruder(userID: who?.userID ?? .max, process: who?.process ?? 0))
    }
    lastNumber += 1
    let number = lastNumber
    let connection = CredentialConnection(accepted, peer: peer, queue: queue) { [weak self] in self?.leave(number) }
    connections[number] = connection
    onArrival(.request(connection))
  }

  private func leave(_ number: UInt64) {
    connections[number] = nil
    resume()
  }

  private func pause(for time: DispatchTimeInterval) {
    guard !isPaused else { return }
    isPaused = true
    source.suspend()
    queue.asyncAfter(deadline: .now() + time) { [weak self] in self?.resume() }
  }

  private func resume() {
    guard isPaused, connections.count < Self.maximumConnections else { return }
    isPaused = false
    source.resume()
  }
}
