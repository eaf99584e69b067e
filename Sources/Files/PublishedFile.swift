import Base
import CLinux
import Glibc

/// One file that applications read, replaced atomically.
///
/// A temporary file in the same directory gets its final mode before its first byte, is written completely, and is
/// renamed over the target. An application that opens the path reads the old content or the new, never a part.
package struct PublishedFile {
  package let path: String
  package let mode: UInt32
  let allowsPersistentStorage: Bool

  /// Whether the directory must be fit for a secret, and whether the content must survive a power cut.
  private let isGuarded: Bool

  /// Whether this process keeps the file open and locked. The lock shows other processes that this one is running.
  private let isLocked: Bool

  /// The open and locked file.
  private var lockedFile: OpenDescriptor?

  /// The file as `replace` left it, to detect changes by others.
  private var published: Identity?
  /// The digest of that content, if the owner gave one.
  private var digest: [UInt8]?

  package init(
    path: String, mode: UInt32, allowsPersistentStorage: Bool, isGuarded: Bool = true, isLocked: Bool = false
  ) {
    self.isGuarded = isGuarded
    self.isLocked = isLocked
    self.path = path
    self.mode = mode
    self.allowsPersistentStorage = allowsPersistentStorage
  }

  package var directory: String { FilePath.directory(of: path) }
  var name: String { FilePath.name(of: path) }

  /// Publishes `content`.
  ///
  /// - Parameter digest: the digest of `content`, for `holds`.
  /// - Throws: `PublicationFailure`. The old content stays then, and no temporary file is left.
  package mutating func replace(
    with content: UnsafeRawBufferPointer, digest: [UInt8]? = nil
  ) throws(PublicationFailure) {
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
    published = identity
    self.digest = digest
    // This unlocks the previous file. A process that still reads it sees that it has no name any more.
    if isLocked { lockedFile = file }
  }

  /// Publishes content that is not secret.
  package mutating func replace(with content: [UInt8]) throws(PublicationFailure) {
    try content.withUnsafeBufferPointer { bytes throws(PublicationFailure) in
      try replace(with: UnsafeRawBufferPointer(bytes))
    }
  }

  /// Checks that a file can be published.
  ///
  /// - Throws: `PublicationFailure` as `replace` would.
  package func prepare() throws(PublicationFailure) {
    let directory = try OutputDirectory(directory, allowsPersistentStorage: allowsPersistentStorage)
    try Self.requireFile(name, in: directory)
  }

  /// Checks that `owner` can publish the file. Changes nothing.
  ///
  /// - Throws: `PublicationFailure` as `replace` would.
  package func check(owner: UInt32) throws(PublicationFailure) {
    let directory = try OutputDirectory(
      directory, allowsPersistentStorage: allowsPersistentStorage, owner: owner)
    try Self.requireFile(name, in: directory)
  }

  /// Removes the file, so that no application reads an expired token. If the removal fails, empties the file.
  ///
  /// Something that is not a file contains no token and stays. If others can have replaced the directory, only the file
  /// that `replace` left is removed.
  ///
  /// - Throws: `PublicationFailure` if the file can be neither removed nor emptied.
  package mutating func remove() throws(PublicationFailure) {
    let former = published
    published = nil
    digest = nil
    // A link in place of the directory leads to another user's directory.
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
    // Not truncate(2), which follows a symbolic link to another user's file.
    let descriptor = openat(place, name, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw .system("remove", path, code) }
    close(descriptor)
  }

  /// Removes a regular file of this process's user, from a directory that other users cannot change.
  ///
  /// - Returns: whether a file was removed.
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

  /// Whether the file at the path is the one that `replace` left, with the same mode and content.
  package var isIntact: Bool {
    guard let published else { return true }
    return Identity(at: path) == published
  }

  /// Whether the file at the path is the one that `replace` left with the content of this digest.
  package func holds(_ digest: [UInt8]) -> Bool { self.digest == digest && isIntact }

  /// Treats the present file as the one that `replace` left. This follows a restart that restored its content.
  package mutating func adopt(digest: [UInt8]? = nil) {
    published = Identity(at: path)
    self.digest = published == nil ? nil : digest
  }

  private func write(
    _ content: UnsafeRawBufferPointer, as temporary: String, in directory: borrowing OutputDirectory
  ) throws(PublicationFailure) -> (OpenDescriptor, Identity) {
    let descriptor = openat(
      directory.descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .system("create a file in", directory.path, errno) }
    let file = OpenDescriptor(descriptor)
    // If the file system has no such locks, `DaemonState` looks for the process.
    if isLocked { _ = linux_hold(descriptor) }
    // open(2) applies the umask, fchmod(2) does not. The mode is set before the first byte, so that other users can
    // never read it.
    guard fchmod(descriptor, mode) == 0 else { throw .system("set the mode of a file in", directory.path, errno) }
    do throws(FileContent.Failure) { try FileContent.write(content, to: descriptor) } catch {
      throw .system("write", path, error.code)
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
        "\(directory.path)/\(name) is \(kind): a token is not written there",
        remedy: "remove it, or set file to another path")
    }
  }

  /// The identity of a file, and of its version.
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

/// The names of temporary files beside their target: `.NAME.tmp-RANDOM`.
package enum TemporaryName {
  private static let mark = ".tmp-"

  /// An unpredictable name, so that other users cannot create the file earlier.
  static func make(for name: String) -> String {
    ".\(name)\(mark)\(String(UInt64.random(in: .min ... .max), radix: 36))"
  }

  /// Removes temporary files of `names` from `directory` that a killed process left.
  package static func sweep(_ directory: String, of names: Set<String>) {
    guard let stream = opendir(directory) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let found = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard found.first == ".", let marked = found.ranges(of: mark).last else { continue }
      if names.contains(String(found[..<marked.lowerBound].dropFirst())) { unlinkat(dirfd(stream), found, 0) }
    }
  }
}
