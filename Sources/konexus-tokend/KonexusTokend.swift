import ArgumentParser
import Base
import CRelease
import Glibc
import HTTP
import Report
import Systemd

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
    version: versionText,
    subcommands: [
      Run.self, Reload.self, Status.self, Wait.self, Refresh.self, Show.self, Inspect.self, Check.self,
    ])

  /// The version, and the commit if the build knew it: `0.1.0 (commit 9fceb02d0ae5)`.
  private static var versionText: String {
    let commit = String(cString: konexus_commit())
    return konexusTokendVersion + (commit.isEmpty ? "" : " (commit \(commit))")
  }

  /// Parses the arguments and runs the command. An unknown command is reported here, because the parser suggests only
  /// options, and its `help` ignores an unknown command.
  static func main() {
    StandardDescriptors.openClosed()
    // This must come before another thread and libcurl read the environment.
    _ = TLSKeyLog.wasRequested
    let arguments = CommandLine.arguments
    // Swift reads the arguments in /proc/self/cmdline. libdispatch, too, ends a process that has no /proc.
    guard !arguments.isEmpty else {
      CommandLineError.exit(
        "/proc is not mounted, so the command line cannot be read", next: "mount -t proc proc /proc", code: EX_OSERR)
    }
    if let daemon = DaemonProcess(plain: arguments.dropFirst()) { return daemon.run() }
    if let unknown = unknownCommand(in: arguments.dropFirst()) {
      let nearest = NearestName.to(unknown, among: commandNames)
      CommandLineError.exit(
        "there is no command \(CommandLineError.quoted(unknown))"
          + (nearest.map { "; did you mean '\($0)'?" } ?? ""),
        next: nearest.map { "konexus-tokend \($0) --help" } ?? "konexus-tokend --help", code: EX_USAGE)
    }
    main(nil)
  }

  private static let commandNames = configuration.subcommands.compactMap { $0._commandName } + ["help"]

  /// The first argument, or the one after `help`, if it is neither an option nor a command.
  private static func unknownCommand(in arguments: ArraySlice<String>) -> String? {
    let named = arguments.first == "help" ? arguments.dropFirst() : arguments
    guard let name = named.first, !name.hasPrefix("-"), !commandNames.contains(name) else { return nil }
    return name
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

  /// Ends the process if the loaded libcurl is too old. systemd does not start the service again after this status.
  static func requireLibcurl() {
    guard let fault = LibcurlVersion.fault else { return }
    try? Notifier().status(fault)
    exit(
      fault, next: "upgrade libcurl: the package libcurl4 (Debian, Ubuntu) or libcurl (Fedora, RHEL)", code: EX_CONFIG)
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
