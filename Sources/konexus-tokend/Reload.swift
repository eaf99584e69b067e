import ArgumentParser
import Base
import Broker
import Files
import Glibc
import Report
import Settings

/// `konexus-tokend reload`: the unit's `ExecReload=`.
///
/// systemd's copy of the configuration is from the service's start. So root opens the file and passes it to the daemon.
/// Unlike `kill -HUP`, the command waits for the result, and it fails if the configuration has faults.
struct Reload: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reload the configuration, and wait for the result.",
    discussion: """
      This is what `systemctl reload konexus-tokend` runs. The settings of the file take effect, or the command fails \
      with the reason and the previous ones stay in effect.

      Exit codes: 0 in effect; 1 not in effect.

      Examples:
        sudo systemctl reload konexus-tokend
        konexus-tokend reload    (in the daemon's container)
      """)

  /// systemd ends a reload that takes longer.
  private static let limit = Duration.seconds(60)

  func run() throws {
    let environment = RuntimeEnvironment.current
    let file = ServiceConfigurationFile.opened()
    defer { file.map { _ = close($0) } }
    do throws(ControlClient.Failure) {
      let answer = try ControlClient.send(.reload, passing: file, in: environment.tokenDirectory, limit: Self.limit)
      guard case .failed(let reason) = answer else { return }
      let lines = reason.split(separator: "\n", omittingEmptySubsequences: false).map { StyledLine("\($0)") }
      StandardError.write(lines.rendered(Terminal.style(of: STDERR_FILENO)))
      CommandLineError.exit(
        "the previous configuration stays in use", next: "sudo konexus-tokend check --offline", code: EXIT_FAILURE)
    } catch {
      CommandLineError.exit("\(error)", next: ServiceCommands.current.status, code: EXIT_FAILURE)
    }
  }
}
