/// Everything that is wrong with a configuration, in the order of the file.
public struct ConfigurationErrors: Error, Hashable, Sendable, CustomStringConvertible {
  /// Never empty.
  public var diagnostics: [Diagnostic]

  package init(diagnostics: [Diagnostic]) {
    self.diagnostics = diagnostics
  }

  /// The whole text for people, as a compiler would print it, without a line break at its end.
  public var description: String { diagnostics.map(\.description).joined(separator: "\n") }
}

/// One thing that is wrong with a configuration, and where.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
  /// The configuration file, as it was asked for.
  public var file: String
  /// Line and column, both from 1, the column counted in characters; nil if the file as a whole is at fault.
  public var position: Position?
  /// The key at fault with its tables, as in `token.konexus.timeout`.
  public var key: String?
  /// What is wrong, the wrong value unless it is secret, and what to do.
  public var message: String
  /// The token whose table is at fault; nil if the fault is not in one token's table.
  public var token: String?
  /// Lines to print below: the line at fault, cut before a value that may be secret, with a caret under the fault; or what to write.
  public var excerpt: [String] = []

  /// A place in the file.
  public struct Position: Hashable, Comparable, Sendable {
    /// From 1.
    public var line: Int
    /// In characters, from 1.
    public var column: Int

    /// Earlier in the file is less.
    public static func < (lhs: Position, rhs: Position) -> Bool { (lhs.line, lhs.column) < (rhs.line, rhs.column) }
  }

  /// `FILE:LINE:COLUMN: error: MESSAGE`, and the excerpt below.
  public var description: String {
    let place = position.map { ":\($0.line):\($0.column)" } ?? ""
    return (["\(file.printable)\(place): error: \(message)"] + excerpt).joined(separator: "\n")
  }
}

/// Why the daemon does not use the configuration file as it is.
public enum ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
  /// The previous configuration stays in effect. The reason names file and line.
  case previous(String)
  /// The tables that are wrong are left out. The reason names file and line of the first fault.
  case partial(faults: Int, String)

  /// What the daemon uses instead, and after a colon the reason.
  public var description: String {
    switch self {
    case .previous(let reason): "previous configuration in use: \(reason)"
    case .partial(let faults, let reason):
      "configuration used in part, \(faults) \(faults == 1 ? "fault" : "faults"): \(reason)"
    }
  }
}
