import Dispatch
import Glibc
import Synchronization

/// The service manager's side of sd_notify(3): records every datagram with the time it came.
/// `@unchecked` is only for the source. One thread makes it in `init`, and one cancels it in `deinit`. Dispatch allows
/// each thread to suspend it.
final class NotifySocket: @unchecked Sendable {
  /// One datagram.
  struct Message: Sendable {
    /// Seconds of CLOCK_MONOTONIC.
    var time: Double
    /// Its assignments, such as `READY=1`.
    var lines: [String]

    /// The value of an assignment; nil if it is not in this message.
    subscript(name: String) -> String? {
      lines.first { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }
  }

  let path: String
  private let received = Mutex<[Message]>([])
  private let isFrozen = Atomic(false)
  private let source: any DispatchSourceRead
  private let queue = DispatchQueue(label: "notify", qos: .userInitiated)

  init(path: String) throws {
    self.path = path
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0, path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
      throw HarnessError("no socket for \(path)")
    }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    guard Self.withAddress(path, { bind(descriptor, $0, $1) }) == 0 else {
      throw HarnessError("bind \(path): \(String(cString: strerror(errno)))")
    }
    source = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: queue)
    source.setEventHandler { [weak self] in self?.receive(descriptor) }
    source.setCancelHandler { close(descriptor) }
    source.activate()
  }

  deinit {
    // A source that is released while it is suspended ends the process, and with it all other tests.
    thaw()
    source.cancel()
  }

  /// Reads no more, and fills the queue, as when the service manager has frozen: who sends a message has to wait.
  func freeze() {
    guard !isFrozen.exchange(true, ordering: .relaxed) else { return }
    source.suspend()
    // What is being read just now.
    queue.sync {}
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    defer { close(descriptor) }
    while Self.withAddress(path, { sendto(descriptor, "FILLER=1", 8, 0, $0, $1) }) == 8 {}
  }

  /// Reads again.
  func thaw() {
    if isFrozen.exchange(false, ordering: .relaxed) { source.resume() }
  }

  /// All messages so far.
  var messages: [Message] { received.withLock { $0 } }

  /// The last status.
  var status: String? { messages.last { $0["STATUS"] != nil }?["STATUS"] }

  /// When the daemon said for the first time that it is ready.
  var readyAt: Double? { messages.first { $0["READY"] == "1" }?.time }

  /// How many messages have this line.
  func count(of line: String) -> Int { messages.count { $0.lines.contains(line) } }

  private static func withAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }

  private func receive(_ descriptor: Int32) {
    var buffer = [UInt8](repeating: 0, count: 8192)
    while true {
      let count = recv(descriptor, &buffer, buffer.count, 0)
      guard count > 0 else { return }
      let lines = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
      received.withLock { $0.append(Message(time: Clock.monotonic, lines: lines)) }
    }
  }
}

/// The clocks that the harness reads.
enum Clock {
  /// Seconds of CLOCK_MONOTONIC, which all processes of a machine share.
  static var monotonic: Double { seconds(CLOCK_MONOTONIC) }

  /// Seconds since 1970.
  static var unix: Double { seconds(CLOCK_REALTIME) }

  private static func seconds(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
