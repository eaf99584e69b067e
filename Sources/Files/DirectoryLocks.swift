import CLinux
import Glibc
import Synchronization

/// Locks on the directories that this process writes tokens to. A second daemon there would remove the first one's
/// files.
///
/// A lock is on an open file in the directory (fcntl(2)). The kernel releases it when the process ends, also after a
/// crash. The file contains the process id of the holder, for the message. No file is opened or read under the mutex,
/// because a file system can hang.
public final class DirectoryLocks: Sendable {
  /// A directory that another process has locked.
  public struct Held: Error, Hashable, Sendable, CustomStringConvertible {
    /// The directory.
    public var directory: String
    /// The process; `nil` if it is unknown.
    public var process: Int32?

    /// The problem and the remedy.
    public var description: String { "\(problem) -> \(remedy)" }

    var problem: String {
      let holder = process.map { "the daemon with process id \($0)" } ?? "another daemon"
      return "\(directory) belongs to \(holder): two daemons cannot write to one directory"
    }

    var remedy: String { process.map { "ps -fp \($0)" } ?? "ls -la \(directory.shellQuoted)" }
  }

  /// A lock, which is released with the last reference. Two paths of one directory share it.
  private final class Lock: Sendable {
    let descriptor: Int32
    let device: UInt
    let inode: UInt

    init(_ descriptor: Int32, _ status: stat) {
      self.descriptor = descriptor
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
    }

    deinit { close(descriptor) }

    func isOf(_ status: stat) -> Bool { device == UInt(status.st_dev) && inode == UInt(status.st_ino) }
  }

  private let locks = Mutex<[String: Lock]>([:])
  private let runtimeDirectory: String

  /// No locks yet. A lock on `runtimeDirectory` stays until the process ends.
  public init(runtimeDirectory: String) {
    self.runtimeDirectory = runtimeDirectory
  }

  /// Locks `directory`, unless this process has done so already.
  ///
  /// If the lock file cannot be created, nothing is thrown: the reason is reported when a token is written.
  ///
  /// - Throws: ``Held`` if another process has locked it.
  public func take(_ directory: String) throws(Held) {
    guard locks.withLock({ $0[directory] == nil }) else { return }
    let descriptor = open(
      directory + "/" + DaemonFile.lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
    var status = stat()
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else { return }
    let lock = Lock(descriptor, status)
    // The directory may be known by another path.
    if let known = locks.withLock({ $0.values.first { $0.isOf(status) } }) {
      return locks.withLock { $0[directory] = known }
    }
    if linux_hold(descriptor) != 0, errno == EAGAIN || errno == EACCES {
      let process = Self.holder(descriptor)
      // Another thread of this process was first.
      guard process != getpid() else { return }
      throw Held(directory: directory, process: process)
    }
    let text = Array("\(getpid())\n".utf8)
    _ = ftruncate(descriptor, 0)
    _ = pwrite(descriptor, text, text.count, 0)
    locks.withLock { $0[directory] = lock }
  }

  /// Locks `directory` again after it was removed and created anew, together with its lock file.
  public func takeAgain(_ directory: String) throws(Held) {
    // Closed outside of the mutex.
    _ = locks.withLock { $0.removeValue(forKey: directory) }
    try take(directory)
  }

  /// Releases all locks except those on `directories` and on the runtime directory.
  package func keep(_ directories: Set<String>) {
    var released: [Lock] = []
    locks.withLock { locks in
      for (directory, lock) in locks where directory != runtimeDirectory && !directories.contains(directory) {
        released.append(lock)
        locks[directory] = nil
      }
    }
    released.removeAll()
  }

  private static func holder(_ descriptor: Int32) -> Int32? {
    var buffer = [UInt8](repeating: 0, count: 16)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    return Int32(text.prefix { $0 != "\n" }).flatMap { $0 > 0 ? $0 : nil }
  }
}
