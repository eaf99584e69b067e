public import Base
import Glibc

/// An open file that a command passed to the daemon.
public final class PassedFile: Sendable {
  private let descriptor: Int32

  package init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// The content of a configuration file; `nil` if it is not a regular file, or cannot be read. The call can hang with its file system.
  public func content(atMost limit: Int) -> Secret? {
    FileContent.ofRegularFile(descriptor, limit: limit)
  }

  /// What is said against the mode of a file with secrets in it; `nil`: nothing.
  package func refusal(_ path: String) -> FileRefusal? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return FileRefusal(path: path, mode: status.st_mode, allowed: 0o700)
  }

  /// Which file it is, and of when.
  public var stamp: FileStamp? { FileStamp(of: descriptor) }
}
