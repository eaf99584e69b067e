/// Why a file that must be readable by the daemon, and often by nobody else, is not used.
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

  /// A refusal of a file with a secret in it, whose `mode` lets others do more than is `allowed`; nil if it does not.
  init?(path: String, mode: UInt32, allowed: UInt32) {
    guard mode & 0o077 & ~allowed != 0 else { return nil }
    self.init(
      path: path,
      problem:
        "may be \(mode & 0o044 == 0 ? "changed" : "read") by other users (mode \(FileMode.octal(mode & 0o7777)))",
      remedy: "run: chmod 0600 \(path.shellQuoted)")
  }

  /// Problem and remedy in one line, with the path.
  public var description: String { "'\(path.printable)' \(problem); \(remedy)" }
}
