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

  /// Problem and remedy in one line, with the path.
  public var description: String { "'\(path.printable)' \(problem); \(remedy)" }
}
