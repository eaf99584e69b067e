import Base
public import Dispatch
import Engine
public import Files
public import HTTP
public import Logging
public import Publication
public import Settings

/// Keeps a fresh token in the files of each table of the configuration.
///
/// It connects the parts and performs the effects of the lifecycles. When something is due is decided by
/// `TokenLifecycle`.
@BrokerActor public final class TokenBroker {
  private let tokens: ManagedTokens
  private let log: EventLog
  private let reporter: StatusReporter
  private let scheduler: RequestScheduler
  private let watch: OutputWatch
  private let publisher: TokenPublisher
  private let credentials: CredentialServer
  private let starter: TokenStarter
  private let revocation: TokenRevocation
  private var clocks: ClockComparison
  private var onLook: @Sendable () -> Void = {}

  /// A broker for the given settings; it does nothing before `start`.
  ///
  /// - Parameter locks: the directories that this process has taken already.
  public nonisolated init(_ configuration: Configuration, http: HTTPClient, logger: Logger, locks: DirectoryLocks) {
    let now = Moment.now()
    tokens = ManagedTokens()
    log = EventLog(logger)
    reporter = StatusReporter(configuration, tokens, log, startedAt: now)
    scheduler = RequestScheduler(tokens, log, reporter, http: http)
    watch = OutputWatch(tokens, log)
    publisher = TokenPublisher(tokens, log, reporter, watch, ReaderNotifier(tokens, log, reporter), locks)
    credentials = CredentialServer(tokens, log)
    starter = TokenStarter(tokens, log, reporter, scheduler, publisher, watch)
    revocation = TokenRevocation(tokens, log, scheduler, publisher)
    clocks = ClockComparison(now)
  }

  // MARK: The queue

  /// The broker's queue.
  public nonisolated var queue: DispatchQueue { BrokerActor.queue }

  /// The executor that a task which works with the broker should prefer: others wake the process once a second.
  public nonisolated var requests: any TaskExecutor { BrokerActor.requests }

  /// For actors that share the broker's queue.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { BrokerActor.shared.unownedExecutor }

  /// Runs `body` at once; traps unless the caller is on the broker's queue.
  public nonisolated func assumeIsolated<Value: Sendable>(_ body: @BrokerActor (TokenBroker) -> Value) -> Value {
    BrokerActor.assumeIsolated { body(self) }
  }

  // MARK: Start and stop

  /// Restores what the previous run left, and requests the rest.
  ///
  /// - Parameters:
  ///   - previous: the status that the previous run left. Files of its tokens that no table names any more are removed:
  ///     otherwise they would stay when their tokens have expired.
  ///   - sockets: credential sockets that were opened for the daemon.
  ///   - onListen: called on the broker's queue when the credential socket of the settings was opened, so that it can
  ///     be passed on to the next run; with `nil` when it was closed.
  ///   - onLook: called on the broker's queue before files are examined, so that their directory can be restored.
  ///   - onTakeover: called with a token's state file when the broker begins to look after the token's files.
  ///   - onChange: called on the broker's queue when the status has changed.
  /// - Throws: `PublicationFailure` if the place of every token is unfit: no tmpfs, open to others, missing. Also if
  ///   another daemon uses one of them.
  public func start(
    after previous: BrokerStatus? = nil, sockets: [InheritedSocket] = [],
    onListen: @escaping @Sendable (Int32?) -> Void = { _ in },
    onLook: @escaping @Sendable () -> Void = {},
    onTakeover: @escaping @Sendable (String) -> Void = { _ in },
    onChange: @escaping @Sendable (BrokerStatus) -> Void
  ) async throws(PublicationFailure) {
    self.onLook = onLook
    reporter.connect(onChange: onChange)
    credentials.connect(onListen: onListen)
    starter.connect(onTakeover: onTakeover)
    watch.connect { [weak self] in self?.filesChanged($0) }
    tokens.connect(
      perform: { [weak self] in self?.perform($0, $1) }, didHandle: { [weak self] in self?.didHandle($0, $1) },
      timerFired: { [weak self] in self?.timerFired($0) })
    watch.open()
    let configuration = reporter.configuration.settings
    var unfit: [PublicationFailure] = []
    for settings in configuration.tokens {
      let token = tokens.make(settings, configuration.daemon)
      tokens[settings.name] = token
      do throws(PublicationFailure) {
        try await publisher.prepare(token)
        reporter.expect(settings.name)
      } catch {
        // The other tables run. The place of this one is tried again with each token.
        guard !error.isOccupied else { throw error }
        unfit.append(error)
        log.write(.error, "\(settings.name): \(error)", .publicationFailing, of: token)
      }
    }
    if let first = unfit.first, unfit.count == tokens.count { throw first }
    watch.noteOwners()
    await publisher.removeLeftovers(of: previous)
    do throws(PublicationFailure) {
      try await credentials.open(sockets, at: reporter.configuration.settings.daemon.credentialSocket)
    } catch {
      log.write(.error, "units get no credentials: \(error)", .credentialRefused)
      reporter.configuration.problem = reporter.configuration.problem ?? "units get no credentials: \(error)"
    }
    log.write(
      .notice, "konexus-tokend keeps \(configuration.tokens.count) token(s) fresh", .started,
      ["config": "\(configuration.source)"])
    if configuration.daemon.allowPersistentStorage {
      // The disk of one table may hang: the others do not wait for it.
      await withTaskGroup(of: Void.self) { group in
        for settings in configuration.tokens { group.addTask { await self.startToken(settings.name) } }
      }
    } else {
      for settings in configuration.tokens { await startToken(settings.name) }
    }
    reporter.reportSoon()
  }

