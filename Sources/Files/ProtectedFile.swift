public import Base
import Glibc

/// Reads files that must be in the hands of root or of the daemon's user: checks and reads the very same descriptor,
/// so that nothing can be swapped between the two.
///
/// A symbolic link is followed if it is in the hands of root or of the daemon's user (``PathWalk``).
package enum ProtectedFile {
  /// The content of the file at `path`, which is a secret.
  ///
  /// It must be a regular file of root or of the daemon's user. Other users must not be able to read or write it.
  /// Directly in systemd's credentials directory mode 0440 will do, for systemd adds an ACL for the service's user
  /// there, whose mask shows as the group's bits; elsewhere only if ``FileRules/allowsGroupRead`` says so.
  package static func read(_ path: String, rules: FileRules, limit: Int) throws(FileRefusal) -> Secret {
    let (content, refusal) = try readUnlessChangeable(path, rules: rules, limit: limit)
    if let refusal { throw refusal }
    return content
  }

  /// The same for a file that may itself say that its group may read it: what is said against its mode otherwise
  /// comes beside the content.
  package static func readUnlessChangeable(
    _ path: String, rules: FileRules, limit: Int
  ) throws(FileRefusal) -> (content: Secret, refusal: FileRefusal?) {
    let file = try open(path, rules: rules)
    defer { file.close() }
    let refusal = refusalAsSecret(file, path, rules)
    if let refusal, file.status.st_mode & 0o037 != 0 { throw refusal }
    return (try file.read(path: path, limit: limit), refusal)
  }

  /// An open file with secrets, for another process to read: of root or of this process's user, without access for
  /// others.
  ///
  /// - Returns: its descriptor, which the caller closes.
  package static func descriptor(of path: String) throws(FileRefusal) -> Int32 {
    let rules = FileRules()
    let file = try open(path, rules: rules)
    // The configuration itself can allow its group to read it: the daemon judges that.
    if let refusal = refusalAsSecret(file, path, rules), file.status.st_mode & 0o037 != 0 {
      file.close()
      throw refusal
    }
    return file.descriptor
  }

  /// Opens a file of root or of the daemon's user, whatever its mode.
  static func open(_ path: String, rules: FileRules) throws(FileRefusal) -> OpenedFile {
    let file = try PathWalk.open(path, userID: rules.userID)
    let (owner, mode) = (file.status.st_uid, file.status.st_mode)
    guard owner == 0 || owner == rules.userID else {
      file.close()
      // The command must leave a file readable by the daemon.
      let right = mode & 0o004 != 0 || rules.userID == 0 ? "root" : "\(rules.userID)"
      throw FileRefusal(
        path: path, problem: "belongs to another user (uid \(owner))",
        remedy: "run: chown \(right) \(path.shellQuoted)")
    }
    return file
  }

  /// What is said against the mode of a file that holds a secret.
  static func refusalAsSecret(_ file: OpenedFile, _ path: String, _ rules: FileRules) -> FileRefusal? {
    let isGroupsToRead = rules.allowsGroupRead || file.isDirectly(in: rules.credentialsDirectory)
    return FileRefusal(path: path, mode: file.status.st_mode & 0o7777, allowed: isGroupsToRead ? 0o740 : 0o700)
  }
}

/// A regular file, open for reading, with what was true of this very descriptor.
struct OpenedFile {
  let descriptor: Int32
  let status: stat
  fileprivate let parent: stat

  init(descriptor: Int32, status: stat, parent: stat) {
    self.descriptor = descriptor
    self.status = status
    self.parent = parent
  }

  func close() { Glibc.close(descriptor) }

  /// Whether the directory that the file was found in is `directory`.
  func isDirectly(in directory: String?) -> Bool {
    guard let directory else { return false }
    var status = stat()
    return stat(directory, &status) == 0 && status.st_dev == parent.st_dev && status.st_ino == parent.st_ino
  }

