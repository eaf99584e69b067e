import Glibc
import Synchronization

/// The directories that this process alone writes tokens to: a second daemon there would remove the first one's files.
///
/// A lock (fcntl(2)) on a file in the directory: the kernel releases it when the process ends, however it ends, and names its holder.
public final class DirectoryLocks: Sendable {
  /// Another process has a directory.
  public struct Held: Error, Hashable, Sendable, CustomStringConvertible {
    /// The directory.
    public var directory: String
    /// The process; `nil` if it is in another container.
    public var process: Int32?

    /// What is wrong, and what to do.
    public var description: String {
      let holder = process.map { "the daemon with process id \($0)" } ?? "a daemon in another container"
      let command = process.map { "ps -fp \($0)" } ?? "ls -la \(directory)"
      return "\(directory) belongs to \(holder): two daemons cannot write to one directory -> \(command)"
    }
  }

  private static let name = ".konexus-tokend.lock"
  private let descriptors = Mutex<[String: Int32]>([:])

  private let runtimeDirectory: String

  /// No directories yet. `runtimeDirectory` is kept until the process ends, once it was taken.
  public init(runtimeDirectory: String) {
    self.runtimeDirectory = runtimeDirectory
  }

  /// Takes `directory`, unless this process has it already. What keeps a lock file from being made is reported when a token is written.
  ///
  /// - Throws: ``Held`` if another process has it.
  public func take(_ directory: String) throws(Held) {
    try descriptors.withLock { descriptors throws(Held) in
      // A second descriptor for the same file would release the lock when it is closed.
      guard descriptors[directory] == nil else { return }
      let path = directory + "/" + Self.name
      let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
      guard descriptor >= 0 else { return }
      if Self.lock(descriptor, F_SETLK) == nil || (errno != EAGAIN && errno != EACCES) {
        descriptors[directory] = descriptor
        return
      }
      let process = Self.lock(descriptor, F_GETLK)
      close(descriptor)
      throw Held(directory: directory, process: process.flatMap { $0 > 0 ? $0 : nil })
    }
  }

  /// Takes `directory` once more: it was removed and made again, and its lock file with it.
  public func takeAgain(_ directory: String) throws(Held) {
    descriptors.withLock { descriptors in
      if let former = descriptors.removeValue(forKey: directory) { close(former) }
    }
    try take(directory)
  }

  /// Releases all directories but these and the runtime directory.
  func keep(_ directories: Set<String>) {
    descriptors.withLock { descriptors in
      for (directory, descriptor) in descriptors
      where directory != runtimeDirectory && !directories.contains(directory) {
        close(descriptor)
        descriptors[directory] = nil
      }
    }
  }

  /// - Returns: with `F_SETLK` nil if the lock was taken; with `F_GETLK` who has it.
  private static func lock(_ descriptor: Int32, _ command: Int32) -> Int32? {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    let isDone = fcntl(descriptor, command, &lock) == 0
    return command == F_SETLK ? (isDone ? nil : -1) : lock.l_pid
  }
}
