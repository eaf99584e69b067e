public import Dispatch
import Glibc
public import Logging
public import OAuthClient

/// Keeps every configured token fresh and in its files: the daemon without its shell.
///
/// All of its state belongs to one serial Dispatch queue. Timers and file events arrive on it, requests run beside it, and what is due
/// is decided by each token's `TokenLifecycle` alone.
public actor TokenBroker {
  /// The broker's queue. A handler that runs on it may call the broker through `assumeIsolated`; an answer from it proves the broker alive.
  public nonisolated let queue: DispatchQueue

  /// What a task that works with the broker should prefer to run on: all else would wake the process once a second.
  public nonisolated let requests: any TaskExecutor = RequestExecutor()

  nonisolated let executor: DispatchExecutor
  /// Runs the broker on its queue.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  var logger: Logger
  let http: HTTPClient
  var onChange: @Sendable (BrokerStatus) -> Void = { _ in }
  var onListen: @Sendable (Int32?) -> Void = { _ in }
  var desk = CredentialDesk()
  let startedAt = Moment.now()

  var configuration: Configuration
  var keepers: [String: TokenKeeper] = [:]
  var servers: [ServerKey: IssuerAccess] = [:]
  var watch: DirectoryWatch?
  /// Which token each file belongs to.
  var owners: [String: String] = [:]
  /// Tokens that were neither published nor refused yet since the start.
  var pending: Set<String> = []
  var isReady = false
  var isStopping = false
  var reloads = 0
  var reloadFailure: String?
  var lastReading: Moment
  /// When the shell is told next what there is to tell; `nil` if there is nothing.
  var reportDue: DispatchTime?

  /// An authorization server and who may ask it when.
  struct IssuerAccess {
    var server: AuthorizationServer
    var queue: RequestQueue
    /// What vouched for its last token.
    var evidence: EncodedEvidence?
  }

  /// A broker for the given settings; it does nothing before `start`.
  public init(_ configuration: Configuration, http: HTTPClient, logger: Logger) {
    let queue = DispatchQueue(label: "broker")
    self.queue = queue
    executor = DispatchExecutor(queue: queue)
    self.configuration = configuration
    self.http = http
    self.logger = logger
    lastReading = startedAt
  }

  /// Takes over what a former run left, and asks for the rest.
  ///
  /// - Parameters:
  ///   - former: the status that a former run left. Files of its tokens that no table names any more are removed: nobody would at
  ///     their end.
  ///   - sockets: credential sockets that were opened for the daemon.
  ///   - onListen: called on the broker's queue with the credential socket that the settings ask for whenever it was opened, so that it can
  ///     be kept over a restart; with `nil` when it was closed.
  ///   - onChange: called on the broker's queue whenever there is something new to tell.
  /// - Throws: `PublicationFailure` if a token's place, or that of the credential socket, is unfit: no tmpfs, open to others, missing.
  public func start(
    after former: BrokerStatus? = nil, sockets: [InheritedSocket] = [],
    onListen: @escaping @Sendable (Int32?) -> Void = { _ in },
    onChange: @escaping @Sendable (BrokerStatus) -> Void
  ) async throws(PublicationFailure) {
    self.onChange = onChange
    self.onListen = onListen
    watch = DirectoryWatch(queue: queue) { [weak self] in
      self?.assumeIsolated { $0.checkChangedFiles() }
    }
    for settings in configuration.tokens {
      let keeper = makeKeeper(settings)
      try keeper.prepare()
      keepers[settings.name] = keeper
      pending.insert(settings.name)
    }
    noteOwners()
    sweep()
    if let former { removeOrphans(of: former) }
    try openCredentialSockets(sockets)
    logger.notice(
      "konexus-tokend keeps \(configuration.tokens.count) token(s) fresh",
      metadata: metadata(.started, ["config": "\(configuration.source)"]))
    for settings in configuration.tokens { await introduce(settings.name) }
    reportSoon()
  }

  /// Asks for a new token for each table now (SIGUSR1).
  public func refreshAll() {
    logger.notice("a refresh of all tokens was asked for")
    for name in keepers.keys { handle(.refresh, name) }
  }

  /// Stops: requests under way are given up, the tokens stay in their files (but see `withdrawRevocable`).
  public func stop() {
    isStopping = true
    let leaves = keepers.values.contains { !$0.settings.revokesOnStop }
    logger.notice(
      leaves ? "stopping; the tokens stay in their files" : "stopping; the tokens are revoked",
      metadata: metadata(.stopping))
    dismissWaiting()
    for keeper in keepers.values { keeper.task?.cancel() }
  }

  /// A heartbeat: does what is overdue, looks after the files and the clocks, and tells whether the broker is alive.
  ///
  /// - Returns: `false` if any token's deadline has passed by more than `grace` and nothing moved it: a request that hangs beyond its limit, a timer
  ///   that never came.
  public func beat(grace: Duration = .seconds(5)) -> Bool {
    let now = Moment.now()
    compareClocks(now)
    checkFiles()
    for name in keepers.keys {
      if let deadline = keepers[name]?.lifecycle.deadline, deadline <= now.boot { handle(.woke, name) }
    }
    // Now and not soon: that would take another thread and its wake-up at every beat.
    reportNow()
    let late = Moment.now().boot - grace
    return keepers.values.allSatisfy { keeper in keeper.lifecycle.deadline.map { $0 >= late } ?? true }
  }

  // MARK: One token

  func makeKeeper(_ settings: TokenSettings) -> TokenKeeper {
    let name = settings.name
    let timer = DeadlineTimer(queue: queue) { [weak self] in
      self?.assumeIsolated { $0.timerFired(name) }
    }
    return TokenKeeper(
      settings, allowsPersistentStorage: configuration.daemon.allowPersistentStorage, seed: .random(in: .min ... .max),
      timer: timer)
  }

  /// Begins a token's life: with what a former run left, or with a request.
  func introduce(_ name: String) async {
    guard let keeper = keepers[name], keeper.lifecycle.phase == .unstarted else { return }
    var adopted: HeldToken?
    do throws(PrivateFile.Unreadable) {
      let settings = keeper.settings
      let grant = try await Adoption.grant(from: settings.statePath, for: settings, now: Moment.now())
      keep(grant, in: keeper)
      keeper.announced = grant.requestedAt.boot
      keeper.proof = grant.proof
      keeper.skew = grant.skew
      adopted = keeper.plan(grant)
      // What vouched for it was the server's word: that is asked for again, by way of a new token, and readers keep the old one until it comes.
      if settings.verification == .introspection { adopted?.refreshAt = Moment.now().boot }
      await access(to: keeper.server).server.adopt(grant.evidence)
    } catch {
      guard keepers[name] === keeper, keeper.lifecycle.phase == .unstarted else { return }
      logger.debug("no token to take over: \(error.reason)", metadata: metadata(nil, of: keeper))
      // What nobody verified is not left for readers.
      withdraw(keeper)
    }
    guard keepers[name] === keeper, keeper.lifecycle.phase == .unstarted else { return }
    let filesAreRight = keeper.kept.map { keeper.adoptFiles($0) } ?? true
    if adopted != nil { pending.remove(name) }
    handle(.started(adopted: adopted), name)
    for directory in keeper.directories { watch?.watch(directory) }
    if !filesAreRight { handle(.disturbed, name) }
    refreshForWaiting(name)
  }

  func timerFired(_ name: String) {
    compareClocks(Moment.now())
    handle(.woke, name)
  }

  /// Gives an event to a token's lifecycle and does what it says.
  func handle(_ event: LifecycleEvent, _ name: String) {
    guard !isStopping, let keeper = keepers[name] else { return }
    let now = Moment.now().boot
    for effect in keeper.lifecycle.handle(event, at: now) { perform(effect, keeper) }
    if keeper.lifecycle.held == nil { keeper.kept = nil }
    serveWaiting(name)
    reportSoon(within: keeper.lifecycle.visible == nil || keeper.lifecycle.isWaiting ? 0 : Self.longestQuietRefresh)
  }

  /// While readers are served, "refreshing now" is told of a refresh that takes longer than this, in milliseconds: most are over sooner, and are told of once.
  private static let longestQuietRefresh = 250

  private func perform(_ effect: LifecycleEffect, _ keeper: TokenKeeper) {
    switch effect {
    case .request: enqueue(keeper)
    case .publish: publish(keeper)
    case .withdraw: takeBack(keeper)
    case .arm:
      // What an earlier effect led to may have moved it on.
      let now = Moment.now().boot
      if let time = keeper.lifecycle.nextWake(after: now) { keeper.timer.arm(time, now: now) }
    case .report(let report): tell(report, keeper)
    }
  }

  private func publish(_ keeper: TokenKeeper) {
    let name = keeper.settings.name
    do throws(PublicationFailure) {
      try keeper.publish()
      for directory in keeper.directories { watch?.watch(directory) }
      pending.remove(name)
      handle(.published, name)
      announce(keeper)
    } catch {
      handle(.publicationFailed(error.description), name)
    }
  }

  /// Tells the process of `signal` that there is a new token in the files.
  private func announce(_ keeper: TokenKeeper) {
    guard let signal = keeper.settings.signal, let token = keeper.grant?.requestedAt.boot, token != keeper.announced
    else {
      return
    }
    keeper.announced = token
    do throws(ReaderSignal.Failure) {
      try signal.send()
      keeper.signalFailure = nil
    } catch {
      // A reader that does not run yet will read the new token when it does.
      let isNews = keeper.signalFailure != error
      keeper.signalFailure = error
      logger.log(
        level: error.isAbsence || !isNews ? .debug : .warning,
        "\(keeper.settings.name): the reader was not told of the new token: \(error.problem)",
        metadata: metadata(.signalFailing, of: keeper))
    }
  }

  /// Removes what has ended; what cannot be removed is tried again.
  private func takeBack(_ keeper: TokenKeeper) {
    let name = keeper.settings.name
    do throws(PublicationFailure) {
      try keeper.withdraw()
      handle(.withdrawn, name)
    } catch {
      handle(.publicationFailed(error.description), name)
    }
  }

  func withdraw(_ keeper: TokenKeeper) {
    do throws(PublicationFailure) { try keeper.withdraw() } catch {
      logger.critical("\(error)", metadata: metadata(nil, of: keeper))
    }
  }

  /// Puts back what somebody deleted, replaced or opened to others.
  func checkFiles() {
    for keeper in keepers.values { checkFiles(of: keeper) }
  }

  private func checkFiles(of keeper: TokenKeeper) {
    guard keeper.lifecycle.visible != nil, !keeper.isUndisturbed else { return }
    handle(.disturbed, keeper.settings.name)
  }

  private func checkChangedFiles() {
    for change in watch?.read() ?? [] {
      switch change {
      case .file(let path):
        if let name = owners[path], let keeper = keepers[name] { checkFiles(of: keeper) }
      case .unknown: checkFiles()
      }
    }
  }

  /// Notes which token each file belongs to.
  func noteOwners() {
    owners = [:]
    for (name, keeper) in keepers {
      for output in keeper.settings.outputs { owners[output.path] = name }
    }
  }

  /// Removes temporary files that a killed run left.
  private func sweep() {
    var names: [String: Set<String>] = [:]
    for keeper in keepers.values {
      for path in keeper.paths { names[FilePath.directory(of: path), default: []].insert(FilePath.name(of: path)) }
    }
    for (directory, names) in names { TemporaryName.sweep(directory, of: names) }
  }

  /// Removes the files of a former run's tokens that are in no table now.
  private func removeOrphans(of former: BrokerStatus) {
    let kept = Set(keepers.values.flatMap(\.paths))
    for token in former.tokens {
      let outputs = token.outputs.map(\.path)
      let state = outputs.first.map { TokenSettings.statePath(of: token.name, besides: $0) }
      for path in outputs + [state].compactMap(\.self) where !kept.contains(path) {
        guard PublishedFile.removeOwn(path) else { continue }
        logger.notice(
          "\(path) is of a token that is in the settings no more (\(token.name)); it was removed")
      }
    }
  }

  /// Arms every timer anew after a clock was stepped or the host slept: the wall-clock halves of them are wrong now.
  private func compareClocks(_ now: Moment) {
    let boot = (now.boot - lastReading.boot).seconds
    let step = now.unix - lastReading.unix - boot
    let sleep = boot - (now.monotonic - lastReading.monotonic).seconds
    lastReading = now
    guard abs(step) > 1 || sleep > 1 else { return }
    // A virtual machine that was paused or restored finds all its clocks where they were, until somebody sets the one that can be set: what was
    // left of a token may have passed meanwhile. It stays in its file, as the clock may just have been wrong.
    let mayHaveStoodStill = step > Self.noticeableStandstill
    if sleep > 1 {
      logger.notice("the host was suspended for \(Timestamp.span(.seconds(sleep)))", metadata: metadata(.clockStepped))
    } else {
      logger.notice(
        "the host's clock was stepped \(step > 0 ? "forward" : "back") by \(Timestamp.span(.seconds(abs(step))))\(mayHaveStoodStill ? "; new tokens are asked for, in case the whole host had stood still" : "")",
        metadata: metadata(.clockStepped))
      // What was known of the server's clock was known against the old one.
      for keeper in keepers.values { keeper.skew = keeper.skew.map { $0 - .seconds(step) } }
    }
    for name in keepers.keys {
      handle(sleep > 1 || mayHaveStoodStill ? .resumed : .woke, name)
      if mayHaveStoodStill { handle(.refresh, name) }
    }
  }

  /// In seconds: smaller steps are those of a clock that is kept right.
  private static let noticeableStandstill = 5.0
}
