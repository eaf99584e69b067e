/// What an orchestrator asks of a container.
public enum StatusProbe: String, CaseIterable, Sendable {
  /// Whether readers have their tokens, which is all that they need: also while refresh fails.
  case ready
  /// Whether the daemon runs and does what is due. One that waits out an outage is alive: a restart would not help.
  case live

  /// Whether a daemon in that state passes.
  public func passes(_ report: StatusReport) -> Bool {
    switch self {
    case .ready: report.grade < .critical
    case .live: report.life == .running && !report.isOverdue
    }
  }
}
