import ArgumentParser
import Base
import Broker

/// The command line; one file a subcommand.
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
    subcommands: [Run.self, Reload.self, Status.self, Wait.self, Show.self, Inspect.self, Check.self])
}
