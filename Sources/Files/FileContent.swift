package import Base
import Glibc

/// The one reader and writer of whole files.
package enum FileContent {
  /// Why a file was not read or written.
  package enum Failure: Error, Hashable {
    /// The system refused, with this `errno`.
    case system(Int32)
    /// The file has more bytes than the limit.
    case tooLarge

    /// The `errno`.
    package var code: Int32 {
      switch self {
      case .system(let code): code
      case .tooLarge: EFBIG
      }
    }
  }

  /// Reads an open file to its end, into memory that is overwritten when it is freed.
  ///
  /// A file that grows meanwhile is read to its new end. The descriptor's own position stays as it is.
  ///
  /// - Parameters:
  ///   - size: the size that fstat(2) reported, in bytes. It is 0 for files of the kernel.
  ///   - limit: the most bytes that are accepted.
  package static func read(_ descriptor: Int32, size: Int, limit: Int) throws(Failure) -> Secret {
    guard size <= limit else { throw .tooLarge }
    // One byte more than expected, so that the end is seen without a second buffer.
    var capacity = (size > 0 ? size : min(limit, 4096)) + 1
    var start: Secret?
    while true {
      let content = try Secret(capacity: capacity) { (memory, count) throws(Failure) in
        start?.withBytes { memory.copyBytes(from: $0) }
        count = start?.count ?? 0
        while count < memory.count {
          let got = pread(descriptor, memory.baseAddress?.advanced(by: count), memory.count - count, off_t(count))
          if got < 0, errno == EINTR { continue }
          guard got >= 0 else { throw .system(errno) }
          guard got > 0 else { return }
          count += got
        }
      }
      guard content.count == capacity else { return content }
      guard capacity <= limit else { throw .tooLarge }
      start = content
      capacity = min(2 * capacity, limit + 1)
    }
  }

  /// The content of an open regular file; `nil` if it is no such file, cannot be read, or is longer than `limit`.
  package static func ofRegularFile(_ descriptor: Int32, limit: Int) -> Secret? {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return try? read(descriptor, size: Int(status.st_size), limit: limit)
  }

  /// The text of a file of the system, such as a unit file; `nil` if it cannot be read, or is longer than `limit`.
  ///
  /// Symbolic links are followed, whoever made them.
  package static func text(of path: String, limit: Int = 1 << 20) -> String? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    return ofRegularFile(descriptor, limit: limit)?.exposed
  }

  /// Writes all bytes to a descriptor.
  package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws(Failure) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system(count == 0 ? ENOSPC : errno) }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
  }

  /// The same.
  package static func write(_ bytes: [UInt8], to descriptor: Int32) throws(Failure) {
    try bytes.withUnsafeBufferPointer { (bytes) throws(Failure) in
      try write(UnsafeRawBufferPointer(bytes), to: descriptor)
    }
  }
}
