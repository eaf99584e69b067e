import ArgumentParser
import TokenBroker

/// The command line; one file a subcommand.
@main
struct KonexusTokend: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "konexus-tokend",
    abstract: "Keeps a verified OAuth 2.0 access token for the Konexus API in a file that any program can read.",
    discussion: """
      Exit codes: 0 done, or stopped by a signal, 1 a reload failed, 64 wrong usage, 70 internal fault, 78 wrong configuration.
      """,
    version: konexusTokendVersion,
    subcommands: [Run.self, Reload.self, Status.self, Show.self, Inspect.self, Check.self])
}
