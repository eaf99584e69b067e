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
  /// Symbolic links are followed.
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

/// Reads small files that this daemon wrote.
package enum PrivateFile {
  /// Why a file was not read. It is logged at debug level only.
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

  /// Reads a regular file. Symbolic links are not followed.
  ///
  /// - Parameters:
  ///   - maximum: the most bytes that are accepted.
  ///   - owned: whether the file must belong to this user, and be writable by no other user.
  package static func read(_ path: String, maximum: Int, owned: Bool = true) throws(Unreadable) -> Secret {
    try read(open(path, openFlags), maximum: maximum) { (status) throws(Unreadable) in
      guard !owned || (status.st_uid == geteuid() && status.st_mode & 0o022 == 0) else {
        throw Unreadable(reason: "another user can have written it")
      }
    }
  }

  /// `O_NONBLOCK`: a FIFO without a writer, or a lease of another process, must not block the reader.
  static let openFlags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY

  /// Reads the regular file behind a descriptor, and closes the descriptor. A negative descriptor stands for `errno`.
  ///
  /// - Parameter check: throws if the file's status makes it unusable. It gets the status of the descriptor that is
  ///   read.
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

extension FileContent {
  /// The names of the tables `[table.NAME]` in a TOML file, for shell completion; none if it cannot be read.
  ///
  /// Other lines, which can hold secrets, are not copied out of the memory that is wiped.
  package static func tableNames(of path: String, in table: String, limit: Int = 1 << 20) -> [String] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    let prefix = Array("[\(table).".utf8)
    return ofRegularFile(descriptor, limit: limit)?.withBytes { bytes in
      bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
        let line = line.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        guard line.starts(with: prefix), let end = line.firstIndex(of: UInt8(ascii: "]")) else { return nil }
        return String(decoding: line[line.index(line.startIndex, offsetBy: prefix.count)..<end], as: UTF8.self)
      }
    } ?? []
  }
}
