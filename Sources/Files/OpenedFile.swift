import Base
import Glibc

/// A regular file, open for reading, with what was true of this very descriptor.
struct OpenedFile {
  let descriptor: Int32
  let status: stat
  fileprivate let parent: stat

  init(descriptor: Int32, status: stat, parent: stat) {
    self.descriptor = descriptor
    self.status = status
    self.parent = parent
  }

  func close() { Glibc.close(descriptor) }

  /// Whether the directory that the file was found in is `directory`.
  func isDirectly(in directory: String?) -> Bool {
    guard let directory else { return false }
    var status = stat()
    return stat(directory, &status) == 0 && status.st_dev == parent.st_dev && status.st_ino == parent.st_ino
  }

  /// All of the file, into memory that is wiped.
  func read(path: String, limit: Int) throws(FileRefusal) -> Secret {
    var buffer = [UInt8](repeating: 0, count: min(max(Int(status.st_size), 0), limit) + 1)
    defer { Self.wipe(&buffer) }
    var count = 0
    while true {
      // A file that grows meanwhile is read again from a larger buffer rather than cut.
      if count == buffer.count {
        guard count <= limit else {
          throw FileRefusal(path: path, problem: "is larger than \(limit / 1024) KiB", remedy: "name the right file")
        }
        var larger = [UInt8](repeating: 0, count: min(2 * count, limit + 1))
        larger.replaceSubrange(0..<count, with: buffer)
        Self.wipe(&buffer)
        swap(&buffer, &larger)
      }
      let got = buffer.withUnsafeMutableBytes { bytes in
        bytes.baseAddress.map { Glibc.read(descriptor, $0 + count, bytes.count - count) } ?? 0
      }
      if got == 0 { return buffer.withUnsafeBytes { Secret($0[..<count]) } }
      if got > 0 {
        count += got
      } else if errno != EINTR {
        throw FileRefusal(path: path, errno: errno, userID: geteuid())
      }
    }
  }

  private static func wipe(_ buffer: inout [UInt8]) {
    buffer.withUnsafeMutableBytes { bytes in
      if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
    }
  }
}
