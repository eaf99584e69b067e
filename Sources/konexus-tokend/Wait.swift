import ArgumentParser
import Report

/// `konexus-tokend wait`: for `ExecStartPre=` of units.
struct Wait: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Wait until valid tokens are in their files.",
    usage: "konexus-tokend wait [<name>] [<options>]",
    discussion: """
      For ExecStartPre= of units. Name the token that the unit reads: without a name, one rejected token of another \
      program holds up the unit. The wait can begin before the daemon. The default ends before systemd's limit \
      of 90 s for a start.
      Exit codes: 0 the tokens are in their files; 2 they were not in time; 3 unknown.

      Examples:
        ExecStartPre=/usr/bin/konexus-tokend wait konexus
        konexus-tokend wait konexus --timeout 5m && exec flood-watch
      """)

  @Argument(help: "The token's name in the config file; without it, all.", completion: TokenNames.completion)
  var name: String?

  @Option(
    help: ArgumentHelp("Fail after this time; 0s looks once (default: \(defaultTimeout)).", valueName: "time"),
    transform: TimeSpan.init(argument:))
  var timeout = defaultTimeout

  private static let defaultTimeout = TimeSpan(.seconds(60))

  @OptionGroup var location: StatusOptions

  func run() {
    do throws(TokenFileReader.Refusal) {
      try location.poll(for: timeout.duration) { (report) throws(TokenFileReader.Refusal) in
        if let name {
          try TokenFileReader.confirm(location.find(name, in: report), in: report)
        } else {
          try confirmAll(report)
        }
      }
    } catch {
      CommandLineError.exit(error, after: timeout.duration)
    }
  }

  private func confirmAll(_ report: StatusReport) throws(TokenFileReader.Refusal) {
    guard !report.tokens.isEmpty else {
      throw TokenFileReader.Refusal(
        problem: "the daemon has no tokens", remedy: "see its configuration: konexus-tokend check --offline", code: 3)
    }
    do throws(TokenFileReader.Refusal) {
      for token in report.tokens { try TokenFileReader.confirm(token, in: report) }
    } catch {
      guard report.tokens.count > 1 else { throw error }
      var refusal = error
      let good = report.tokens.count { $0.health.severity < .critical }
      refusal.problem += "; \(good) of \(report.tokens.count) tokens in place"
      refusal.remedy += "; to wait for one token alone, name it: konexus-tokend wait NAME"
      throw refusal
    }
  }
}
