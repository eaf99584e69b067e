import ArgumentParser
import CLinux
import Dispatch
import Glibc
import Logging
import Systemd
import TokenBroker

/// `konexus-tokend run`: the daemon.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the daemon in the foreground, under systemd or without.",
    discussion: """
      SIGHUP reads the config file again, SIGUSR1 gets new tokens now, SIGTERM and SIGINT stop; the token files stay.

      Exits with 0 when stopped, 78 if the configuration is wrong; with --once 75 if a \
      token does not come in time, 77 if it is refused.

      Examples:
        konexus-tokend run
        konexus-tokend run --config ./config.toml
        konexus-tokend run --once --start-timeout 60    (as an init container)
      """)

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The config file (default: systemd's credential config.toml, else /etc/konexus-tokend/config.toml).",
      valueName: "path"),
    completion: .file(extensions: ["toml"]))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "How long the first tokens are waited for.",
      valueName: "s"))
  var startTimeout = 900

  @Flag(help: "End as soon as every token is in its file.")
  var once = false

  func validate() throws {
    guard startTimeout >= 0 else { throw ValidationError("--start-timeout is a number of seconds, 0 or more") }
  }

  func run() throws {
    linux_share_heap()
    UnixSignals.ignore(SIGPIPE)
    let environment = RuntimeEnvironment.current
    let path = config ?? environment.defaultConfigurationPath
    let settings: Configuration
    do {
      // Before the first secret is read.
      try ProcessHardening.disableCoreDumps()
      settings = try Configuration.load(path: path, environment: environment)
    } catch {
      fail("\(error)")
    }
    let logger = LogDestination.logger(settings.daemon)
    // systemd, which made the copy that is read, does not mind.
    if let refusal = environment.refusal(ofSourceOf: path) { logger.error("\(refusal)") }
    makeTokenDirectory(environment)
    let daemon = Daemon(
      settings, environment: environment, logger: logger, startTimeout: .seconds(startTimeout),
      endsWithFirstTokens: once, sockets: inheritedSockets(logger))
    // Before any other thread is made: the signals are blocked in all of them then.
    let signals = UnixSignals([SIGTERM, SIGINT, SIGHUP, SIGUSR1], queue: daemon.broker.queue) { signal in
      daemon.assumeIsolated { $0.receive(signal) }
    }
    Task(executorPreference: daemon.broker.requests) { await daemon.start() }
    withExtendedLifetime(signals) { daemon.beatForever() }
  }

  /// Makes the runtime directory where nobody else does: in a terminal, in a container. What keeps it from that is told when it is used.
  private func makeTokenDirectory(_ environment: RuntimeEnvironment) {
    _ = mkdir(environment.tokenDirectory, 0o750)
  }

  /// The listening sockets that systemd hands over: a socket unit's, or the one that a former run had it keep.
  private func inheritedSockets(_ logger: Logger) -> [InheritedSocket] {
    do throws(SystemCallFailure) {
      return try ListenDescriptor.takeAll().map {
        InheritedSocket(descriptor: $0.descriptor, isActivated: $0.name != ServiceManager.keptSocket)
      }
    } catch {
      logger.warning("the sockets that systemd handed over are not used: \(error)")
      return []
    }
  }

  /// Ends with `EX_CONFIG`, which the unit does not restart after; the first line is seen in `systemctl status` too.
  private func fail(_ text: String) -> Never {
    StandardError.write(text.hasSuffix("\n") ? text : text + "\n")
    try? Notifier().status("configuration: " + text.prefix { $0 != "\n" })
    Self.exit(withError: ExitCode.configuration)
  }
}
