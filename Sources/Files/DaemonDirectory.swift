package import Base
package import CLinux
import Glibc

/// A directory that a daemon publishes into, opened by a command that does not trust the daemon's user.
///
/// Root runs the command. The daemon's user can put links to other files, pipes and huge files into the directory. So a
/// command reads only files that the daemon can have published. It checks the descriptor that it reads.
package struct DaemonDirectory: ~Copyable {
  private let descriptor: Int32

  /// The daemon's user.
  package let owner: UInt32

  /// What was read.
  package struct File {
    package var content: Secret
    /// When it was written, seconds since 1970.
    package var modified: Double
    /// Whether a process has locked the file (`PublishedFile.isLocked`).
    package var isLocked: Bool
  }

  /// Opens the directory.
  ///
  /// - Throws: if it is a symbolic link, or if other users than its owner can write to it.
  package init(_ path: String) throws(PrivateFile.Unreadable) {
    let descriptor = open(path, openPathOnly | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else {
      let code = errno
      throw code == ENOTDIR ? .init(reason: "\(path) is no directory, or a symbolic link to one") : .init(code: code)
    }
    var status = stat()
    do throws(PrivateFile.Unreadable) {
      guard fstat(descriptor, &status) == 0 else { throw .init(code: errno) }
      guard status.st_mode & 0o022 == 0 else {
        throw .init(reason: "others can write to the directory \(path) (mode \(FileMode.octal(status.st_mode)))")
      }
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    owner = status.st_uid
  }

  deinit {
    close(descriptor)
  }

  /// Reads a file by its path. Its directory must belong to `owner`.
  package static func read(
    _ path: String, of owner: UInt32, maximum: Int, forbidden: mode_t = 0o022
  ) throws(PrivateFile.Unreadable) -> Secret {
    let place = FilePath.directory(of: path)
    let directory = try DaemonDirectory(place)
    guard directory.owner == owner else {
      throw .init(reason: "\(place) belongs to user \(directory.owner), the daemon runs as user \(owner)")
    }
    return try directory.read(FilePath.name(of: path), maximum: maximum, forbidden: forbidden).content
  }

  /// Reads a regular file of the directory's owner. The file must have one name only, and some content.
  ///
  /// - Parameters:
  ///   - maximum: in bytes; a larger file is not read.
  ///   - forbidden: the permission bits that the file must not have.
  package func read(_ name: String, maximum: Int, forbidden: mode_t = 0o022) throws(PrivateFile.Unreadable) -> File {
    var attempts = 0
    while true {
      let opened = openat(descriptor, name, PrivateFile.openFlags)
      let isLocked = opened >= 0 && linux_is_held(opened) != 0
      var found = stat()
      let content = try PrivateFile.read(opened, maximum: maximum) { (status) throws(PrivateFile.Unreadable) in
        try check(status, forbidden)
        found = status
      }
      attempts += 1
      // The daemon replaced the file after it was opened, and has locked the new one.
      if !isLocked, found.st_nlink == 0, attempts < 10 { continue }
      let modified = Double(found.st_mtim.tv_sec) + Double(found.st_mtim.tv_nsec) / 1e9
      return File(content: content, modified: modified, isLocked: isLocked)
    }
  }

  private func check(_ status: stat, _ forbidden: mode_t) throws(PrivateFile.Unreadable) {
    guard status.st_uid == owner else {
      throw .init(reason: "it belongs to user \(status.st_uid), its directory to user \(owner)")
    }
    guard status.st_mode & forbidden == 0 else {
      throw .init(reason: "others can write to it (mode \(FileMode.octal(status.st_mode)))")
    }
    guard status.st_nlink <= 1 else { throw .init(reason: "it is a hard link") }
    guard status.st_size > 0 else { throw .init(reason: "it is empty") }
  }
}

/// The names of files that the daemon keeps for itself, so that no output can have them.
package enum DaemonFile {
  /// The status, in the runtime directory.
  package static let status = "status.json"
  /// The control socket, in the runtime directory.
  package static let control = "control"
  /// The socket for reports of rejected tokens, in the runtime directory.
  package static let rejections = "reject.sock"
  /// The lock, in each directory that the daemon writes to.
  package static let lock = ".konexus-tokend.lock"
}
