import Base
import Glibc

/// The identity and version of a file, which show whether a configuration file was changed since it was read. It
/// contains nothing of the content.
public struct FileStamp: Hashable, Sendable, Codable {
  private var inode: UInt64
  private var size: Int64
  private var modifiedSeconds: Int64
  private var modifiedNanoseconds: Int64

  /// The stamp of the file at `path`; `nil` if this user cannot access it.
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

/// What this user can see of a token's file without reading it.
public struct FileAttributes: Hashable, Sendable, Encodable {
  /// Whether something is at the path; `nil` if this user may not look.
  public var exists: Bool?
  /// Its permission bits in octal.
  public var mode: String?
  /// Its owner's name, or number.
  public var owner: String?
  /// Its group's name, or number.
  public var group: String?
  /// When it was written, seconds since 1970.
  package var modified: Double?

  private enum CodingKeys: String, CodingKey {
    case exists, mode, owner, group
  }

  /// The command that adds this user to the group of a file, or of its directory if the file is hidden.
  public static func joining(_ path: String) -> String {
    let group = FileAttributes(path).group ?? FileAttributes(FilePath.directory(of: path)).group ?? "konexus-token"
    return "sudo usermod -aG \(group.shellQuoted) \(Account.user(geteuid()).shellQuoted)"
  }

  /// Looks at `path`.
  public init(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { exists = false }
      return
    }
    exists = true
    mode = FileMode.octal(status.st_mode)
    owner = Account.user(status.st_uid)
    group = Account.group(status.st_gid)
    modified = Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
  }
}
