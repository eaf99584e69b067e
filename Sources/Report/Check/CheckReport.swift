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
    return MachineText.json(Document(exitCode: exitCode(of: steps), steps: steps))
  }
}
