import Dispatch
import Glibc
import OAuthClient

/// One unit's start that waits for its credential.
///
/// Proof of `Sendable`: it is touched on `queue` alone, the broker's, on which its sources call it too.
final class CredentialConnection: @unchecked Sendable {
  /// How long a unit's start waits for a token: less than systemd lets a start take (90 s), so that it fails with a reason.
  static let patience = Duration.seconds(60)
  /// How long systemd may take to read its answer.
  private static let longestSending = Duration.seconds(10)

  /// Who asks.
  let peer: CredentialPeer
  /// When it asked.
  let since = Moment.now().boot
  /// When it is answered at the latest.
  private(set) var limit: BootTime

  private let descriptor: Int32
  private let queue: DispatchQueue
  private let timer: any DispatchSourceTimer
  private var writer: (any DispatchSourceWrite)?
  private var answer: Secret?
  private var sent = 0
  private var onEnd: (() -> Void)?

  /// Takes over the non-blocking `descriptor`. `onEnd` is called once, when the connection is closed.
  init(_ descriptor: Int32, peer: CredentialPeer, queue: DispatchQueue, onEnd: @escaping () -> Void) {
    self.descriptor = descriptor
    self.peer = peer
    self.queue = queue
    self.onEnd = onEnd
    limit = since + Self.patience
    timer = DispatchSource.makeTimerSource(queue: queue)
    timer.schedule(deadline: .distantFuture)
    timer.activate()
  }

  deinit {
    timer.cancel()
    writer?.cancel()
  }

  /// Whether the answer was given, or the connection is closed.
  var isAnswered: Bool { answer != nil || onEnd == nil }

  /// Calls `handler` if there is no answer after `time`, ``patience`` at the most.
  func wait(for time: Duration, orElse handler: @escaping @Sendable () -> Void) {
    let time = min(time, Self.patience)
    limit = Moment.now().boot + time
    timer.setEventHandler(handler: handler)
    // A little later than the limit, so that it has passed by then.
    timer.schedule(deadline: .now() + .milliseconds(Int(time.nanoseconds / 1_000_000) + 1))
  }

  /// Gives the credential.
  func send(_ credential: Secret) {
    guard !isAnswered else { return }
    answer = credential
    timer.setEventHandler { [weak self] in self?.close() }
    timer.schedule(deadline: .now() + .milliseconds(Int(Self.longestSending.nanoseconds / 1_000_000)))
    write()
  }

  /// Lets the unit's start fail.
  ///
  /// An end without a word would not: systemd takes that for an empty credential and starts the unit with it. It does not
  /// take more than 1 MiB; so a refusal is one byte more than that, all zeros, which systemd throws away.
  func refuse() {
    send(Secret([UInt8](repeating: 0, count: 1 << 20 + 1)))
  }

  /// Refuses before it returns: for a daemon that ends now. Waits for a slow reader half a second at the most.
  func refuseAtOnce() {
    guard !isAnswered else { return }
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
    var limit = timeval(tv_sec: 0, tv_usec: 500_000)
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    refuse()
  }

  /// Ends the connection.
  func close() {
    guard let onEnd else { return }
    self.onEnd = nil
    timer.cancel()
    answer = nil
    if let writer {
      // The descriptor must outlive the source (dispatch_source_set_cancel_handler(3)).
      writer.cancel()
    } else {
      Glibc.close(descriptor)
    }
    writer = nil
    onEnd()
  }

  private func write() {
    guard let answer else { return }
    while sent < answer.count {
      let count = answer.withBytes { bytes in
        Glibc.send(
          descriptor, bytes.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return waitForRoom() }
      guard count > 0 else { break }
      sent += count
    }
    close()
  }

  private func waitForRoom() {
    guard writer == nil else { return }
    let descriptor = descriptor
    let source = DispatchSource.makeWriteSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [weak self] in self?.write() }
    source.setCancelHandler { Glibc.close(descriptor) }
    source.activate()
    writer = source
  }
}
