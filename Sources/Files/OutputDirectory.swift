import Base
import CLinux
import Glibc

/// An open directory that is fit to hold a token: it is in memory, and only its owner can write to it.
///
/// It is opened anew for each publication, because the directory at the path can have been replaced. All later steps
/// use its descriptor.
package struct OutputDirectory: ~Copyable {
  package let descriptor: Int32
  package let path: String

  /// Opens the directory and checks it.
  ///
  /// - Parameters:
  ///   - owner: the user that must own it, or else root.
  ///   - isGuarded: whether to check it. A file that is no secret can be in any directory.
  /// - Throws: `PublicationFailure` if it is missing, writable by others, or not in memory although it must be.
  package init(_ path: String, allowsPersistentStorage: Bool, owner: UInt32 = geteuid(), isGuarded: Bool = true)
    throws(PublicationFailure)
  {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code = errno
      switch code {
      case ENOENT:
        throw .system(
          "open the directory", path, code,
          remedy:
            "create it for the daemon, below /run by tmpfiles.d(5) too: "
            + "install -d -m 0750 -o \(Account.user(owner)) -g konexus-token \(path.shellQuoted)")
      case ENOTDIR, ELOOP:
        throw PublicationFailure(
          "\(path) is not a directory, or is a symbolic link to one",
          remedy: "name the real directory: readlink -f \(path.shellQuoted)")
      default:
        throw .system("open the directory", path, code)
      }
    }
    do throws(PublicationFailure) {
      if isGuarded { try Self.check(descriptor, path, allowsPersistentStorage, owner: owner) }
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    self.path = path
  }

  deinit {
    close(descriptor)
  }

  /// Whether only root or this process's user owns an open directory and can write to it.
  static func isGuarded(_ descriptor: Int32) -> Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_mode & 0o022 == 0
      && (status.st_uid == geteuid() || status.st_uid == 0)
  }

  private static let tmpfs = 0x0102_1994
  private static let ramfs = 0x8584_58f6

  private static func check(_ descriptor: Int32, _ path: String, _ allowsPersistentStorage: Bool, owner: UInt32)
    throws(PublicationFailure)
  {
    var status = stat()
    let type = linux_filesystem_type(descriptor)
    guard type >= 0, fstat(descriptor, &status) == 0 else { throw .system("examine", path, errno) }
    guard allowsPersistentStorage || type == tmpfs || type == ramfs else {
      throw PublicationFailure(
        "\(path) is not on tmpfs: a token there would be written to a disk",
        remedy: "use a directory below /run, or set allow_persistent_storage = true in [daemon]")
    }
    guard status.st_mode & 0o022 == 0 else {
      // All users need /tmp and /dev/shm as they are.
      let remedy =
        status.st_mode & S_ISVTX != 0
        ? "use a directory below /run, which only the daemon can write to" : "chmod go-w \(path.shellQuoted)"
      throw PublicationFailure(
        "\(path) is writable by other users (mode \(FileMode.octal(status.st_mode))), who could forge a token there",
        remedy: remedy)
    }
    guard status.st_uid == owner || status.st_uid == 0 else {
      throw PublicationFailure(
        "\(path) belongs to user \(status.st_uid), who could forge a token there",
        remedy: "chown \(owner) \(path.shellQuoted)")
    }
    // Only its owner can write to it, so that must be the daemon's user, unless the daemon is root.
    guard status.st_uid == owner || owner == 0 else {
      throw PublicationFailure(
        "\(path) belongs to root: the daemon, user \(owner), cannot write to it",
        remedy: "chown \(owner) \(path.shellQuoted)")
    }
    guard owner == 0 || status.st_mode & 0o300 == 0o300 else {
      throw PublicationFailure(
        "\(path) is not writable by its owner (mode \(FileMode.octal(status.st_mode)))",
        remedy: "chmod u+rwx \(path.shellQuoted)")
    }
  }
}

/// Why a file could not be published, and what to do about it.
public struct PublicationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// What failed, with the path.
  public var problem: String
  /// What an administrator can do, in one line; `nil` if nothing is known.
  public var remedy: String?
  /// Whether another daemon has locked the directory. That daemon can end soon.
  public var isOccupied = false

  /// The problem and the remedy.
  public var description: String { problem + (remedy.map { " -> " + $0 } ?? "") }

  package init(_ problem: String, remedy: String? = nil) {
    self.problem = problem
    self.remedy = remedy
  }

  package init(_ held: DirectoryLocks.Held) {
    self.init(held.problem, remedy: held.remedy)
    isOccupied = true
  }

  /// The same for a token that stays at `path` meanwhile.
  package func whileKept(in path: String) -> PublicationFailure {
    var failure = self
    failure.problem += "; the token stays in \(path) until then"
    return failure
  }

  package static func system(
    _ what: String, _ path: String, _ code: Int32, remedy: String? = nil
  ) -> PublicationFailure {
    PublicationFailure(
      "cannot \(what) \(path): \(SystemError.text(code))", remedy: remedy ?? SystemError.remedy(code, at: path))
  }
}
