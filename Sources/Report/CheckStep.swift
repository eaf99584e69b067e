/// One step of the way from the config file to a reader, and how it went.
public struct CheckStep: Sendable, Encodable {
  /// The steps, in their order.
  public enum Name: String, Sendable, Encodable, CaseIterable {
    case config, unit, output, dns, connection, tls, discovery, clock, token, verification, refresh, reader

    /// What `konexus-tokend check` exits with if this step is the first that failed.
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
      }
    }
  }

  /// How a step went.
  public enum Outcome: String, Sendable, Encodable {
    /// As it should.
    case ok
    /// It works, but a person should look.
    case warning
    /// It does not work.
    case failed
    /// Not tried, because an earlier step failed or it was not asked for.
    case skipped
  }

  /// Which step.
  public var name: Name
  /// The token it is about; `nil` if it is about all.
  public var token: String?
  /// How it went.
  public var outcome: Outcome
  /// What was found, in one line; the fault, if it failed.
  public var summary: String
  /// More of it, one fact a line.
  public var details: [String] = []
  /// What to do.
  public var remedy: String?
  /// How long it took, in seconds, where that means something.
  public var seconds: Double?

  /// A step that went as `outcome` says.
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

/// How steps of a check are written.
public enum CheckReport {
  /// The exit code: that of the first step that failed; 0 if none did.
  public static func exitCode(of steps: [CheckStep]) -> Int32 {
    steps.first { $0.outcome == .failed }?.name.exitCode ?? 0
  }

  /// One step for people.
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

  /// The last line.
  public static func verdict(_ steps: [CheckStep]) -> StyledLine {
    let code = exitCode(of: steps)
    guard let first = steps.first(where: { $0.outcome == .failed }) else {
      let warnings = steps.count { $0.outcome == .warning }
      return warnings == 0
        ? StyledLine("all is well", .good)
        : StyledLine("it works", .good) + ", with \(warnings) \(warnings == 1 ? "warning" : "warnings")"
    }
    let about = first.token.map { " of token \($0)" } ?? ""
    return StyledLine("failed at: \(first.name.rawValue)\(about)", .bad) + " (exit code \(code))"
  }

  /// All steps for machines: one object.
  public static func json(_ steps: [CheckStep]) -> String {
    struct Document: Encodable {
      var exitCode: Int32
      var steps: [CheckStep]
    }
    return JSONText.json(Document(exitCode: exitCode(of: steps), steps: steps))
  }
}
