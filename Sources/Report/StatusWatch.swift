import Files
import Glibc

/// The pauses of a command that looks at a runtime directory until something has changed there.
///
/// Where the kernel reports changes (inotify(7)), a change ends the pause. There is one look a second at least, for what
/// is not reported: a token's file in another directory, a directory that is hidden from this user.
public struct StatusWatch: ~Copyable {
  private let directory: String
  /// From inotify_init1(2); negative if the kernel has none to give.
  private let descriptor: Int32
  private var isWatching = false

  /// No two looks are closer: the daemon of ten thousand tokens changes its files all the time.
  private static let shortest = Duration.milliseconds(100)
  private static let longest = Duration.seconds(1)

  /// Pauses between looks at `directory`, which need not exist.
  public init(of directory: String) {
    self.directory = directory
    descriptor = inotify_init1(O_NONBLOCK | O_CLOEXEC)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Prepares a look: each later change ends the pause that follows.
  public mutating func prepare() {
    // Each time: systemd removes the directory and makes a new one.
    isWatching = descriptor >= 0 && DirectoryWatch.add(directory, to: descriptor) != nil
  }

  /// Pauses for `limit` at most.
  public func pause(atMost limit: Duration) {
    let least = min(limit, Self.shortest)
    usleep(UInt32(max(0, least.nanoseconds) / 1000))
    guard isWatching else { return }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let rest = min(limit, Self.longest) - least
    guard poll(&request, 1, Int32(max(0, rest.nanoseconds) / 1_000_000)) > 0 else { return }
    // What changed does not matter.
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
    }
  }
}
