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

/// The shell round the broker: signals in, notifications out. Shares the broker's queue.
actor Daemon {
  nonisolated let broker: TokenBroker
  nonisolated var unownedExecutor: UnownedSerialExecutor { broker.unownedExecutor }

  private let beginning: StartConfiguration
  private let environment: RuntimeEnvironment
  private let configPath: String
  private var logger: Logger
  private nonisolated let outbox: Outbox
  private let manager: ServiceManager
  private var statusFile: StatusFile
  /// Writes the status in place of `statusFile` where the runtime directory may be on a disk.
  private let statusWriter: BackgroundWriter<StatusFile>?
  private var metrics: BackgroundWriter<MetricsFile>?
  private var signals: UnixSignals?
  private var startExtension: (any DispatchSourceTimer)?
  private var lastReload: Task<Void, Never>?
  private var control: ControlSocket?
  /// The text in effect, for the next start and for comparisons.
  private var stored: StoredConfiguration?
  private var lastComparison = Moment.now().boot
  private var isEnding = false
  private var hasShedCode = false
  private var hasComplained = false
  private var isDirectoryLost = false
  private var isStarted = false
  private var waitingReloads: [@Sendable () -> Void] = []
  private var metricsFile: String?
  private let locks: DirectoryLocks
  private let leftovers: LeftoverWatch
  /// Credential sockets that were opened for the daemon.
  private let sockets: [InheritedSocket]
  /// When to give up, if it is to end with the first tokens.
  private let onceLimit: BootTime?

  /// While there is no token yet, systemd is asked this often for this much more time.
  private static let extensionPeriod = DispatchTimeInterval.seconds(5)
  private static let extensionLength = Duration.seconds(20)

  /// How long systemd and the disks of status and metrics, all together, may take for the last messages.
  private static let lastWord = DispatchTimeInterval.seconds(2)

  /// From the first token on: by then the connection that brought it is closed too.
  private static let startOver = DispatchTimeInterval.seconds(3)

  /// - Parameters:
  ///   - locks: the directories that this process has taken already.
  ///   - leftovers: what looks after the tokens of a former run until each is taken over.
  ///   - startTimeout: how long the first tokens are waited for.
  ///   - endsWithFirstTokens: whether the process ends when every token is in its file: `run --once`.
  ///   - sockets: credential sockets that were opened for the daemon.
  init(
    _ start: StartConfiguration, environment: RuntimeEnvironment, logger: Logger,
    locks: DirectoryLocks, leftovers: LeftoverWatch, startTimeout: Duration, endsWithFirstTokens: Bool,
    sockets: [InheritedSocket]
  ) {
    let configuration = start.configuration
    beginning = start
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
    metrics = BackgroundWriter(configuration.daemon, logger: logger)
    metricsFile = configuration.daemon.metricsFile
    let mayHang = configuration.daemon.allowPersistentStorage
    statusFile = StatusFile(directory: environment.tokenDirectory, allowsPersistentStorage: mayHang)
    statusWriter = mayHang ? BackgroundWriter(statusFile, logger: logger, complaint: Self.statusComplaint) : nil
  }

  /// Starts everything; ends the process with 78 if the place of every token is unfit.
  func start() async {
    if let problem = beginning.problem { await broker.startsWith(problem) }
    stored = beginning.stored
    startExtension = timer(every: Self.extensionPeriod) { daemon in
      if !daemon.manager.extendStart(by: Self.extensionLength) { daemon.startExtension = nil }
    }
    openControlSocket()
    if onceLimit != nil {
      startExtension = timer(every: .seconds(1)) { daemon in
        daemon.endIfDone(daemon.broker.assumeIsolated { $0.status() })
      }
    }
    do throws(PublicationFailure) {
      let listened: @Sendable (Int32?) -> Void = { [self] socket in assumeIsolated { $0.manager.keep(socket) } }
      let looked: @Sendable () -> Void = { [self] in assumeIsolated { $0.restoreDirectory() } }
      let takenOver: @Sendable (String) -> Void = { [leftovers] in leftovers.release($0) }
      let former = StatusFile.left(in: environment.tokenDirectory)
      try await broker.start(after: former, sockets: sockets, onListen: listened, onLook: looked, onTakeover: takenOver)
      {
        [self] status in
        assumeIsolated { $0.report(status) }
      }
    } catch {
      logger.critical("\(error)")
      manager.failed("\(error)")
      outbox.flush(until: .now() + Self.lastWord)
      ServiceManager.pauseBeforeFailure(isActivated: sockets.contains(where: \.isActivated))
      _exit(error.isOccupied ? EX_TEMPFAIL : EX_CONFIG)
    }
    manager.keep(stored)
    isStarted = true
    for reload in waitingReloads { reload() }
    waitingReloads = []
    await noteConfigurationFile()
    // systemd, which made the copy that is read, does not mind.
    let refusal = try? await FileCalls.run("compare") { [environment, configPath] in
      environment.refusal(ofSourceOf: configPath)
    }
    if let refusal { logger.error("\(refusal)") }
  }

  /// Puts the runtime directory back if someone removed it: the tokens are written into it again.
  private func restoreDirectory() {
    let directory = environment.tokenDirectory
    // On a disk, which may hang, it is not looked for.
    guard statusWriter == nil, access(directory, F_OK) != 0, errno == ENOENT else {
      isDirectoryLost = false
      if let control, statusWriter == nil, !control.isThere { openControlSocket() }
      return
    }
    guard environment.makeTokenDirectory() else {
      let reason = String(cString: strerror(errno))
      if !isDirectoryLost {
        logger.critical(
          "\(directory) was removed and cannot be made again: \(reason) -> systemctl restart konexus-tokend")
      }
      isDirectoryLost = true
      return
    }
    logger.error("\(directory) was removed; it was made again")
    do throws(DirectoryLocks.Held) { try locks.takeAgain(directory) } catch { logger.critical("\(error)") }
    statusFile = StatusFile(directory: directory, allowsPersistentStorage: false)
    openControlSocket()
  }

  /// Listens to `konexus-tokend reload`.
  private func openControlSocket() {
    do throws(PublicationFailure) {
      control = try ControlSocket(in: environment.tokenDirectory, queue: broker.queue) {
        [weak self] request, file, reply in
        self?.assumeIsolated { $0.receive(request, file, reply) }
      }
    } catch {
      logger.warning("konexus-tokend reload does not work: \(error)")
    }
  }

  private func receive(_ request: ControlSocket.Request, _ file: PassedFile?, _ reply: ControlReply) {
    // A daemon whose configuration is no copy of systemd's opens it itself: the command may know another one.
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
        // What was written again without a change is not reported any more, to other users either.
        if let file { await self.broker.note(file.stamp) } else { await self.noteConfigurationFile() }
        reply.send(.ok(""))
      }
    }
  }

  /// Takes a signal, on the broker's queue.
  func receive(_ signal: Int32) {
    switch signal {
    case SIGHUP: hangUp()
    case SIGUSR1: broker.assumeIsolated { $0.refreshAll() }
    default:
      // Who asks twice does not want to wait.
      guard !isEnding else { end() }
      isEnding = true
      broker.assumeIsolated { $0.stop() }
      manager.stopping()
      guard broker.assumeIsolated({ $0.hasRevocable }) else { end() }
      Task(executorPreference: broker.requests) {
        await self.broker.revokeOnStop()
        await self.end()
      }
    }
  }

  /// Leaves word that nobody looks after the tokens any more, and ends.
  private func end(_ code: Int32? = nil) -> Never {
    var last = broker.assumeIsolated { $0.status() }
    let isComplete = onceLimit == nil || !last.tokens.isEmpty && last.tokens.allSatisfy { $0.condition != .absent }
    last.stoppedAt = last.writtenAt
    if let statusWriter { statusWriter.write(last) } else { try? statusFile.write(last) }
    let limit = DispatchTime.now() + Self.lastWord
    statusWriter?.flush(until: limit)
    outbox.flush(until: limit)
    metrics?.flush(until: limit)
    // What is under way is not waited for: the files are whole at any instant, and there is nothing else to lose.
    // Not exit(3): its handlers would take libraries apart under threads that still use them.
    _exit(code ?? (isComplete ? EXIT_SUCCESS : EX_TEMPFAIL))
  }

  private func report(_ status: BrokerStatus) {
    manager.report(status)
    if status.isReady { shedCode() }
    metrics?.write(status)
    if let statusWriter {
      statusWriter.write(status)
    } else {
      do throws(PublicationFailure) {
        try statusFile.write(status)
        hasComplained = false
      } catch {
        if !hasComplained { logger.warning("\(Self.statusComplaint(error))") }
        hasComplained = true
      }
    }
    endIfDone(status)
  }

  @Sendable private static func statusComplaint(_ failure: PublicationFailure) -> String {
    "konexus-tokend status does not work: \(failure)"
  }

  /// With `run --once`: ends with 0 when every token is in its file, with 77 (EX_NOPERM) when the server refuses one and the others are there, with 75
  /// (EX_TEMPFAIL) when time is up or it is told to stop before.
  private func endIfDone(_ status: BrokerStatus) {
    // At first the broker has no tokens: it still looks at their places.
    guard let onceLimit, !status.tokens.isEmpty else { return }
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
      let reason = token.failure?.kind == .refused ? "the server refuses the token" : "no token within the time"
      logger.error("\(reason): \(token.line(now: status.writtenAt))")
    }
    broker.assumeIsolated { $0.stop() }
    end(code)
  }

  /// Most of the program is run once, to start: it need not be mapped for the months that follow.
  private func shedCode() {
    guard !hasShedCode else { return }
    hasShedCode = true
    broker.queue.asyncAfter(deadline: .now() + Self.startOver) { linux_unmap_code() }
  }

  private func beat() -> ServiceManager.Beat {
    compareConfiguration()
    let beat = manager.beat(ifAlive: { broker.assumeIsolated { $0.beat() } })
    if !beat.lives {
      logger.critical("a request hangs beyond its limit: no heartbeat, so that systemd restarts the daemon")
    }
    return beat
  }

  /// Looks after files and clocks, for ever, and shows systemd that the broker is alive. On the main thread, which has nothing else to do.
  ///
  /// An idle queue runs what is asked of it by `sync` on the asking thread: a beat costs one wake-up, where a timer of the queue costs
  /// several threads theirs. A queue that does not answer holds this thread up, and then there are no beats.
  nonisolated func beatForever() -> Never {
    // Not dispatchMain(): on Linux it lets every signal through to this thread, where one of them now and then is lost to the sources.
    let heartbeat = broker.queue.sync { assumeIsolated { $0.manager.heartbeat } }
    var next = Moment.now().monotonic
    while true {
      // Without a watchdog the look is still needed: in a container, or where the kernel reports no changes of files.
      let look = broker.queue.sync { broker.assumeIsolated { $0.lookPeriod } }
      let period = min(heartbeat ?? look, look)
      next = next + period
      var end = timespec(tv_sec: Int(next.nanoseconds / 1_000_000_000), tv_nsec: Int(next.nanoseconds % 1_000_000_000))
      while clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nil) == EINTR {}
      let beat = broker.queue.sync { assumeIsolated { $0.beat() } }
      if heartbeat != nil {
        outbox.sendAndWait { notifier throws(SystemCallFailure) in try beat.send(by: notifier) }
      }
      // After a time in which the process was stopped, one beat makes up for those that were missed.
      let now = Moment.now().monotonic
      if now > next + period { next = now }
    }
  }

  /// Reads the settings again; unless the daemon has only systemd's copy of them, which is of the start: a stray signal must not undo
  /// a reload that passed a newer file.
  private func hangUp() {
    let source = environment.configurationSource(of: configPath)
    guard source != configPath else { return reload() }
    logger.notice("SIGHUP does not read \(source), which only root can open -> systemctl reload konexus-tokend")
    broker.assumeIsolated { $0.retryFailing() }
  }

  /// Reads the settings again, from `file` if a command passed one, and answers.
  private func reload(from file: PassedFile? = nil, _ reply: ControlReply? = nil) {
    guard !isEnding else {
      reply?.send(.failed("the daemon is stopping"))
      return
    }
    // A reload during the start would be undone by what the start has yet to do.
    guard isStarted else {
      return waitingReloads.append { [weak self] in self?.assumeIsolated { $0.reload(from: file, reply) } }
    }
    manager.reloading()
    let former = lastReload
    lastReload = Task(executorPreference: broker.requests) {
      await former?.value
      let problem = await self.readAgain(file)
      await self.endReload()
      reply?.send(problem.map { .failed($0) } ?? .ok(""))
    }
  }

  private func endReload() {
    manager.reloaded(broker.assumeIsolated { $0.status() })
  }

  /// - Returns: why the settings are not used, if they are not.
  private func readAgain(_ file: PassedFile?) async -> String? {
    do {
      let (configuration, text) = try await loadConfiguration(file)
      try await broker.reload(configuration)
      stored = text.flatMap(StoredConfiguration.init) ?? stored
      manager.keep(stored)
      if let file {
        await broker.note(file.stamp)
      } else {
        await noteConfigurationFile()
      }
      logger = LogDestination.logger(configuration.daemon)
      // A writer that hangs on its disk is not left behind at each reload.
      if configuration.daemon.metricsFile != metricsFile {
        metrics = BackgroundWriter(configuration.daemon, logger: logger)
      }
      metricsFile = configuration.daemon.metricsFile
      await broker.setLogger(logger)
      return nil
    } catch {
      let text = "\(error)"
      // One line for each fault, so that each can be found in the journal; the status has room for the first.
      for line in text.split(separator: "\n") { logger.error("\(line)") }
      await broker.reloadFailed(String(text.prefix { $0 != "\n" }))
      return text
    }
  }

  /// The settings as they are now. The files may be on a file system that hangs: they are read beside the broker.
  private func loadConfiguration(_ file: PassedFile?) async throws -> (Configuration, text: Secret?) {
    let draft = try await FileCalls.run("configuration") { [configPath, environment] in
      guard let file else { return ConfigurationDraft(reading: configPath, environment: environment) }
      // Root's command has checked whose file it is; this user may not be able to open it.
      return ConfigurationDraft(file, standingFor: configPath, environment: environment)
    }
    let (checked, overdue) = await draft.checked(within: FileCalls.usualLimit)
    for error in overdue { logger.warning("\(error)") }
    return (try checked.get(), checked.text)
  }

  /// Notes which file the settings are from. Its file system may hang.
  private func noteConfigurationFile() async {
    let source = environment.configurationSource(of: configPath)
    let stamp = try? await FileCalls.run("compare") { FileStamp(at: source) }
    await broker.note(stamp ?? nil)
  }

  /// Looks once a minute whether the config file was changed since it was read.
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
