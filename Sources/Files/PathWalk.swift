import Glibc

/// `O_PATH` of open(2), which glibc shows to C with _GNU_SOURCE only. The value is that of asm-generic: x86-64, arm64,
/// riscv64.
package let openPathOnly: Int32 = 0o10_000_000

/// Opens a regular file component by component, and checks the symbolic links on the way.
///
/// A path without symbolic links is opened as it is. If links are followed, each of them and each directory on the way
/// must belong to root or to the daemon's user. Links are common in Kubernetes secrets, for example. Other users must
/// not be able to write to such a directory. A sticky directory is an exception, because users cannot replace files of
/// others in it.
///
/// Each step uses the descriptor of the directory before, so that renames during the walk have no effect.
struct PathWalk {
  private(set) var directory: Int32
  private var pending: [String]
  private var linksFollowed = 0
  /// The first directory on the way that others can change. It is an error only after a link was followed.
  private var openDirectory: String?
  private var walked = ""
  private let path: String
  private let userID: UInt32

  /// The kernel has the same limit (path_resolution(7)).
  private static let maximumLinks = 40

  /// Opens the file at the absolute or relative `path` for reading.
  static func open(_ path: String, userID: UInt32) throws(FileRefusal) -> OpenedFile {
    FileCalls.note(path)
    var walk = try PathWalk(path, userID: userID)
    defer { close(walk.directory) }
    while let name = walk.nextName() {
      let isLast = walk.pending.isEmpty
      if let file = try walk.step(to: name, isLast: isLast) { return file }
    }
    throw FileRefusal(path: path, problem: "is a directory", remedy: "name a file")
  }

  private init(_ path: String, userID: UInt32) throws(FileRefusal) {
    self.path = path
    self.userID = userID
    pending = path.split(separator: "/").reversed().map(String.init)
    directory = Glibc.open(path.hasPrefix("/") ? "/" : ".", openPathOnly | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw FileRefusal(path: path, errno: errno, userID: userID) }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      close(directory)
      throw FileRefusal(path: path, problem: "is no path", remedy: "name a file")
    }
  }

  private mutating func nextName() -> String? { pending.popLast() }

  /// Continues with `name`. Returns the file if it is one.
  private mutating func step(to name: String, isLast: Bool) throws(FileRefusal) -> OpenedFile? {
    let next = openat(directory, name, openPathOnly | O_NOFOLLOW | O_CLOEXEC)
    guard next >= 0 else { throw FileRefusal(path: path, errno: errno, userID: userID) }
    var status = stat()
    guard fstat(next, &status) == 0 else {
      defer { close(next) }
      throw FileRefusal(path: path, errno: errno, userID: userID)
    }
    switch status.st_mode & S_IFMT {
    case S_IFLNK:
      defer { close(next) }
      try follow(next, status, name)
      return nil
    case S_IFDIR:
      close(directory)
      directory = next
      walked += "/" + name
      noteDirectory(status)
      try refuseOpenDirectoryBehindLink()
      return nil
    default:
      close(next)
      guard isLast else { throw FileRefusal(path: path, errno: ENOTDIR, userID: userID) }
      return try openFile(name)
    }
  }

  private mutating func noteDirectory(_ status: stat) {
    let othersMayWrite = status.st_mode & 0o022 != 0 && status.st_mode & S_ISVTX == 0
    if openDirectory == nil, othersMayWrite || (status.st_uid != 0 && status.st_uid != userID) {
      openDirectory = walked
    }
  }

  private func refuseOpenDirectoryBehindLink() throws(FileRefusal) {
    guard linksFollowed > 0, let openDirectory else { return }
    throw FileRefusal(
      path: path,
      problem:
        "is reached through a symbolic link, "
        + "and other users may change the directory '\(openDirectory.printable)' on the way",
      remedy:
        "name the file itself, or protect it: chown root \(openDirectory.shellQuoted) "
        + "&& chmod go-w \(openDirectory.shellQuoted)"
    )
  }

  private mutating func follow(_ link: Int32, _ status: stat, _ name: String) throws(FileRefusal) {
    guard status.st_uid == 0 || status.st_uid == userID else {
      throw FileRefusal(
        path: path,
        problem:
          "is reached through the symbolic link '\((walked + "/" + name).printable)' "
          + "of another user (uid \(status.st_uid))",
        remedy: "name the file itself")
    }
    linksFollowed += 1
    try refuseOpenDirectoryBehindLink()
    guard linksFollowed <= Self.maximumLinks else { throw FileRefusal(path: path, errno: ELOOP, userID: userID) }
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlinkat(link, "", &buffer, buffer.count)
    guard count > 0 else { throw FileRefusal(path: path, errno: errno, userID: userID) }
    let target = String(decoding: buffer[..<count].lazy.map(UInt8.init(bitPattern:)), as: UTF8.self)
    if target.hasPrefix("/") {
      let root = Glibc.open("/", openPathOnly | O_DIRECTORY | O_CLOEXEC)
      guard root >= 0 else { throw FileRefusal(path: path, errno: errno, userID: userID) }
      close(directory)
      directory = root
      walked = ""
    }
    pending += target.split(separator: "/").reversed().map(String.init)
  }

  /// O_NONBLOCK: a FIFO without a writer must not block the daemon.
  private func openFile(_ name: String) throws(FileRefusal) -> OpenedFile {
    let descriptor = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else { throw FileRefusal(path: path, errno: errno, userID: userID) }
    var status = stat()
    var parent = stat()
    guard fstat(descriptor, &status) == 0, fstat(directory, &parent) == 0 else {
      defer { close(descriptor) }
      throw FileRefusal(path: path, errno: errno, userID: userID)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileRefusal(path: path, problem: "is no regular file", remedy: "name a file")
    }
    return OpenedFile(descriptor: descriptor, status: status, parent: parent)
  }
}
