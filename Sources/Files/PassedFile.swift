public import Base
import Glibc

/// An open file that a command passed to the daemon.
public final class PassedFile: Sendable {
  private let descriptor: Int32

  package init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// The content of a configuration file; `nil` if it is not a regular file, or cannot be read. The call can hang with its file system.
  public func content(atMost limit: Int) -> Secret? { Secret(readingFrom: descriptor, at: 0, atMost: limit) }

  /// What is said against the mode of a file with secrets in it; `nil`: nothing.
  package func refusal(_ path: String) -> FileRefusal? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return FileRefusal(path: path, mode: status.st_mode, allowed: 0o700)
  }

  /// Which file it is, and of when.
  public var stamp: FileStamp? { FileStamp(of: descriptor) }
}

extension Secret {
  /// The content of an open file from `offset` on; `nil` if it cannot be read, or is longer than `limit`. The descriptor's own position stays.
  package convenience init?(readingFrom descriptor: Int32, at offset: Int, atMost limit: Int) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= limit else {
      return nil
    }
    let size = Int(status.st_size)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: size + 1, alignment: 1)
    defer {
      if let base = buffer.baseAddress { explicit_bzero(base, buffer.count) }
      buffer.deallocate()
    }
    var count = 0
    while count < buffer.count {
      let more = pread(descriptor, buffer.baseAddress?.advanced(by: count), buffer.count - count, off_t(offset + count))
      if more < 0, errno == EINTR { continue }
      guard more >= 0 else { return nil }
      guard more > 0 else { break }
      count += more
    }
    // It grew meanwhile.
    guard count <= size else { return nil }
    self.init(buffer[..<count])
  }
}
