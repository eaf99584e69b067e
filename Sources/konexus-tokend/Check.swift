import ArgumentParser
import Dispatch
import Files
import Glibc
import HTTP
import Publication
import Report
import Settings
import Synchronization

/// `konexus-tokend check`: tests configuration, server and token step by step.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Walk the way from config file to reader, step by step.",
    usage: "konexus-tokend check [<options>]",
    discussion: """
      Asks for a token of each table, verifies it and drops it: nothing is published. Run it as root, as only root may \
      read the config file.

      Exits with the code of the first step that failed: 78 config, 11 dns, 12 connection, 13 tls, 14 discovery, 15 \
      clock, 16 token, 17 verification, 18 output, 19 unit, 20 refresh, 22 api; 0 if none did.

      Examples:
        sudo konexus-tokend check
        sudo konexus-tokend check --token konexus --json
        konexus-tokend check --config ./config.toml --offline
      """)

  @Option(
    name: [.short, .long], help: ArgumentHelp("The config file (default: as the daemon's).", valueName: "path"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Option(help: ArgumentHelp("Check this token only.", valueName: "name"))
  var token: String?

  @Option(help: ArgumentHelp("Ask the API at this URL whether it accepts the token.", valueName: "url"))
  var api: String?

  @Flag(help: "Leave out everything that needs the network.")
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
    let steps = Mutex<[CheckStep]>([])
    let isJSON = json
    // Steps arrive in order, each when it is complete.
    let report: @Sendable (CheckStep) -> Void = { step in
      steps.withLock { steps in
        let before = steps.last
        steps.append(step)
        guard !isJSON else { return }
        if let name = step.token, before?.token != name { StandardOutput.write(["", StyledLine(name)]) }
        StandardOutput.write(CheckReport.text(step, StandardOutput.style))
      }
    }
    await run(report)
    let all = steps.withLock { $0 }
    if isJSON {
      StandardOutput.write(json: CheckReport.json(all))
    } else {
      StandardOutput.write(["", CheckReport.verdict(all)])
    }
    Glibc.exit(CheckReport.exitCode(of: all))
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

  private func run(_ report: @escaping @Sendable (CheckStep) -> Void) async {
    let service = ServiceConfiguration(config)
    let path = service.path
    if service.isEncrypted {
      return report(
        CheckStep(
          .config, .failed, "the configuration is kept encrypted in \(path), which is not read here",
          remedy:
            "type: (umask 077; systemd-creds decrypt --name=config.toml \(path) /run/config.toml); konexus-tokend "
            + "check --config /run/config.toml; rm /run/config.toml"
        ))
    }
    let settings: Configuration
    do throws(ConfigurationErrors) {
      settings = try service.load()
    } catch {
      let count = error.diagnostics.count
      report(
        CheckStep(
          .config, .failed, "\(path): \(count) \(count == 1 ? "fault" : "faults")",
          details: error.description.split(separator: "\n", omittingEmptySubsequences: false).map(String.init),
          remedy: "correct the file; every key is explained in: man konexus-tokend.toml"))
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
    // The API of one token must not get the others.
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
          remedy: "a file that is root's is handed over as a credential: see separate-secret.conf among the examples"))
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
      await check.run(isOffline: offline, report: report)
    }
  }
}
