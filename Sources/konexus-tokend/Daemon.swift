import Base
import Broker
import CLinux
import Dispatch
import Files
import Glibc
import HTTP
import Logging
import Publication
import Settings
import Systemd

/// The service wrapper. It passes signals to the broker, and the broker's reports to systemd and to files. It uses the
/// broker's queue.
actor Daemon {
  nonisolated let broker: TokenBroker
  nonisolated var unownedExecutor: UnownedSerialExecutor { broker.unownedExecutor }

  private let startConfiguration: StartConfiguration
  let environment: RuntimeEnvironment
  private let configPath: String
  var logger: Logger
  nonisolated let outbox: Outbox
  let manager: ServiceManager
  let files: StatusFiles
  private var startExtension: (any DispatchSourceTimer)?
  private var lastReload: Task<Void, Never>?
  var control: ControlSocket?
  var rejections: RejectionSocket?
  var unopened = UnopenedSockets()
  /// The text of the configuration in use, for the next start and for comparisons.
  private var stored: StoredConfiguration?
  /// The text with which tokens came last, until the configuration in use has brought them.
  private var working: StoredConfiguration? { didSet { manager.keep(working: working) } }
  private var lastComparison = Moment.now().boot
  private var isStopping = false
  /// The exit status of `run --once`, once it is known.
  private var exitCode: Int32?
  private var hasUnmappedStartupCode = false
  var isDirectoryLost = false
  /// The mode of the runtime directory at the start.
  var directoryMode: DirectoryMode?
  private var isStarted = false
  private var waitingReloads: [@Sendable () -> Void] = []
  let locks: DirectoryLocks
  private let leftovers: LeftoverWatch
  /// Credential sockets that systemd opened for the daemon.
  private let sockets: [InheritedSocket]
  /// The end of the time limit of `run --once`; `nil` without that option.
  private let onceLimit: BootTime?

  /// How often systemd's start timeout is extended while there is no token, and by how much.
  private static let extensionPeriod = DispatchTimeInterval.seconds(5)
  private static let extensionLength = Duration.seconds(20)

  /// The common time limit for the last messages to systemd and the last writes of status and metrics.
  private static let finalMessageLimit = DispatchTimeInterval.seconds(2)

  /// The delay after readiness. By then, the connection for the first token is also closed.
  private static let startupCodeDelay = DispatchTimeInterval.seconds(3)

  /// - Parameters:
  ///   - locks: the directories that this process has locked.
  ///   - leftovers: removes expired tokens of the previous run until they are restored.
  ///   - startTimeout: how long the first tokens may take.
  ///   - endsWithFirstTokens: whether the process ends when each token is in its file: `run --once`.
  ///   - sockets: credential sockets that systemd opened for the daemon.
  init(
    _ start: StartConfiguration, environment: RuntimeEnvironment, logger: Logger,
    locks: DirectoryLocks, leftovers: LeftoverWatch, startTimeout: Duration, endsWithFirstTokens: Bool,
    sockets: [InheritedSocket]
  ) {
    let configuration = start.configuration
    startConfiguration = start
    self.environment = environment
    self.locks = locks
    self.leftovers = leftovers
    self.logger = logger
    self.sockets = sockets
    onceLimit = endsWithFirstTokens ? Moment.now().boot + startTimeout : nil
    configPath = configuration.path
    broker = TokenBroker(configuration, http: HTTPClient(), logger: logger, locks: locks)
    outbox = Outbox(logger: logger)
    manager = ServiceManager(outbox, logger: logger, startTimeout: startTimeout)
    files = StatusFiles(directory: environment.tokenDirectory, configuration.daemon, logger: logger)
  }

  /// Starts the broker. Ends the process with 78 if no token can be written to its path.
  func start() async {
    if let problem = startConfiguration.problem { await broker.startsWith(problem) }
    stored = startConfiguration.stored
    startExtension = timer(every: Self.extensionPeriod) { daemon in
      if !daemon.manager.extendStart(by: Self.extensionLength) { daemon.startExtension = nil }
    }
    openControlSocket()
    openRejectionSocket()
    if onceLimit != nil {
      startExtension = timer(every: .seconds(1)) { daemon in
        daemon.endIfDone(daemon.broker.assumeIsolated { $0.status() })
      }
    }
    do throws(PublicationFailure) {
      let listened: @Sendable (Int32?) -> Void = { [self] socket in assumeIsolated { $0.manager.keep(socket) } }
      let looked: @Sendable () -> Void = { [self] in assumeIsolated { $0.restoreDirectory() } }
      let takenOver: @Sendable (String) -> Void = { [leftovers] in leftovers.release($0) }
      // This runs later, because the broker is in the middle of its work.
      let exited: @Sendable () -> Void = { [self] in broker.queue.async { self.endLater() } }
      let previous = StatusFile.left(in: environment.tokenDirectory)
      try await broker.start(
        after: previous, working: startConfiguration.working?.settings, sockets: sockets, onListen: listened,
        onLook: looked, onTakeover: takenOver, onExit: exited
      ) {
        [self] status in
        assumeIsolated { $0.report(status) }
      }
    } catch {
      logger.critical("\(error)")
      manager.failed("\(error)")
      outbox.flush(until: .now() + Self.finalMessageLimit)
      ServiceManager.pauseBeforeFailure(isActivated: sockets.contains(where: \.isActivated))
      _exit(error.isOccupied ? EX_TEMPFAIL : EX_CONFIG)
    }
    working = await broker.haveSettingsWorked ? nil : startConfiguration.working?.text
    manager.keep(stored)
    isStarted = true
    if !files.canHang { directoryMode = DirectoryMode(of: environment.tokenDirectory) }
    for reload in waitingReloads { reload() }
    waitingReloads = []
    await noteConfigurationFile()
    // systemd copies a file that other users can read, without a warning.
    let refusal = try? await FileCalls.run("compare") { [environment, configPath] in
      environment.refusal(ofSourceOf: configPath)
    }
    if let refusal { logger.error("\(refusal)") }
  }

  func receive(_ request: ControlSocket.Request, _ file: PassedFile?, _ reply: ControlReply) {
    // If the daemon reads its configuration file itself, the command's file can be another one.
    let file = environment.configurationSource(of: configPath) == configPath ? nil : file
    switch request {
    case .reload: reload(from: file, reply)
    case .compare:
      let (stored, configPath, environment) = (stored, configPath, environment)
      Task(executorPreference: broker.requests) {
        let text = try? await FileCalls.run("compare") {
          file.map { $0.content(atMost: ConfigurationDraft.sizeLimit) }
            ?? ConfigurationDraft(reading: configPath, environment: environment).text
        }
        guard let text else { return reply.send(.failed("the configuration file cannot be read")) }
        guard text == stored?.text else { return reply.send(.failed("the file is not what is in effect")) }
        // After the comparison, an unchanged file is no longer reported as changed.
        if let file { await self.broker.note(file.stamp) } else { await self.noteConfigurationFile() }
        reply.send(.ok(""))
      }
    }
  }

  /// Handles a signal on the broker's queue.
  func receive(_ signal: Int32) {
    switch signal {
    case SIGHUP: handleHangup()
    case SIGUSR1: broker.assumeIsolated { $0.refreshAll() }
    default:
      // A second signal ends the process at once.
      guard !isStopping else { end() }
      isStopping = true
      let isStarted = broker.assumeIsolated { $0.stop() }
      manager.stopping()
      if !isStarted { end() }
    }
  }

  private nonisolated func endLater() {
    assumeIsolated { daemon -> Void in daemon.end() }
  }

  /// Records in the status that the daemon has stopped, and ends the process.
  private func end() -> Never {
    var last = broker.assumeIsolated { $0.status() }
    let isComplete = onceLimit == nil || !last.tokens.isEmpty && last.tokens.allSatisfy { $0.condition != .absent }
    last.stoppedAt = last.writtenAt
    let limit = DispatchTime.now() + Self.finalMessageLimit
    files.writeLast(last, until: limit)
    outbox.flush(until: limit)
    files.flushMetrics(until: limit)
    // Requests in progress are abandoned: the files are complete at any time. exit(3) would run handlers that free
    // libraries while other threads use them.
    _exit(exitCode ?? (isComplete ? EXIT_SUCCESS : EX_TEMPFAIL))
  }

  private func report(_ status: BrokerStatus) {
    manager.report(status)
    if status.isReady { unmapStartupCode() }
    files.write(status)
    if working != nil, broker.assumeIsolated({ $0.haveSettingsWorked }) { working = nil }
    endIfDone(status)
  }

  /// Ends the process of `run --once`. The code is:
  ///
  /// - 0 if each token is in its file,
  /// - 77 (EX_NOPERM) if the server refused the missing tokens,
  /// - 75 (EX_TEMPFAIL) if the time limit is over or the daemon was stopped.
  private func endIfDone(_ status: BrokerStatus) {
    // The broker has no tokens while it checks their directories.
    guard let onceLimit, !status.tokens.isEmpty, exitCode == nil else { return }
    let missing = status.tokens.filter { $0.condition == .absent }
    let code: Int32
    if missing.isEmpty {
      code = EXIT_SUCCESS
    } else if missing.allSatisfy({ $0.failure?.kind == .refused }) {
      code = EX_NOPERM
    } else if Moment.now().boot >= onceLimit {
      code = EX_TEMPFAIL
    } else {
      return
    }
    for token in missing {
      let reason = token.failure?.kind == .refused ? "the server rejects the request" : "no token in --start-timeout"
      logger.error("\(reason): \(token.line(now: status.writtenAt))")
    }
    exitCode = code
    _ = broker.assumeIsolated { $0.stop(revokes: false) }
  }

  /// Unmaps the code and the constants, because only the start needs most of them.
  private func unmapStartupCode() {
    guard !hasUnmappedStartupCode else { return }
    hasUnmappedStartupCode = true
    broker.queue.asyncAfter(deadline: .now() + Self.startupCodeDelay) { linux_unmap_constants() }
  }

  func heartbeat() -> ServiceManager.Heartbeat {
    compareConfiguration()
    let heartbeat = manager.heartbeat(ifAlive: { broker.assumeIsolated { $0.beat() } })
    if !heartbeat.isAlive {
      logger.critical("a request hangs beyond its limit: no heartbeat, so that systemd restarts the daemon")
    }
    return heartbeat
  }

  /// Reloads the configuration, unless the daemon has only systemd's copy. The copy is from the start, so an accidental
  /// signal would undo a reload with a newer file.
  private func handleHangup() {
    let source = environment.configurationSource(of: configPath)
    guard source != configPath else { return reload() }
    logger.notice("SIGHUP does not read \(source), which only root can open -> systemctl reload konexus-tokend")
    broker.assumeIsolated { $0.retryFailing() }
  }

  /// Reloads the configuration, from `file` if a command passed one, and replies.
  private func reload(from file: PassedFile? = nil, _ reply: ControlReply? = nil) {
    guard !isStopping else {
      reply?.send(.failed("the daemon is stopping"))
      return
    }
    // The rest of the start would undo a reload that happens now.
    guard isStarted else {
      return waitingReloads.append { [weak self] in self?.assumeIsolated { $0.reload(from: file, reply) } }
    }
    let previous = lastReload
    lastReload = Task(executorPreference: broker.requests) {
      await previous?.value
      let problem = await self.reloadConfiguration(file)
      await self.endReload()
      reply?.send(problem.map { .failed($0) } ?? .ok(""))
    }
  }

  private func endReload() {
    manager.reloaded(broker.assumeIsolated { $0.status() })
  }

  /// Reloads the configuration.
  ///
  /// - Returns: why it is not used; `nil` if it is.
  private func reloadConfiguration(_ file: PassedFile?) async -> String? {
    manager.reloading()
    do {
      let (configuration, text) = try await loadConfiguration(file)
      try await broker.reload(configuration)
      if working == nil, await !broker.haveSettingsWorked {
        // This is a copy, because systemd keeps each file under one name only.
        working = stored?.text.flatMap(StoredConfiguration.init)
      }
      stored = text.flatMap(StoredConfiguration.init) ?? stored
      manager.keep(stored)
      if let file {
        await broker.note(file.stamp)
      } else {
        await noteConfigurationFile()
      }
      logger = LogDestination.logger(configuration.daemon)
      files.use(configuration.daemon, logger: logger)
      await broker.setLogger(logger)
      return nil
    } catch {
      let text = "\(error)"
      // The journal gets a line for each fault. The status has space for the first one.
      for line in text.split(separator: "\n") { logger.error("\(line)") }
      await broker.reloadFailed(String(text.prefix { $0 != "\n" }))
      return text
    }
  }

  /// Reads the configuration. The files can hang, so they are not read on the broker's queue.
  private func loadConfiguration(_ file: PassedFile?) async throws -> (Configuration, text: Secret?) {
    let draft = try await FileCalls.run("configuration") { [configPath, environment] in
      guard let file else { return ConfigurationDraft(reading: configPath, environment: environment) }
      // Root's command has checked the owner. The daemon's user may be unable to open the file.
      return ConfigurationDraft(file, standingFor: configPath, environment: environment)
    }
    let (checked, overdue) = await draft.checked(within: FileCalls.usualLimit)
    for error in overdue { logger.warning("\(error)") }
    return (try checked.get(), checked.text)
  }

  /// Records the stamp of the configuration file. Its file system can hang.
  private func noteConfigurationFile() async {
    let source = environment.configurationSource(of: configPath)
    let stamp = try? await FileCalls.run("compare") { FileStamp(at: source) }
    await broker.note(stamp ?? nil)
  }

  /// Compares the configuration file with its stamp, once per minute.
  private func compareConfiguration() {
    let now = Moment.now().boot
    guard now - lastComparison >= .seconds(60) else { return }
    lastComparison = now
    let source = environment.configurationSource(of: configPath)
    Task(executorPreference: broker.requests) {
      if let stamp = try? await FileCalls.run("compare", { FileStamp(at: source) }) { await self.broker.compare(stamp) }
    }
  }

  private func timer(
    every period: DispatchTimeInterval, _ handler: @escaping @Sendable (isolated Daemon) -> Void
  ) -> any DispatchSourceTimer {
    let timer = DispatchSource.makeTimerSource(queue: broker.queue)
    timer.schedule(deadline: .now() + period, repeating: period, leeway: .milliseconds(100))
    timer.setEventHandler { [self] in assumeIsolated { handler($0) } }
    timer.activate()
    return timer
  }
}