  private func startToken(_ name: String) async {
    if await starter.start(name) { credentials.refreshForWaiting(name) }
  }

  /// Stops: requests under way are cancelled, and the tokens stay in their files, except those of `revokeOnStop`.
  public func stop() {
    onLook()
    publisher.restoreAll()
    tokens.stop()
    let leaves = tokens.all.contains { !$0.settings.revokesOnStop }
    log.write(
      .notice, leaves ? "stopping; the tokens stay in their files" : "stopping; the tokens are revoked", .stopping)
    credentials.dismissWaiting()
    scheduler.stop()
  }

  /// Whether there are tokens with `revoke_on_stop`, for `revokeOnStop`.
  public var hasRevocable: Bool { !revocation.revocable.isEmpty }

  /// Removes the files of the tokens with `revoke_on_stop`, and revokes these. Takes little more than 5 s at most.
  ///
  /// To be called after `stop`: nothing writes the files again.
  public func revokeOnStop() async {
    await revocation.run(limit: reporter.configuration.settings.daemon.maxRequests)
  }

  // MARK: Time

  /// How long files may go without a look, unless a watchdog requires one sooner.
  public var lookPeriod: Duration { watch.lookPeriod }

  /// Does the work of a heartbeat: performs what is overdue, and looks after files and clocks.
  ///
  /// - Returns: `false` if a token's deadline passed by more than `grace` without an effect: a request that hangs
  ///   beyond its limit, or a timer that did not fire.
  public func beat(grace: Duration = .seconds(5)) -> Bool {
    let now = Moment.now()
    compareClocks(now)
    watch.reopen()
    onLook()
    publisher.examineAll()
    for name in tokens.names {
      if let deadline = tokens[name]?.lifecycle.deadline, deadline <= now.boot { tokens.handle(.woke, name) }
    }
    // Not soon: that would take another thread and its wake-up at every beat.
    reporter.reportNow()
    let late = Moment.now().boot - grace
    return tokens.all.allSatisfy { token in token.lifecycle.deadline.map { $0 >= late } ?? true }
  }

  private func timerFired(_ name: String) {
    compareClocks(Moment.now())
    tokens.handle(.woke, name)
  }

  /// Arms every timer anew after a clock was stepped or the host was suspended: their wall-clock halves are wrong now.
  private func compareClocks(_ now: Moment) {
    guard let change = clocks.compare(now) else { return }
    if let sleep = change.sleep {
      log.write(.notice, "the host was suspended for \(Timestamp.span(.seconds(sleep)))", .clockStepped)
    } else {
      let direction = change.step > 0 ? "forward" : "back"
      let consequence =
        change.mayHavePaused ? "; new tokens are asked for, in case the whole host had stood still" : ""
      log.write(
        .notice,
        "the host's clock was stepped \(direction) by \(Timestamp.span(.seconds(abs(change.step))))\(consequence)",
        .clockStepped)
      // The recorded skew was relative to the old time.
      for token in tokens.all { token.history.skew = token.history.skew.map { $0 - .seconds(change.step) } }
    }
    for name in tokens.names {
      for event in change.events { tokens.handle(event, name) }
    }
  }

  /// Requests a new token for each table now (SIGUSR1).
  public func refreshAll() {
    log.write(.notice, "a refresh of all tokens was asked for")
    for name in tokens.names { tokens.handle(.refresh, name) }
  }

  /// Requests at once what fails: someone may have corrected what a server rejected.
  public func retryFailing() {
    for name in tokens.names where tokens[name]?.lifecycle.failureStreak != nil { tokens.handle(.refresh, name) }
  }

  // MARK: Events and effects

  private func perform(_ effect: LifecycleEffect, _ token: ManagedToken) {
    switch effect {
    case .request: scheduler.enqueue(token)
    case .publish: publisher.perform(.publish, token)
    case .unpublish: publisher.perform(.remove, token)
    // Not for the time of the effect: the result of an earlier effect may have changed it.
    case .arm: token.arm()
    case .report(let report): log.write(report, of: token)
    }
  }

