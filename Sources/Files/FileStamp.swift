import Glibc

/// Which file it is, and of when: tells whether a configuration file was changed since it was read. Holds nothing of its content.
public struct FileStamp: Hashable, Sendable, Codable {
  private var inode: UInt64
  private var size: Int64
  private var modifiedSeconds: Int64
  private var modifiedNanoseconds: Int64

  /// The file at `path` as it is now; `nil` if this user cannot see it.
  public init?(at path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  init?(of descriptor: Int32) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    self.init(status)
  }

  private init(_ status: stat) {
    inode = UInt64(status.st_ino)
    size = Int64(status.st_size)
    modifiedSeconds = Int64(status.st_mtim.tv_sec)
    modifiedNanoseconds = Int64(status.st_mtim.tv_nsec)
  }
}
