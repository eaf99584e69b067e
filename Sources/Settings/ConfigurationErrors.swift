/// All faults of a configuration, in the order of the file.
public struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
  /// Never empty.
  public var diagnostics: [Diagnostic]

  package init(diagnostics: [Diagnostic]) {
    self.diagnostics = diagnostics
  }

  /// The text of all diagnostics in the format of a compiler, without a line break at the end.
  public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// A fault of a configuration, and its place.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
  /// The path of the configuration file.
  public var file: String
  /// The place; `nil` if it is the whole file.
  public var position: Position?
  /// The key and its tables, as in `token.konexus.timeout`.
  public var key: String?
  /// What is wrong and what to do, with the value unless it is secret.
  public var message: String
  /// The token whose table has the fault; `nil` for other tables.
  public var token: String?
  /// The line with a caret below the fault, without a value that can be secret. For some faults, it is an example of
  /// what to write.
  public var excerpt: [String] = []

  /// A place in the file.
  public struct Position: Hashable, Comparable, Sendable {
    /// The line, from 1.
    public var line: Int
    /// The column, in characters from 1.
    public var column: Int

    /// Orders positions as they are in the file.
    public static func < (lhs: Position, rhs: Position) -> Bool { (lhs.line, lhs.column) < (rhs.line, rhs.column) }
  }

  /// `FILE:LINE:COLUMN: error: MESSAGE`, and the excerpt on the next lines.
  public var description: String {
    let place = position.map { ":\($0.line):\($0.column)" } ?? ""
    return (["\(file.printable)\(place): error: \(message)"] + excerpt).joined(separator: "\n")
  }
}

/// The reason why the daemon does not use the whole configuration file.
public enum ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
  /// The previous configuration stays in effect. The reason names file and line.
  case previous(String)
  /// Tables with faults are not used. The reason names file and line of the first fault.
  case partial(faults: Int, String)

  /// What the daemon uses, and the reason after a colon.
  public var description: String {
    switch self {
    case .previous(let reason): "previous configuration in use: \(reason)"
    case .partial(let faults, let reason):
      "configuration used in part, \(faults) \(faults == 1 ? "fault" : "faults"): \(reason)"
    }
  }
}
