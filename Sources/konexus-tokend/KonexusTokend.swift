import ArgumentParser
import Base
import Glibc
import Report

/// The command line, with one file for each subcommand.
@main
struct KonexusTokend: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "konexus-tokend",
    abstract: "Keeps verified OAuth 2.0 access tokens fresh in files.",
    discussion: """
      Examples:
        konexus-tokend status
        sudo konexus-tokend check
        man konexus-tokend    (exit codes, what happens when)
      """,
    version: konexusTokendVersion,
    subcommands: [
      Run.self, Reload.self, Status.self, Wait.self, Refresh.self, Show.self, Inspect.self, Check.self,
    ])

  static func main() {
    if let daemon = DaemonProcess(plain: CommandLine.arguments.dropFirst()) {
      daemon.run()
    } else {
      main(nil)
    }
  }
}

/// Errors of commands: the problem and the next command, on standard error.
enum CommandLineError {
  /// Writes an error and ends the process.
  static func exit(_ problem: String, next: String? = nil, code: Int32) -> Never {
    var lines = [StyledLine("konexus-tokend: ", .strong) + StyledLine(problem)]
    if let next { lines.append(StyledLine("-> ", .strong) + StyledLine(next)) }
    StandardError.write(lines.rendered(Terminal.style(of: STDERR_FILENO)))
    Glibc.exit(code)
  }

  /// Writes why a command got no token, and ends the process.
  ///
  /// - Parameters:
  ///   - waitLimit: how long the command waited.
  ///   - note: what else it did.
  static func exit(_ refusal: TokenFileReader.Refusal, after waitLimit: Duration, note: String = "") -> Never {
    let hasWaited = waitLimit > .zero && !refusal.isFinal
    let waited = hasWaited ? " (waited for \(Timestamp.span(waitLimit))\(note))" : ""
    exit(refusal.problem + waited, next: refusal.remedy, code: refusal.code)
  }

  /// A text from the command line as messages show it.
  static func quoted(_ text: String) -> String { Printable.quoted(text) }
}
