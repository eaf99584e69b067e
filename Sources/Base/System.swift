import CLinux
import Glibc

/// Names and numbers of users and groups.
public enum Account {
  /// The user's name, or the number if it has none.
  public static func user(_ id: UInt32) -> String {
    var entry = passwd()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<passwd>?
    guard getpwuid_r(id, &entry, &buffer, buffer.count, &found) == 0, let found else { return "\(id)" }
    return String(cString: found.pointee.pw_name)
  }

  /// The group's name, or the number if it has none.
  public static func group(_ id: UInt32) -> String {
    var entry = Glibc.group()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<Glibc.group>?
    guard getgrgid_r(id, &entry, &buffer, buffer.count, &found) == 0, let found else { return "\(id)" }
    return String(cString: found.pointee.gr_name)
  }

  /// A group's number by name.
  public static func groupID(named name: String) -> UInt32? {
    var entry = Glibc.group()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<Glibc.group>?
    guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, let found else { return nil }
    return found.pointee.gr_gid
  }

  /// A user's number by name.
  public static func userID(named name: String) -> UInt32? {
    var entry = passwd()
    var buffer = [CChar](repeating: 0, count: 16_384)
    var found: UnsafeMutablePointer<passwd>?
    guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, let found else { return nil }
    return found.pointee.pw_uid
  }
}

/// File modes as text.
package enum FileMode {
  /// The permission bits in octal: `0640`.
  package static func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

/// The parts of an absolute path.
package enum FilePath {
  /// All before the last slash; `/` for a file at the top.
  package static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// All after the last slash.
  package static func name(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return path }
    return String(path[path.index(after: slash)...])
  }
}

/// The description of an `errno`.
package enum SystemError {
  /// The description in English. Any thread can call this.
  package static func text(_ code: Int32) -> String {
    // strerrordesc_np(3) returns a constant. strerror(3) is not safe to call from several threads.
    guard let words = strerrordesc_np(code) else { return "error \(code)" }
    return String(cString: words)
  }

  /// What an administrator can do about a call on `path` that failed: each class of errors has a remedy of its own.
  package static func remedy(_ code: Int32, at path: String) -> String {
    let place = path.shellQuoted
    switch code {
    case ENOENT: return "create it, or correct the path"
    case ENOTDIR, EISDIR, ELOOP, ENAMETOOLONG: return "correct the path: namei -l \(place)"
    case EACCES, EPERM: return "see who has access: namei -l \(place)"
    case ENOSPC, EDQUOT: return "make room: df -h \(FilePath.directory(of: path).shellQuoted)"
    case EROFS: return "see why the file system is read-only: findmnt -T \(place)"
    case EMFILE, ENFILE: return "raise the limit of open files: ulimit -n"
    case ENOMEM: return "free memory: free -m"
    case EADDRINUSE: return "see which process listens there: ss -xlp"
    default: return "check the file system: findmnt -T \(place)"
    }
  }
}
