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
    do throws(FileContent.Failure) {
      return try FileContent.read(descriptor, size: Int(status.st_size), limit: limit)
    } catch {
      switch error {
      case .system(let code): throw FileRefusal(path: path, errno: code, userID: geteuid())
      case .tooLarge:
        throw FileRefusal(path: path, problem: "is larger than \(limit / 1024) KiB", remedy: "name the right file")
      }
    }
  }
}
