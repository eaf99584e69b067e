import FoundationEssentials
import OAuthClient

/// How steps of a check are written.
public enum CheckReport {
  /// The exit code: that of the first step that failed; 0 if none did.
  public static func exitCode(of steps: [CheckStep]) -> Int32 {
    steps.first { $0.outcome == .failed }?.name.exitCode ?? 0
  }

  /// One step for people.
  public static func text(_ step: CheckStep, _ style: TextStyle) -> String {
    let isTerminal = style.columns != nil
    let mark =
      switch step.outcome {
      case .ok: style.paint(isTerminal ? "✓" : "ok     ", .good)
      case .warning: style.paint(isTerminal ? "!" : "warning", .doubtful)
      case .failed: style.paint(isTerminal ? "✗" : "FAILED ", .bad)
      case .skipped: style.paint(isTerminal ? "-" : "skipped", .faint)
      }
    let label = step.name.rawValue + String(repeating: " ", count: 12 - step.name.rawValue.count)
    var text = "\(mark) \(label) \(step.summary)"
    if let seconds = step.seconds { text += style.paint(" (\(Int((seconds * 1000).rounded())) ms)", .faint) }
    let indent = "\n" + String(repeating: " ", count: isTerminal ? 15 : 21)
    for detail in step.details { text += indent + detail }
    if let remedy = step.remedy { text += indent + style.paint("-> ", .strong) + remedy }
    return text + "\n"
  }

  /// The last line.
  public static func verdict(_ steps: [CheckStep], _ style: TextStyle) -> String {
    let code = exitCode(of: steps)
    guard let first = steps.first(where: { $0.outcome == .failed }) else {
      let warnings = steps.count { $0.outcome == .warning }
      return warnings == 0
        ? style.paint("all is well", .good) + "\n"
        : style.paint("it works", .good) + ", with \(warnings) \(warnings == 1 ? "warning" : "warnings")\n"
    }
    let about = first.token.map { " of token \($0)" } ?? ""
    return style.paint("failed at: \(first.name.rawValue)\(about)", .bad) + " (exit code \(code))\n"
  }

  /// All steps for machines: one object.
  public static func json(_ steps: [CheckStep]) -> String {
    struct Document: Encodable {
      var exitCode: Int32
      var steps: [CheckStep]
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    let data = (try? encoder.encode(Document(exitCode: exitCode(of: steps), steps: steps))) ?? Data()
    return String(decoding: data, as: UTF8.self) + "\n"
  }
}
