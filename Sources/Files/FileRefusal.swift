import Base
import Glibc

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
