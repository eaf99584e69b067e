import Base
import Glibc

/// What this user sees of a token's file without reading it.
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
