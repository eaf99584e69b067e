import Base
import Dispatch
import Report
import Synchronization

/// Prints the steps of `check` as they arrive. On a terminal, it also shows a request that takes longer than a second.
final class CheckPrinter: Sendable {
  private struct State {
    var steps: [CheckStep] = []
    /// Steps that were not reached, printed as one.
    var skipped: [CheckStep] = []
    /// The URL of the request under way.
    var url: String?
    var requestedAt = Moment.now().boot
    /// Whether the last line on the terminal is the progress of a request.
    var showsProgress = false
  }

  private let state = Mutex(State())
  private let isJSON: Bool
  private let queue = DispatchQueue(label: "progress")

  /// The period of the line with a request that takes longer than a second.
  private static let period = DispatchTimeInterval.seconds(1)

  init(isJSON: Bool) {
    self.isJSON = isJSON
    if !isJSON, StandardOutput.style.columns != nil { showProgress() }
  }

  /// Takes a complete step. Steps arrive in order.
  func report(_ step: CheckStep) {
    state.withLock { state in
      let before = state.steps.last
      state.steps.append(step)
      state.url = nil
      guard !isJSON else { return }
      Self.clearProgress(&state)
      if step.isNotReached, before?.token == step.token || before == nil {
        return state.skipped.append(step)
      }
      Self.printSkipped(&state)
      if let name = step.token, before?.token != name { StandardOutput.write(["", StyledLine(name)]) }
      StandardOutput.write(CheckReport.text(step, StandardOutput.style))
    }
  }

  /// Takes the URL of a request that begins.
  func requested(_ url: String) {
    state.withLock { state in
      state.url = url
      state.requestedAt = Moment.now().boot
    }
  }

  /// Ends the output of steps, and returns them.
  func finish() -> [CheckStep] {
    state.withLock { state in
      state.url = nil
      guard !isJSON else { return state.steps }
      Self.clearProgress(&state)
      Self.printSkipped(&state)
      return state.steps
    }
  }

  private static func printSkipped(_ state: inout State) {
    guard !state.skipped.isEmpty else { return }
    StandardOutput.write(CheckReport.text(skipped: state.skipped, StandardOutput.style))
    state.skipped = []
  }

  /// Shows the request under way, now and every second.
  private func showProgress() {
    queue.asyncAfter(deadline: .now() + Self.period) { [weak self] in self?.showProgress() }
    state.withLock { state in
      let elapsed = Moment.now().boot - state.requestedAt
      guard let url = state.url, elapsed >= .seconds(1) else { return }
      StandardOutput.writeProgress("waiting for \(url), \(Timestamp.span(elapsed))")
      state.showsProgress = true
    }
  }

  private static func clearProgress(_ state: inout State) {
    guard state.showsProgress else { return }
    StandardOutput.writeProgress("")
    state.showsProgress = false
  }
}
