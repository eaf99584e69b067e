import Base
import CLinux
import Glibc

/// One file that readers see, replaced atomically.
///
/// A temporary file in the same directory gets its final mode before its first byte, is written whole, and is renamed over the target: a reader
/// that opens the path at any time gets the old content or the new, never a part, never nothing.
package struct PublishedFile {
  package let path: String
  package let mode: UInt32
  let allowsPersistentStorage: Bool

  /// Whether the directory must be fit for a secret, and the content must outlast a power cut.
  private let isGuarded: Bool

  /// Whether this process keeps the file open and locked: the lock shows other processes that this one lives.
  private let isHeld: Bool

  /// The file that is held.
  private var held: OpenDescriptor?

  /// What was left at the path: whether somebody has changed it since is told by comparing.
  private var left: Identity?

  package init(
    path: String, mode: UInt32, allowsPersistentStorage: Bool, isGuarded: Bool = true, isHeld: Bool = false
  ) {
    self.isGuarded = isGuarded
    self.isHeld = isHeld
    self.path = path
    self.mode = mode
    self.allowsPersistentStorage = allowsPersistentStorage
  }

  package var directory: String { FilePath.directory(of: path) }
  var name: String { FilePath.name(of: path) }

  /// Puts `content` in place.
  ///
  /// - Throws: `PublicationFailure`; the old content is in place then, and no temporary file is left.
  package mutating func replace(with content: UnsafeRawBufferPointer) throws(PublicationFailure) {
    let directory = try OutputDirectory(
      directory, allowsPersistentStorage: allowsPersistentStorage, isGuarded: isGuarded)
    try Self.requireFile(name, in: directory)
    let temporary = TemporaryName.make(for: name)
    let file: OpenDescriptor
    let identity: Identity
    do throws(PublicationFailure) {
      (file, identity) = try write(content, as: temporary, in: directory)
      guard renameat(directory.descriptor, temporary, directory.descriptor, name) == 0 else {
        throw .system("rename a temporary file to", path, errno)
      }
    } catch {
      unlinkat(directory.descriptor, temporary, 0)
      throw error
    }
    if allowsPersistentStorage, isGuarded { fsync(directory.descriptor) }
    left = identity
    // This releases the former file. A process that still reads that one sees that it has no name any more.
    if isHeld { held = file }
  }

  /// The same for what is no secret.
  package mutating func replace(with content: [UInt8]) throws(PublicationFailure) {
    try content.withUnsafeBufferPointer { bytes throws(PublicationFailure) in
      try replace(with: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Checks that a file could be put in place.
  ///
  /// - Throws: `PublicationFailure` as `replace` would.
  package func prepare() throws(PublicationFailure) {
    let directory = try OutputDirectory(directory, allowsPersistentStorage: allowsPersistentStorage)
    try Self.requireFile(name, in: directory)
  }

  /// Checks that `owner` could put the file in place; touches nothing.
  ///
  /// - Throws: `PublicationFailure` as `replace` would.
  package func check(owner: UInt32) throws(PublicationFailure) {
    let directory = try OutputDirectory(
      directory, allowsPersistentStorage: allowsPersistentStorage, owner: owner)
    try Self.requireFile(name, in: directory)
  }

  /// Removes the file, so that nobody reads what has ended. If even that fails, empties it. What is no file holds no token and is left alone; and
  /// where others could have put another directory into this one's place, all but the very file that was left there.
  ///
  /// - Throws: `PublicationFailure` if the ended token could be neither removed nor emptied.
  package mutating func remove() throws(PublicationFailure) {
    let former = left
    left = nil
    // A link in the directory's place leads to somebody else's.
    let place = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard place >= 0 else {
      if errno == ENOENT || errno == ENOTDIR || errno == ELOOP { return }
      throw .system("remove", path, errno)
    }
    defer { close(place) }
    if !OutputDirectory.isGuarded(place) {
      var status = stat()
      guard fstatat(place, name, &status, AT_SYMLINK_NOFOLLOW) == 0, let former, former.isSameFile(as: status) else {
        return
      }
    }
    guard unlinkat(place, name, 0) != 0, errno != ENOENT, errno != EISDIR else { return }
    let code = errno
    // Not truncate(2): it would follow a symbolic link to somebody else's file.
    let descriptor = openat(place, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system("remove", path, code) }
    close(descriptor)
  }

  /// Removes a regular file of this process's user, from a directory that is in nobody else's hands.
  ///
  /// - Returns: whether there was one, and it is gone.
  package static func removeOwn(_ path: String) -> Bool {
    let place = open(FilePath.directory(of: path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard place >= 0 else { return false }
    defer { close(place) }
    var status = stat()
    guard OutputDirectory.isGuarded(place), fstatat(place, FilePath.name(of: path), &status, AT_SYMLINK_NOFOLLOW) == 0,
      status.st_mode & S_IFMT == S_IFREG, status.st_uid == geteuid()
    else { return false }
    return unlinkat(place, FilePath.name(of: path), 0) == 0
  }

  /// Whether the file at the path is the one that `replace` left there, mode and content unchanged.
  package var isUndisturbed: Bool {
    guard let left else { return true }
    return Identity(at: path) == left
  }

  /// Takes the file that is there for the one that was left: after a restart that adopted its content.
  package mutating func adopt() {
    left = Identity(at: path)
  }

  private func write(
    _ content: UnsafeRawBufferPointer, as temporary: String, in directory: borrowing OutputDirectory
  ) throws(PublicationFailure) -> (OpenDescriptor, Identity) {
    let descriptor = openat(
      directory.descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create a file in", directory.path, errno) }
    let file = OpenDescriptor(descriptor)
    // Without such locks, `DaemonState` looks for the process itself.
    if isHeld { _ = linux_hold(descriptor) }
    // open(2) takes the umask off its mode; fchmod(2) does not. Before the first byte, so that nobody gets to read more or less than they may.
    guard fchmod(descriptor, mode) == 0 else { throw .system("set the mode of a file in", directory.path, errno) }
    var rest = content
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
      guard written > 0 else {
        if written < 0, errno == EINTR { continue }
        throw .system("write", path, written == 0 ? ENOSPC : errno)
      }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
    }
    if allowsPersistentStorage, isGuarded, fsync(descriptor) != 0 { throw .system("write", path, errno) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine", path, errno) }
    return (file, Identity(status))
  }

  /// Closes a file after its last use.
  private final class OpenDescriptor: Sendable {
    private let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }
  }

  private static func requireFile(_ name: String, in directory: borrowing OutputDirectory) throws(PublicationFailure) {
    var status = stat()
    guard fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
      guard errno == ENOENT else { throw .system("examine", "\(directory.path)/\(name)", errno) }
      return
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      let kind =
        switch status.st_mode & S_IFMT {
        case S_IFLNK: "a symbolic link"
        case S_IFDIR: "a directory"
        default: "not a regular file"
        }
      throw PublicationFailure(
        "\(directory.path)/\(name) is \(kind): a token is not written there; remove it, or set file to another path")
    }
  }

  /// What tells one file, and one state of it, from another.
  private struct Identity: Equatable {
    var device: UInt
    var inode: UInt
    var mode: UInt32
    var owner: UInt32
    var group: UInt32
    var size: Int
    var modifiedSeconds: Int
    var modifiedNanoseconds: Int

    init(_ status: stat) {
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
      mode = status.st_mode
      owner = status.st_uid
      group = status.st_gid
      size = Int(status.st_size)
      modifiedSeconds = status.st_mtim.tv_sec
      modifiedNanoseconds = status.st_mtim.tv_nsec
    }

    func isSameFile(as status: stat) -> Bool { device == UInt(status.st_dev) && inode == UInt(status.st_ino) }

    init?(at path: String) {
      var status = stat()
      guard lstat(path, &status) == 0 else { return nil }
      self.init(status)
    }
  }
}