  private func didHandle(_ event: LifecycleEvent, _ token: ManagedToken) {
    credentials.serveWaiting(token.name)
    reporter.reportSoon(about: token)
    // The token that came may have been requested before a unit began to wait for a newer one.
    if case .acquired = event { credentials.refreshForWaiting(token.name) }
  }

  private func filesChanged(_ change: OutputWatch.Change) {
    switch change {
    case .file(let token): publisher.examine(token)
    case .otherFile: onLook()
    case .unknown:
      onLook()
      publisher.examineAll()
    }
  }

  // MARK: Configuration

  /// Takes new settings. A table that did not change goes on untouched. A changed one keeps its valid token and
  /// requests another, if the change affects the request. The files of a removed one are removed. A new one starts.
  ///
  /// - Throws: `PublicationFailure` if the place of a new or moved file is unfit. The old settings stay in effect, all
  ///   of them.
  public func reload(_ new: Configuration) async throws(PublicationFailure) {
    let current = reporter.configuration.settings
    let storageChanged = new.daemon.allowPersistentStorage != current.daemon.allowPersistentStorage
    let old = Dictionary(current.tokens.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var fresh: [ManagedToken] = []
    for settings in new.tokens where storageChanged || old[settings.name] != settings {
      let token = tokens.make(settings, new.daemon)
      try await publisher.prepare(token)
      fresh.append(token)
    }
    try await credentials.openOwn(at: new.daemon.credentialSocket)
    reporter.configuration.use(new)
    scheduler.applyLimit()
    let names = Set(new.tokens.map(\.name))
    for token in tokens.all where !names.contains(token.name) { await remove(token) }
    publisher.noteClaims(new.tokens)
    var formers: [ManagedToken] = []
    for token in fresh {
      if let former = tokens[token.name], former.lifecycle.phase != .unstarted {
        replace(former, by: token)
        formers.append(former)
      } else {
        tokens[token.name] = token
        await startToken(token.name)
      }
    }
    watch.noteOwners()
    // Another table may have moved into a former place. Unless its token is there already, the place keeps the old
    // token.
    let taken = Set(tokens.all.filter { $0.lifecycle.published != nil }.flatMap(\.files.paths))
    for former in formers {
      await publisher.removeFiles(of: former, except: taken.union(tokens[former.name]?.files.paths ?? []))
    }
    publisher.releaseDirectories()
    retryFailing()
    credentials.reviewWaiting()
    scheduler.forgetUnused()
    log.write(
      .notice, "the settings were read again: \(new.tokens.count) token(s), \(fresh.count) of them new or changed",
      .reloaded)
    reporter.reportNow()
  }

  private func remove(_ token: ManagedToken) async {
    scheduler.forget(token)
    tokens[token.name] = nil
    reporter.settle(token.name)
    let isGone = await publisher.removeFiles(of: token)
    log.write(.notice, "the token was removed from the settings\(isGone ? "; its file is gone" : "")", of: token)
  }

  /// Replaces a token by one with new settings, which inherits its life. The valid token stays published until its
  /// successor comes.
  private func replace(_ former: ManagedToken, by token: ManagedToken) {
    let name = token.name
    scheduler.forget(former)
    tokens[name] = token
    token.inherit(from: former)
    starter.release(token)
    publisher.leaveClaimed(token)
    if token.lifecycle.newest != nil, former.settings.outputs != token.settings.outputs {
      tokens.handle(.modifiedExternally, name)
    } else {
      publisher.examine(token)
    }
    // An attempt under way with the old settings was abandoned.
    if token.settings.asks(differentlyFrom: former.settings) || !token.lifecycle.isWaiting {
      tokens.handle(.settingsChanged, name)
    } else {
      tokens.handle(.woke, name)
    }
  }

  /// Notes that a reload failed: the status shows it until one succeeds.
  public func reloadFailed(_ reason: String) {
    let problem = ConfigurationProblem.previous(reason).description
    reporter.configuration.reject(problem)
    log.write(.error, "reload failed: \(problem)", .reloadFailed)
    reporter.reportNow()
  }

  /// Notes before the start that the configuration is not used as it is.
  public func startsWith(_ problem: ConfigurationProblem) {
    reporter.configuration.problem = problem.description
    log.write(.error, "\(problem)", .configurationBroken)
  }

  /// Notes which file the settings in effect are from; `nil` if that cannot be seen.
  public func note(_ stamp: FileStamp?) {
    reporter.configuration.note(stamp)
    reporter.reportSoon()
  }

  /// Compares the file as it is now with the one that was read.
  public func compare(_ stamp: FileStamp?) {
    guard let stamp, reporter.configuration.compare(stamp) else { return }
    if reporter.configuration.isFileChanged {
      log.write(.warning, "\(status().changedConfiguration ?? "")", .configurationChanged)
    }
    reporter.reportSoon()
  }

  /// Replaces the logger: a reload can change level and format.
  public func setLogger(_ logger: Logger) { log.logger = logger }

  /// The status now.
  public func status() -> BrokerStatus { reporter.status() }
}
