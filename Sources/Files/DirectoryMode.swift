import Base
import Glibc

/// The mode of a directory of this process's user, to undo changes that would cost a token.
package struct DirectoryMode: Sendable {
  private let path: String
  private let mode: UInt32

  /// Notes the mode. `nil` if the directory belongs to another user, or is not fit for a token.
  package init?(of path: String) {
    guard let status = Self.withOwn(path, { $1 }), status.st_mode & 0o022 == 0, status.st_mode & 0o700 == 0o700 else {
      return nil
    }
    self.path = path
    mode = status.st_mode & 0o7777
  }

  /// Takes the right to write from other users. Gives the noted rights back to the owner and to the group.
  ///
  /// Rights of all users to read are no danger, so they stay.
  ///
  /// - Returns: the mode before and after; `nil` if nothing was to be changed, or the directory cannot be changed.
  package func restore() -> (before: UInt32, after: UInt32)? {
    Self.withOwn(path) { descriptor, status in
      let before = status.st_mode & 0o7777
      let after = (before | mode & 0o2770) & ~0o022
      // fchmod(2) does not accept such a descriptor. By the path, another process could have put a link there.
      guard after != before, chmod("/proc/self/fd/\(descriptor)", after) == 0 else { return nil }
      return (before, after)
    }
  }

  /// Performs with an open directory of this process's user; `nil` if it is not one. With mode 000, its owner cannot
  /// open it for reading.
  private static func withOwn<Result>(_ path: String, _ body: (Int32, stat) -> Result?) -> Result? {
    let descriptor = open(path, openPathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_uid == geteuid() ? body(descriptor, status) : nil
  }
}
