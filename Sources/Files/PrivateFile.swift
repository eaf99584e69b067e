package import Base
import Glibc

/// Reads a small file that this daemon wrote.
package enum PrivateFile {
  /// Why it was not read; worth a line at debug level only.
  package struct Unreadable: Error {
    package var reason: String
    /// The system's error number, if the system refused.
    package var code: Int32?

    package init(reason: String) { self.reason = reason }

    init(code: Int32) {
      reason = SystemError.text(code)
      self.code = code
    }
  }

  /// Reads the whole file: a regular one, no symbolic link, and (if `owned`) this user's own and not writable by anybody else.
  ///
  /// - Parameter maximum: in bytes; a larger file is not read.
  package static func read(_ path: String, maximum: Int, owned: Bool = true) throws(Unreadable) -> Secret {
    try read(open(path, openFlags), maximum: maximum) { (status) throws(Unreadable) in
      guard !owned || (status.st_uid == geteuid() && status.st_mode & 0o022 == 0) else {
        throw Unreadable(reason: "somebody else may have written it")
      }
    }
  }

  /// `O_NONBLOCK`: a FIFO without a writer, or a lease of another process, must not hold up the reader.
  static let openFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY

  /// Reads the regular file behind a descriptor, and closes that. A negative one stands for `errno`.
  ///
  /// - Parameter check: refuses the file by what is true of this very descriptor.
  static func read(
    _ descriptor: Int32, maximum: Int, check: (stat) throws(Unreadable) -> Void
  ) throws(Unreadable) -> Secret {
    guard descriptor >= 0 else { throw Unreadable(code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Unreadable(code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Unreadable(reason: "not a regular file") }
    try check(status)
    do throws(FileContent.Failure) {
      return try FileContent.read(descriptor, size: Int(status.st_size), limit: maximum)
    } catch {
      switch error {
      case .system(let code): throw Unreadable(code: code)
      case .tooLarge: throw Unreadable(reason: "larger than \(maximum) bytes")
      }
    }
  }
}
