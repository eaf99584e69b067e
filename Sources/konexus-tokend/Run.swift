import ArgumentParser
import Broker
import CLinux
import Dispatch
import Files
import Glibc
import HTTP
import Logging
import Settings
import Synchronization
import Systemd

/// `konexus-tokend run`: the daemon.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the daemon, under systemd or without.",
    discussion: """
      SIGHUP reloads the configuration, SIGUSR1 requests new tokens, SIGTERM and SIGINT stop; the token files stay.

      Exit codes: 0 stopped; 78 the configuration is wrong; with --once: 0 all tokens are in their files; 75 one is \
      not in time; 77 the server rejects the request.

      Examples:
        konexus-tokend run
        konexus-tokend run --config ./config.toml
        konexus-tokend run --once --start-timeout 1m    (as an init container)
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
      "Time limit for the first tokens: 10m (default: \(DaemonProcess.defaultStartTimeout)).", valueName: "time"),
    transform: TimeSpan.init(argument:))
  var startTimeout = DaemonProcess.defaultStartTimeout

  @Flag(help: "End as soon as every token is in its file.")
  var once = false

  func run() {
    DaemonProcess(config: config, startTimeout: startTimeout, once: once).run()
  }
}

/// The daemon as `run` starts it.
struct DaemonProcess {
  static let defaultStartTimeout = TimeSpan(.seconds(900))

  /// The path of the configuration file; `nil` for the default.
  var config: String?
  /// How long the start waits for the first tokens.
  var startTimeout = defaultStartTimeout
  /// Whether the process ends as soon as every token is in its file.
  var once = false

  func run() {
    CommandLineError.requireLibcurl()
    linux_share_heap()
    // The signals must be blocked before other threads start, and before the configuration is read. Until then, a
    // signal would end the process by its default action.
    let queue = BrokerActor.queue
    let running = Mutex<Daemon?>(nil)
    let hasHangup = Atomic(false)
    let signals = UnixSignals([SIGTERM, SIGINT, SIGHUP, SIGUSR1], queue: queue) { [once] signal in
      if let daemon = running.withLock({ $0 }) {
        daemon.assumeIsolated { $0.receive(signal) }
      } else if signal == SIGTERM || signal == SIGINT {
        // There is nothing to clean up yet.
        _exit(once ? EX_TEMPFAIL : EXIT_SUCCESS)
      } else if signal == SIGHUP {
        // The configuration can have been read already. SIGUSR1 needs no action, since the start requests all tokens.
        hasHangup.store(true, ordering: .relaxed)
      }
    }
    // A write beyond a limit on the size of files (RLIMIT_FSIZE) must fail as any other does.
    for signal in [SIGPIPE, SIGXFSZ] { UnixSignals.ignore(signal) }
    let environment = RuntimeEnvironment.current
    let path = config ?? environment.defaultConfigurationPath
    do {
      // This must come before the first secret is read.
      try ProcessHardening.disableCoreDumps()
    } catch {
      fail("\(error)")
    }
    // This must come before another thread reads the environment.
    let inherited = Result { () throws(SystemCallFailure) in try ListenDescriptor.takeAll() }
    // This is for a start without systemd, in a terminal or in a container. A failure is reported when the directory is
    // used.
    _ = environment.makeTokenDirectory()
    let locks = takeTokenDirectory(environment)
    let leftovers = LeftoverWatch(environment.tokenDirectory, queue: queue)
    let stored = StoredConfiguration.names.map { name in
      (try? inherited.get())?.first { $0.name == name }.map { StoredConfiguration(takingOver: $0.descriptor) }
    }
    let handedOver = sockets(inherited)
    let isActivated = handedOver.sockets.contains(where: \.isActivated)
    let start = configuration(path, environment, stored[0], working: stored[1], isActivated: isActivated)
    let logger = LogDestination.logger(start.configuration.daemon)
    if let failure = handedOver.failure {
      logger.warning("the sockets that systemd handed over are not used: \(failure)")
    }
    if TLSKeyLog.wasRequested {
      logger.warning("SSLKEYLOGFILE is ignored: its file would decrypt the client secret and the token")
    }
    let daemon = Daemon(
      start, environment: environment, logger: logger, locks: locks, leftovers: leftovers,
      startTimeout: startTimeout.duration, endsWithFirstTokens: once, sockets: handedOver.sockets)
    // This runs on the queue of the signals, so that no signal arrives in between.
    queue.sync {
      running.withLock { $0 = daemon }
      if hasHangup.load(ordering: .relaxed) { daemon.assumeIsolated { $0.receive(SIGHUP) } }
    }
    Task(executorPreference: daemon.broker.requests) { await daemon.start() }
    withExtendedLifetime(signals) { daemon.runHeartbeat() }
  }

  /// The time limit at the start for files that tables name. A table with slower files reports that itself.
  private static let fileLimit = Duration.seconds(2)

  /// The configuration for the start. Ends the process with 78 if there is none. Reports a file that hangs.
  private func configuration(
    _ path: String, _ environment: RuntimeEnvironment, _ previous: StoredConfiguration?, working: StoredConfiguration?,
    isActivated: Bool
  ) -> StartConfiguration {
    let found = Mutex<ConfigurationDraft?>(nil)
    let isRead = DispatchSemaphore(value: 0)
    // A thread that hangs in the kernel cannot end with the process, so this thread must not read the file.
    FileCalls.start("configuration") {
      let draft = ConfigurationDraft(reading: path, environment: environment)
      found.withLock { $0 = draft }
      isRead.signal()
    }
    if isRead.wait(timeout: .now() + .nanoseconds(Int(Self.fileLimit.nanoseconds))) == .timedOut {
      StandardError.write("konexus-tokend: reading \(path) takes long: the file system does not answer\n")
      try? Notifier().status("waits for \(path): the file system does not answer")
      isRead.wait()
    }
    guard let draft = found.withLock({ $0 }) else { fail("\(path) was not read", isActivated: isActivated) }
    let checked = Mutex<(draft: ConfigurationDraft, overdue: [FileCalls.Overdue])>((draft, []))
    let isChecked = DispatchSemaphore(value: 0)
    Task(executorPreference: RequestExecutor()) {
      var result = await draft.checked(within: Self.fileLimit)
      // Without a previous configuration there is no alternative, and the directory can still be made later.
      if let text = previous?.text, text != draft.text {
        result.draft = await result.draft.checkingOutputs(within: Self.fileLimit)
      }
      checked.withLock { $0 = result }
      isChecked.signal()
    }
    isChecked.wait()
    let result = checked.withLock { $0 }
    for error in result.overdue { StandardError.write("\(error)\n") }
    do throws(ConfigurationErrors) {
      let start = try StartConfiguration(
        result.draft, former: previous, working: working, environment: environment, isPartAllowed: !once)
      LogDestination.report(start.diagnostics, start.configuration.daemon)
      return start
    } catch {
      let count = error.diagnostics.count
      LogDestination.logger(result.draft.configuration.daemon).critical(
        "the configuration is not usable: \(count) \(count == 1 ? "fault" : "faults")",
        metadata: ["message_id": "\(EventID.configurationBroken.rawValue)"])
      // The message goes to standard error. For a process that ends at once, journald sometimes cannot find the unit of
      // a journal entry.
      fail("\(error)", isActivated: isActivated)
    }
  }

  /// Locks the runtime directory. Ends the process with 75 (EX_TEMPFAIL) if another daemon has locked it. That daemon
  /// can be about to stop.
  private func takeTokenDirectory(_ environment: RuntimeEnvironment) -> DirectoryLocks {
    let locks = DirectoryLocks(runtimeDirectory: environment.tokenDirectory)
    do throws(DirectoryLocks.Held) { try locks.take(environment.tokenDirectory) } catch {
      StandardError.write("konexus-tokend: \(error)\n")
      try? Notifier().status("\(error)")
      exit(EX_TEMPFAIL)
    }
    return locks
  }

  /// The listening sockets from systemd: of a socket unit, or kept from the previous run.
  private func sockets(
    _ inherited: Result<[ListenDescriptor], SystemCallFailure>
  ) -> (sockets: [InheritedSocket], failure: SystemCallFailure?) {
    do throws(SystemCallFailure) {
      let sockets = try inherited.get().filter { !StoredConfiguration.names.contains($0.name) }.map {
        InheritedSocket(descriptor: $0.descriptor, isActivated: $0.name != ServiceManager.keptSocket)
      }
      return (sockets, nil)
    } catch {
      return ([], error)
    }
  }

  /// Ends with `EX_CONFIG`, after which the unit does not restart. `systemctl status` shows the first line too.
  private func fail(_ text: String, isActivated: Bool = false) -> Never {
    StandardError.write(text.hasSuffix("\n") ? text : text + "\n")
    try? Notifier().status("configuration: " + text.prefix { $0 != "\n" })
    ServiceManager.pauseBeforeFailure(isActivated: isActivated)
    exit(EX_CONFIG)
  }
}

extension DaemonProcess {
  /// Reads a command line as unit files have it: `run`, `--config PATH`, `--start-timeout TIME`, `--once`.
  ///
  /// `nil` for any other command line, which ArgumentParser reads. Its reflection takes a fifth of the instructions of
  /// a start.
  init?(plain arguments: some Sequence<String>) {
    var rest = Array(arguments)[...]
    guard rest.popFirst() == "run" else { return nil }
    while let option = rest.popFirst() {
      if option == "--once" {
        once = true
        continue
      }
      guard let value = rest.popFirst(), !value.isEmpty, !value.hasPrefix("-") else { return nil }
      if option == "--config" {
        config = value
      } else if option == "--start-timeout", let time = try? TimeSpan(argument: value) {
        startTimeout = time
      } else {
        return nil
      }
    }
  }
}