  /// All of the file, into memory that is wiped.
  func read(path: String, limit: Int) throws(FileRefusal) -> Secret {
    do throws(FileContent.Failure) {
      return try FileContent.read(descriptor, size: Int(status.st_size), limit: limit)
    } catch {
      switch error {
      case .system(let code): throw FileRefusal(path: path, errno: code, userID: geteuid())
      case .tooLarge:
        throw FileRefusal(path: path, problem: "is larger than \(limit / 1024) KiB", remedy: "name the right file")
      }
    }
  }
}

/// Whose files are believed, and who else may read those with secrets in them.
public struct FileRules: Hashable, Sendable {
  /// The user whose files serve, beside root's.
  public var userID: UInt32
  /// Whether files with secrets may be readable by their group: `allow_group_read`.
  public var allowsGroupRead: Bool
  /// The directory of systemd's credentials. Files directly in it may be readable by their group in any case.
  public var credentialsDirectory: String?

  /// Rules by their parts; `userID` defaults to that of the process.
  public init(userID: UInt32? = nil, allowsGroupRead: Bool = false, credentialsDirectory: String? = nil) {
    self.userID = userID ?? geteuid()
    self.allowsGroupRead = allowsGroupRead
    self.credentialsDirectory = credentialsDirectory
  }
}

/// Why a file that the daemon must read, and that others must not change or not even read, is not used.
public struct FileRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file.
  public var path: String
  /// What is wrong with it, to be read behind its name: "may be read by others (mode 0644)".
  public var problem: String
  /// What to do: a command, or a sentence.
  public var remedy: String
  /// Whether there is nothing at the path.
  public var isMissing: Bool

  /// A refusal; see the properties.
  public init(path: String, problem: String, remedy: String, isMissing: Bool = false) {
    self.path = path
    self.problem = problem
    self.remedy = remedy
    self.isMissing = isMissing
  }

  /// A refusal of a file whose `mode` lets others do more than is `allowed`; nil if it does not.
  package init?(path: String, mode: UInt32, allowed: UInt32) {
    let excess = mode & 0o077 & ~allowed
    guard excess != 0 else { return nil }
    self.init(
      path: path,
      problem:
        "may be \(excess & 0o044 == 0 ? "changed" : "read") by other users (mode \(FileMode.octal(mode)))",
      remedy: "run: chmod \(allowed & 0o004 == 0 ? "0600" : "go-w") \(path.shellQuoted)")
  }

  /// Problem and remedy in one line, with the path.
  public var description: String { "'\(path.printable)' \(problem); \(remedy)" }
}

extension FileRefusal {
  /// What the system said when the file was opened or read.
  package init(path: String, errno code: Int32, userID: UInt32) {
    let remedy =
      switch code {
      case ENOENT: "create it, or correct the path"
      case EACCES: "use sudo; for the service, sudo konexus-tokend check names the LoadCredential= that is missing"
      case ELOOP: "name the file itself"
      case ENOTDIR: "correct the path"
      default: "see to it that uid \(userID) can read it"
      }
    let problem =
      switch code {
      case ENOENT: "does not exist"
      case EACCES: "may not be read by uid \(userID)"
      case ELOOP: "is reached through too many symbolic links, or a link that changed meanwhile"
      case ENOTDIR: "leads through something that is no directory"
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

  /// The content of a configuration file; `nil` if it is not a regular file, or cannot be read. The call can hang with its file system.
  public func content(atMost limit: Int) -> Secret? {
    FileContent.ofRegularFile(descriptor, limit: limit)
  }

  /// What is said against the mode of a file with secrets in it; `nil`: nothing.
  package func refusal(_ path: String) -> FileRefusal? {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return nil }
    return FileRefusal(path: path, mode: status.st_mode, allowed: 0o700)
  }

  /// Which file it is, and of when.
  public var stamp: FileStamp? { FileStamp(of: descriptor) }
}
