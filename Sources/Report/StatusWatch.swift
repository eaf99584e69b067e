import Files
import Glibc

/// The pauses of a command that polls a runtime directory for a change.
///
/// A change that the kernel reports ends the pause (inotify(7)). The directory is polled at least once per second,
/// because the kernel does not report all changes. It reports none of files in other directories, and none of hidden
/// files.
public struct StatusWatch: ~Copyable {
  private let directory: String
  /// The descriptor from inotify_init1(2); negative if the kernel has none left.
  private let descriptor: Int32
  private var isWatching = false

  /// The minimum pause. With ten thousand tokens, files change all the time.
  private static let shortest = Duration.milliseconds(100)
  private static let longest = Duration.seconds(1)

  /// Prepares pauses for `directory`, which need not exist.
  public init(of directory: String) {
    self.directory = directory
    descriptor = inotify_init1(O_NONBLOCK | O_CLOEXEC)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  /// Starts to watch. A later change ends the next pause.
  public mutating func prepare() {
    // systemd can have removed the directory and created it again.
    isWatching = descriptor >= 0 && DirectoryWatch.add(directory, to: descriptor) != nil
  }

  /// Pauses until something changes, but no longer than `limit`.
  public func pause(atMost limit: Duration) {
    let least = min(limit, Self.shortest)
    usleep(UInt32(max(0, least.nanoseconds) / 1000))
    guard isWatching else { return }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    let rest = min(limit, Self.longest) - least
    guard poll(&request, 1, Int32(max(0, rest.nanoseconds) / 1_000_000)) > 0 else { return }
    // Discards the events.
    withUnsafeTemporaryAllocation(byteCount: 4096, alignment: MemoryLayout<inotify_event>.alignment) { buffer in
      while read(descriptor, buffer.baseAddress, buffer.count) > 0 {}
    }
  }
}
