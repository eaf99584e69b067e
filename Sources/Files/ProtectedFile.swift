public import Base
import Glibc

/// Reads files that must belong to root or to the daemon's user. It checks and reads the same descriptor, so that the
/// file cannot be replaced in between.
///
/// A symbolic link is followed if it belongs to root or to the daemon's user (``PathWalk``).
package enum ProtectedFile {
  /// The content of the file at `path`, which is a secret.
  ///
  /// It must be a regular file of root or of the daemon's user. Other users must not be able to read or write it.
  ///
  /// Two cases allow group access. ``FileRules/allowsGroupRead`` allows the group to read. Mode 0440 is also allowed
  /// directly in systemd's credentials directory. There systemd adds an ACL for the service's user, and the mask of the
  /// ACL appears as the group's bits.
  package static func read(_ path: String, rules: FileRules, limit: Int) throws(FileRefusal) -> Secret {
    let (content, refusal) = try readUnlessChangeable(path, rules: rules, limit: limit)
    if let refusal { throw refusal }
    return content
  }

  /// The content of a secret file that can itself allow its group to read it.
  ///
  /// - Returns: the content, and the error in the file's mode unless it allows group access. Other errors are thrown.
  package static func readUnlessChangeable(
    _ path: String, rules: FileRules, limit: Int
  ) throws(FileRefusal) -> (content: Secret, refusal: FileRefusal?) {
    let file = try open(path, rules: rules)
    defer { file.close() }
    let refusal = refusalAsSecret(file, path, rules)
    if let refusal, file.status.st_mode & 0o037 != 0 { throw refusal }
    return (try file.read(path: path, limit: limit), refusal)
  }

  /// Opens a secret file of root or of this process's user, for another process to read.
  ///
  /// - Returns: its descriptor, which the caller closes.
  package static func descriptor(of path: String) throws(FileRefusal) -> Int32 {
    let rules = FileRules()
    let file = try open(path, rules: rules)
    // The configuration can allow its group to read it: the daemon decides.
    if let refusal = refusalAsSecret(file, path, rules), file.status.st_mode & 0o037 != 0 {
      file.close()
      throw refusal
    }
    return file.descriptor
  }

  /// Opens a file of root or of the daemon's user. It can have any mode.
  static func open(_ path: String, rules: FileRules) throws(FileRefusal) -> OpenedFile {
    let file = try PathWalk.open(path, userID: rules.userID)
    let (owner, mode) = (file.status.st_uid, file.status.st_mode)
    guard owner == 0 || owner == rules.userID else {
      file.close()
      // After the suggested command, the daemon must still be able to read the file.
      let right = mode & 0o004 != 0 || rules.userID == 0 ? "root" : "\(rules.userID)"
      throw FileRefusal(
        path: path, problem: "belongs to another user (uid \(owner))",
        remedy: "chown \(right) \(path.shellQuoted)")
    }
    return file
  }

  /// The error in the mode of a file that contains a secret.
  static func refusalAsSecret(_ file: OpenedFile, _ path: String, _ rules: FileRules) -> FileRefusal? {
    let isGroupsToRead = rules.allowsGroupRead || file.isDirectly(in: rules.credentialsDirectory)
    return FileRefusal(path: path, mode: file.status.st_mode & 0o7777, allowed: isGroupsToRead ? 0o740 : 0o700)
  }
}

/// A regular file that is open for reading, with the status of its descriptor.
struct OpenedFile {
  let descriptor: Int32
  let status: stat
  let parent: stat

  func close() { Glibc.close(descriptor) }

  /// Whether `directory` is the directory that the file was found in.
  func isDirectly(in directory: String?) -> Bool {
    guard let directory else { return false }
    var status = stat()
    return stat(directory, &status) == 0 && status.st_dev == parent.st_dev && status.st_ino == parent.st_ino
  }

  /// The whole content as text, without a byte order mark.
  func read(path: String, limit: Int) throws(FileRefusal) -> Secret {
    let content: Secret
    do throws(FileContent.Failure) {
      content = try FileContent.read(descriptor, size: Int(status.st_size), limit: limit)
    } catch {
      switch error {
      case .system(let code): throw FileRefusal(path: path, errno: code, userID: geteuid())
      case .tooLarge:
        throw FileRefusal(path: path, problem: "is larger than \(limit / 1024) KiB", remedy: "name the right file")
      }
    }
    return try content.withBytes { (bytes) throws(FileRefusal) in
      guard !TextEncoding.isUTF16(bytes) else { throw FileRefusal(ofUTF16: path) }
      let mark = TextEncoding.mark
      return bytes.starts(with: mark) ? Secret(bytes.dropFirst(mark.count)) : content
    }
  }
}

