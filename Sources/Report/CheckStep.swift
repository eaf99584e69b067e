/// A step of a check from the configuration file to the application and the API, with its result.
public struct CheckStep: Sendable, Encodable {
  /// The steps, in their order.
  public enum Name: String, Sendable, Encodable, CaseIterable {
    case config, unit, output, dns, connection, tls, discovery, clock, token, verification, refresh, reader, api

    /// The exit code of `konexus-tokend check` if this is the first failed step.
    public var exitCode: Int32 {
      switch self {
      case .config: 78
      case .dns: 11
      case .connection: 12
      case .tls: 13
      case .discovery: 14
      case .clock: 15
      case .token: 16
      case .verification: 17
      case .output: 18
      case .unit: 19
      case .refresh: 20
      case .reader: 21
      case .api: 22
      }
    }
  }

  /// The result of a step.
  public enum Outcome: String, Sendable, Encodable {
    /// It succeeded.
    case ok
    /// It succeeded, with a warning.
    case warning
    /// It failed.
    case failed
    /// It was not tried, because an earlier step failed or an option excludes it.
    case skipped
  }

  /// The step.
  public var name: Name
  /// The token; `nil` for a step about the whole daemon.
  public var token: String?
  /// The result.
  public var outcome: Outcome
  /// The finding, or the failure, in one line.
  public var summary: String
  /// Details, one fact per line.
  public var details: [String] = []
  /// The remedy.
  public var remedy: String?
  /// The duration in seconds, for steps that have one.
  public var seconds: Double?

  /// Whether an earlier step failed, so that this one was not tried.
  public var isNotReached: Bool { outcome == .skipped && summary == Self.notReached }

  static let notReached = "not reached"

  /// A step with the given result.
  public init(
    _ name: Name, _ outcome: Outcome, _ summary: String, token: String? = nil, details: [String] = [],
    remedy: String? = nil, took duration: Duration? = nil
  ) {
    self.name = name
    self.token = token
    self.outcome = outcome
    self.summary = summary
    self.details = details
    self.remedy = remedy
    seconds = duration.map(\.seconds)
  }
}

/// The presentation of a check.
public enum CheckReport {
  /// The exit code of the first failed step; 0 if there is none.
  public static func exitCode(of steps: [CheckStep]) -> Int32 {
    steps.first { $0.outcome == .failed }?.name.exitCode ?? 0
  }

  /// The lines of one step for a reader.
  public static func text(_ step: CheckStep, _ style: TextStyle) -> [StyledLine] {
    let isTerminal = style.columns != nil
    let mark =
      switch step.outcome {
      case .ok: StyledLine(isTerminal ? "✓" : "ok     ", .good)
      case .warning: StyledLine(isTerminal ? "!" : "warning", .doubtful)
      case .failed: StyledLine(isTerminal ? "✗" : "FAILED ", .bad)
      case .skipped: StyledLine(isTerminal ? "-" : "skipped", .faint)
      }
    let label = step.name.rawValue + String(repeating: " ", count: 12 - step.name.rawValue.count)
    var line = mark + " \(label) \(step.summary)"
    if let seconds = step.seconds { line += StyledLine(" (\(Int((seconds * 1000).rounded())) ms)", .faint) }
    let indent = String(repeating: " ", count: isTerminal ? 15 : 21)
    let remedy = step.remedy.map { [StyledLine(indent) + StyledLine("-> ", .strong) + StyledLine($0)] } ?? []
    return [line] + step.details.map { StyledLine(indent + $0) } + remedy
  }

  /// The line for the steps of a token that were not reached.
  public static func text(skipped steps: [CheckStep], _ style: TextStyle) -> [StyledLine] {
    let mark = StyledLine(style.columns != nil ? "-" : "skipped", .faint)
    return [mark + " \(steps.map(\.name.rawValue).joined(separator: ", ")): not reached"]
  }

  /// The last line.
  ///
  /// - Parameter isOffline: whether the steps that need the network were left out.
  public static func verdict(_ steps: [CheckStep], isOffline: Bool = false) -> StyledLine {
    let code = exitCode(of: steps)
    guard let first = steps.first(where: { $0.outcome == .failed }) else {
      let warnings = steps.count { $0.outcome == .warning }
      let note = warnings == 0 ? "" : ", with \(warnings) \(warnings == 1 ? "warning" : "warnings")"
      guard !isOffline else {
        return StyledLine("offline checks passed", .good) + "\(note); no server was contacted"
      }
      return StyledLine(warnings == 0 ? "all is well" : "it works", .good) + StyledLine(note)
    }
    let about = first.token.map { " of token \($0)" } ?? ""
    return StyledLine("failed at: \(first.name.rawValue)\(about)", .bad) + " (exit code \(code))"
  }

  /// All steps as one JSON object.
  public static func json(_ steps: [CheckStep]) -> String {
    struct Document: Encodable {
      var schemaVersion = JSONText.schemaVersion
      var exitCode: Int32
      var steps: [CheckStep]
    }
    return JSONText.json(Document(exitCode: exitCode(of: steps), steps: steps))
  }
}
