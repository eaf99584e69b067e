import ArgumentParser
import Dispatch
import Files
import Glibc
import HTTP
import Publication
import Report
import Settings

/// `konexus-tokend check`: tests configuration, server and token step by step.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Test configuration, server and token, step by step.",
    usage: "konexus-tokend check [<options>]",
    discussion: """
      Requests a token of each table and verifies it. Nothing is published. Run it as root: only root can read the \
      config file.

      Exit codes: 0 none failed; otherwise that of the first failed step: 78 config, 11 dns, 12 connection, 13 tls, \
      14 discovery, 15 clock, 16 token, 17 verification, 18 output, 19 unit, 20 refresh, 22 api.

      Examples:
        sudo konexus-tokend check
        sudo konexus-tokend check --token konexus --json
        konexus-tokend check --config ./config.toml --offline
      """)

  @Option(
    name: [.short, .long], help: ArgumentHelp("The config file (default: as the daemon's).", valueName: "path"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Option(help: ArgumentHelp("Check this token only.", valueName: "name"), completion: TokenNames.completion)
  var token: String?

  @Option(help: ArgumentHelp("Send the token once to this URL of the API.", valueName: "url"))
  var api: String?

  @Flag(help: "Skip the steps that need the network.")
  var offline = false

  @Flag(help: "Print one JSON object at the end.")
  var json = false

  func validate() throws {
    if let api, let fault = APIURLSyntax.fault(in: api) { throw ValidationError("--api \(fault)") }
    if api != nil, offline { throw ValidationError("--api and --offline do not go together") }
  }

  func run() {
    CommandLineError.requireLibcurl()
    Task { await perform() }
    dispatchMain()
  }

  private func perform() async {
    let printer = CheckPrinter(isJSON: json)
    await run(printer)
    let steps = printer.finish()
    if json {
      StandardOutput.write(json: CheckReport.json(steps))
    } else {
      StandardOutput.write(["", CheckReport.verdict(steps, isOffline: offline)])
    }
    Glibc.exit(CheckReport.exitCode(of: steps))
  }

  /// The remedy if the running daemon has not read the file that is checked.
  private var changedConfiguration: String? {
    let directory = RuntimeEnvironment.current.tokenDirectory
    guard config == nil, let loaded = try? StatusFile.find(in: directory),
      let changed = StatusReport(loaded).changedConfiguration,
      ServiceConfigurationFile.isInEffect(in: directory) != true
    else { return nil }
    return changed
  }

  private func run(_ printer: CheckPrinter) async {
    let report: @Sendable (CheckStep) -> Void = { printer.report($0) }
    let service = ServiceConfiguration(config)
    let path = service.path
    if service.isEncrypted {
      return report(
        CheckStep(
          .config, .failed, "the configuration is encrypted in \(path): only systemd reads it",
          remedy:
            "(umask 077; systemd-creds decrypt --name=config.toml \(path) /run/config.toml); konexus-tokend "
            + "check --config /run/config.toml; rm /run/config.toml"
        ))
    }
    let settings: Configuration
    do throws(ConfigurationErrors) {
      settings = try service.load()
    } catch {
      let count = error.diagnostics.count
      let hasRemedies = error.diagnostics.allSatisfy { $0.message.contains(" -> ") }
      report(
        CheckStep(
          .config, .failed, "\(path): \(count) \(count == 1 ? "fault" : "faults")",
          details: error.description.split(separator: "\n", omittingEmptySubsequences: false).map(String.init),
          remedy: hasRemedies ? nil : "correct the file; each key is explained in: man konexus-tokend.toml"))
      return
    }
    let tokens = settings.tokens.filter { token == nil || $0.name == token }
    guard !tokens.isEmpty else {
      let names = settings.tokens.map(\.name).joined(separator: ", ")
      report(
        CheckStep(
          .config, .failed, "\(path) has no token \(CommandLineError.quoted(token ?? ""))",
          remedy: "name one of: \(names)"))
      return
    }
    // The API of one token must not get the other tokens.
    guard api == nil || tokens.count == 1 else {
      let names = tokens.map(\.name).joined(separator: ", ")
      report(
        CheckStep(
          .config, .failed, "--api is for one token, and \(path) has \(tokens.count)",
          remedy: "add --token with one of: \(names)"))
      return
    }
    if let unreadable = service.access?.unreadable(in: settings), !unreadable.isEmpty {
      return report(
        CheckStep(
          .config, .failed,
          "\(path): the daemon could not read \(unreadable.count) of the files that it names",
          details: unreadable.map(\.description),
          remedy: "pass files of root as credentials: see separate-secret.conf of the examples"))
    }
    let seen = FileAttributes(path)
    report(
      CheckStep(
        .config, .ok,
        "\(path): \(settings.tokens.count) \(settings.tokens.count == 1 ? "token" : "tokens"), mode "
          + "\(seen.mode ?? "?"), \(seen.owner ?? "?"):\(seen.group ?? "?")"
      ))
    if let changed = changedConfiguration { report(CheckStep(.config, .warning, changed)) }
    report(InstalledService.step())
    let (user, future) = (InstalledService.daemonUser, InstalledService.futureDirectory)
    for step in settings.daemon.pathSteps(userID: user, futureDirectory: future) { report(step) }
    let apiURL = api.flatMap { try? Endpoint($0) }
    for token in tokens {
      let check = TokenCheck(
        token, daemon: settings.daemon, userID: user, futureDirectory: future, apiURL: apiURL)
      await check.run(isOffline: offline, onRequest: { printer.requested($0) }, report: report)
    }
  }
}