/// Which users' files are trusted, and which secret files a group can read.
public struct FileRules: Hashable, Sendable {
  /// The user whose files are trusted, beside root's.
  public var userID: UInt32
  /// Whether a group can read secret files: `allow_group_read`.
  public var allowsGroupRead: Bool
  /// The directory of systemd's credentials. Groups can always read files directly in it.
  public var credentialsDirectory: String?

  /// Rules with these values; `userID` defaults to that of the process.
  public init(userID: UInt32? = nil, allowsGroupRead: Bool = false, credentialsDirectory: String? = nil) {
    self.userID = userID ?? geteuid()
    self.allowsGroupRead = allowsGroupRead
    self.credentialsDirectory = credentialsDirectory
  }
}

/// Why a file is not used. The daemon must be able to read it, and other users must not change or read it.
public struct FileRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  public var path: String
  /// The problem, to follow the file's name: "is readable by other users (mode 0644)".
  public var problem: String
  /// The remedy: a command, or a sentence.
  public var remedy: String
  /// Whether no file exists at the path.
  public var isMissing: Bool

  /// A refusal of the file at `path`.
  public init(path: String, problem: String, remedy: String, isMissing: Bool = false) {
    self.path = path
    self.problem = problem
    self.remedy = remedy
    self.isMissing = isMissing
  }

  /// A refusal of a file whose `mode` gives others more access than `allowed`; nil if it does not.
  package init?(path: String, mode: UInt32, allowed: UInt32) {
    let excess = mode & 0o077 & ~allowed
    guard excess != 0 else { return nil }
    self.init(
      path: path,
      problem:
        "is \(excess & 0o044 == 0 ? "writable" : "readable") by other users (mode \(FileMode.octal(mode)))",
      remedy: "chmod \(allowed & 0o004 == 0 ? "0600" : "go-w") \(path.shellQuoted)")
  }

  /// A refusal of a text in UTF-16. The command replaces the content and keeps owner and mode.
  package init(ofUTF16 path: String) {
    self.init(
      path: path, problem: "is in UTF-16, and must be in UTF-8",
      remedy: #"sudo sh -c 't=$(iconv -f UTF-16 -t UTF-8 "$0") && printf "%s\n" "$t" >"$0"' "#
        + path.shellQuoted)
  }

  /// Problem and remedy in one line, with the path.
  public var description: String { "'\(path.printable)' \(problem) -> \(remedy)" }
}

extension FileRefusal {
  /// A refusal for an `errno` of opening or reading the file.
  package init(path: String, errno code: Int32, userID: UInt32) {
    let remedy =
      switch code {
      case EACCES, EPERM: "run as root, to see which access is missing: sudo konexus-tokend check"
      default: SystemError.remedy(code, at: path)
      }
    let problem =
      switch code {
      case ENOENT: "does not exist"
      case EACCES: "is not readable for uid \(userID)"
      case ELOOP: "is reached through too many symbolic links, or a link that changed meanwhile"
      case ENOTDIR: "leads through a file that is no directory"
      default: "cannot be read (\(SystemError.text(code)))"
      }
    self.init(
      path: path, problem: problem, remedy: remedy, isMissing: [ENOENT, ENOTDIR, ENAMETOOLONG].contains(code))
  }
}

/// An open file that a command passed to the daemon.
public final class PassedFile: Sendable {
  private let descriptor: Int32

  package init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// The content of a configuration file; `nil` if it is not a regular file, or cannot be read. The call hangs if the
  /// file system hangs.
  public func content(atMost limit: Int) -> Secret? {
    FileContent.ofRegularFile(descriptor, limit: limit)
  }

  /// The error in the mode of a secret file; `nil` if there is none.
  package func refusal(_ path: String) -> FileRefusal? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return FileRefusal(path: path, mode: status.st_mode, allowed: 0o700)
  }

  /// The identity and version of the file.
  public var stamp: FileStamp? { FileStamp(of: descriptor) }
}
