import CLinux
import Dispatch
import Glibc

/// The connections that arrive at a listening socket. While it is paused, they wait in the kernel's queue.
///
/// Proof of `Sendable`: it is used on `queue` only, where its source calls it too.
final class ConnectionSource: @unchecked Sendable {
  /// The pause after an error.
  private static let errorPause = DispatchTimeInterval.milliseconds(200)

  /// The listening socket.
  let descriptor: Int32
  private let queue: DispatchQueue
  private let source: any DispatchSourceRead
  private var isPaused = false

  /// Owns a listening socket, which must be non-blocking, from now on. `start` must follow.
  init(_ descriptor: Int32, queue: DispatchQueue) {
    self.descriptor = descriptor
    self.queue = queue
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setCancelHandler { close(descriptor) }
  }

  /// Calls `onArrival` on `queue`, again and again, while connections wait and there is no pause.
  func start(_ onArrival: @escaping () -> Void) {
    source.setEventHandler(handler: onArrival)
    source.activate()
  }

  deinit {
    // A suspended source must not be released.
    if isPaused { source.resume() }
    source.cancel()
  }

  /// Accepts the next connection, for its new owner; `nil` if none waits. After an error, such as a lack of
  /// descriptors, the source is paused for a moment, as that can change soon.
  func accept() -> Int32? {
    while true {
      let connection = linux_accept(descriptor)
      if connection >= 0 { return connection }
      switch errno {
      case EINTR, ECONNABORTED: continue
      case EAGAIN: return nil
      default:
        pause(for: Self.errorPause)
        return nil
      }
    }
  }

  /// Accepts no more until `resume`. Without a pause, the event of a connection that stays would be repeated.
  func pause() {
    guard !isPaused else { return }
    isPaused = true
    source.suspend()
  }

  /// Pauses for a time, unless it is paused already.
  func pause(for time: DispatchTimeInterval) {
    guard !isPaused else { return }
    pause()
    queue.asyncAfter(deadline: .now() + time) { [weak self] in self?.resume() }
  }

  /// Ends a pause, if there is one.
  func resume() {
    guard isPaused else { return }
    isPaused = false
    source.resume()
  }
}
