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
/// It connects the parts and performs the effects of the engine. The engine decides when something is due.
@BrokerActor public final class TokenBroker {
  private let tokens: ManagedTokens
  let loop: EngineLoop
  let log: EventLog
  let reporter: StatusReporter
  private let sender: RequestSender
  private let watch: OutputWatch
  private let publisher: TokenPublisher
  private let notifier: ReaderNotifier
  private let credentials: CredentialServer
  private let starter: TokenStarter
  private let revocation: TokenRevocation
  private let checker: HeldTokenChecker
  /// The engine's answer to the report that is being handled.
  private var reply: ReportReply?
  private var reports = ReportLog()
  private var timer: DeadlineTimer?
  private var onLook: @Sendable () -> Void = {}
  private var onExit: @Sendable () -> Void = {}
  /// The tokens whose settings a reload replaced.
  private var formers: [ManagedToken] = []
  /// Whether tables of the configuration are missing because they have faults.
  var isPartial = false
  /// The tokens that a reload dropped, whose files are still there.
  private var dropped: [ManagedToken] = []

  /// How long the start waits for the removal of leftovers if a directory is unfit.
  private static let leftoverLimit = Duration.seconds(1)

  /// A broker for the given settings; it does nothing before `start`.
  ///
  /// - Parameter locks: the directories that this process has locked already.
  public nonisolated init(_ configuration: Configuration, http: HTTPClient, logger: Logger, locks: DirectoryLocks) {
    let now = Moment.now()
    tokens = ManagedTokens()
    loop = EngineLoop(at: now)
    log = EventLog(logger)
    reporter = StatusReporter(configuration, tokens, loop, startedAt: now)
    sender = RequestSender(tokens, loop, log, http: http)
    watch = OutputWatch(tokens, log)
    publisher = TokenPublisher(tokens, loop, log, watch, locks)
    notifier = ReaderNotifier(tokens, loop, log)
    credentials = CredentialServer(tokens, loop, log)
    starter = TokenStarter(tokens, loop, log, sender, publisher, watch)
    revocation = TokenRevocation(tokens, loop, log, sender, publisher)
    checker = HeldTokenChecker(tokens, loop, sender, http: http)
  }

  // MARK: The queue

  /// The broker's queue.
  public nonisolated var queue: DispatchQueue { BrokerActor.queue }

  /// The executor for tasks that work with the broker. Other executors wake the process once a second.
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
  ///   - previous: the status that the previous run left. Files of its tokens that no table names any more are removed.
  ///     Otherwise they would stay after their tokens have expired. If tables have faults, tokens in memory stay until
  ///     then.
  ///   - working: the settings that brought the last tokens, if they are not those in effect.
  ///   - sockets: credential sockets that were opened for the daemon.
  ///   - onListen: called on the broker's queue when the credential socket of the settings was opened. The socket can
  ///     then be passed on to the next run. It is called with `nil` when the socket was closed.
  ///   - onLook: called on the broker's queue before files are examined, so that their directory can be restored.
  ///   - onTakeover: called with a token's state file when the broker begins to manage the token's files.
  ///   - onExit: called on the broker's queue when a stop has ended.
  ///   - onChange: called on the broker's queue when the status has changed.
  /// - Throws: `PublicationFailure` if the directory of every token is unfit, for example missing, not a tmpfs, or
  ///   writable by other users. Also if another daemon uses one of them.
  public func start(
    after previous: BrokerStatus? = nil, working: Configuration? = nil, sockets: [InheritedSocket] = [],
    onListen: @escaping @Sendable (Int32?) -> Void = { _ in },
    onLook: @escaping @Sendable () -> Void = {},
    onTakeover: @escaping @Sendable (String) -> Void = { _ in },
    onExit: @escaping @Sendable () -> Void = {},
    onChange: @escaping @Sendable (BrokerStatus) -> Void
  ) async throws(PublicationFailure) {
    self.onLook = onLook
    self.onExit = onExit
    reporter.connect(onChange: onChange)
    credentials.connect(onListen: onListen)
    starter.connect(onTakeover: onTakeover)
    watch.connect { [weak self] in self?.filesChanged($0) }
    loop.connect { [weak self] in self?.perform($0) }
    sender.connect { [checker] in checker.use($1, of: $0) }
    timer = DeadlineTimer(queue: BrokerActor.queue) { [weak self] in
      BrokerActor.assumeIsolated { self?.loop.post(.woke) }
    }
    watch.open()
    let configuration = reporter.configuration.settings
    var change = HostChange(maxRequests: configuration.daemon.maxRequests)
    var unfit: [PublicationFailure] = []
    let fresh = configuration.tokens.map {
      ManagedToken($0, allowsPersistentStorage: configuration.daemon.allowPersistentStorage)
    }
    for (token, failure) in zip(fresh, await publisher.prepare(fresh)) {
      // Settings that brought no token in the previous run are no help.
      let hadToken = previous?.tokens.contains { $0.name == token.name && $0.lastSuccess != nil } ?? false
      if hadToken, let former = working?.tokens.first(where: { $0.name == token.name }) { token.use(former) }
      if let failure {
        // The other tables run. The directory of this one is tried again with each token.
        guard !failure.isOccupied else { throw failure }
        unfit.append(failure)
        log.write(.error, "\(token.name): \(failure)", .publicationFailing, of: token)
      } else {
        change.awaited.insert(token.name)
      }
      tokens.stage(token)
      change.added.append(plan(of: token))
    }
    if let first = unfit.first, unfit.count == configuration.tokens.count { throw first }
    loop.post(.configured(change))
    watch.noteOwners()
    let removal = Task(executorPreference: BrokerActor.requests) { [publisher, isPartial] in
      await publisher.removeLeftovers(of: previous, isPartial: isPartial)
    }
    // A directory that has just hung will hang again. It must not delay the tokens of other directories.
    let limit = unfit.isEmpty ? FileCalls.usualLimit : Self.leftoverLimit
    _ = await removal.value(within: limit, executor: BrokerActor.requests)
    do throws(PublicationFailure) {
      try await credentials.open(sockets, at: reporter.configuration.settings.daemon.credentialSocket)
    } catch {
      log.write(.error, "units get no credentials: \(error)", .credentialRefused)
      reporter.configuration.problem = reporter.configuration.problem ?? "units get no credentials: \(error)"
    }
    log.write(
      .notice, "konexus-tokend keeps \(configuration.tokens.count) token(s) fresh", .started,
      ["config": "\(configuration.source)"])
    starter.use(previous)
    await starter.startWaiting()
    starter.use(nil)
    loop.post(.statusChanged)
  }

  private func plan(of token: ManagedToken) -> TokenPlan {
    token.settings.plan(server: sender.serverID(of: token), mayHang: token.files.arePersistent)
  }

  /// Stops. Requests under way are abandoned, and the tokens stay in their files, except those of `revoke_on_stop`.
  /// These are removed and revoked, which takes little more than 5 s at most. At the end, `onExit` is called.
  ///
  /// - Parameter revokes: whether tokens are revoked.
  /// - Returns: `false` if the broker has not started. In this case it does not call `onExit`.
  public func stop(revokes: Bool = true) -> Bool {
    guard timer != nil else { return false }
    onLook()
    let leaves = !revokes || tokens.all.contains { !$0.settings.revokesOnStop }
    log.write(
      .notice, leaves ? "stopping; the tokens stay in their files" : "stopping; the tokens are revoked", .stopping)
    loop.post(.stop(revokes: revokes))
    return true
  }

  // MARK: Time

  /// The longest time between two checks of the files. A watchdog can require a shorter one.
  public var lookPeriod: Duration { watch.lookPeriod }

  /// Does the work of a heartbeat. It performs what is overdue, and checks files and clocks.
  ///
  /// - Returns: `false` if a deadline passed without an effect. Either a request hangs beyond its limit, or a timer did
  ///   not fire.
  public func beat() -> Bool {
    watch.reopen()
    onLook()
    loop.post(.heartbeat)
    return loop.engine.isAlive(at: Moment.now().boot)
  }

  /// Requests a new token for each table now (SIGUSR1).
  public func refreshAll() {
    log.write(.notice, "a refresh of all tokens was requested")
    loop.post(.refreshAll)
  }

  /// Requests at once the tokens that fail, because an administrator can have corrected what a server rejected.
  public func retryFailing() { loop.post(.retryFailing) }

  /// Handles the request of an application. It reports that the API rejected a token, or requests a new one.
  package func answer(_ request: RejectionRequest, from peer: RejectionPeer) -> RejectionReply {
    let name: String
    let digest: TokenDigest?
    switch request {
    case .rejected(let rejected, let of):
      (name, digest) = (rejected, of.unwrapped(tokens[rejected]?.record?.verifiedToken.accessToken))
    case .refresh(let wanted): (name, digest) = (wanted, nil)
    }
    guard !loop.engine.isStopping else { return .error("the daemon is stopping") }
    reply = nil
    loop.post(.reported(name, rejected: digest))
    guard let reply, let token = tokens[name] else { return .unknown }
    reports.write(reply, isRejection: digest != nil, of: token, from: peer, to: log)
    return RejectionReply(reply)
  }

  // MARK: Effects

  private func perform(_ effect: HostEffect) {
    switch effect {
    case .restore(let name): if let token = tokens.manage(name) ?? tokens[name] { starter.add(token) }
    case .replace(let name): replace(name)
    case .drop(let name): if let token = tokens.remove(name) { dropped.append(token) }
    case .readSecrets(let name, let attempt): sender.readSecrets(name, attempt)
    case .send(let name, let attempt, let timeout, let mayFallBack):
      sender.send(name, attempt, timeout: timeout, mayFallBack: mayFallBack)
    case .abandon(_, let attempt): sender.abandon(attempt)
    case .accept(let name, let attempt, let times): sender.accept(name, attempt, times)
    case .keep(let name, let attempt): sender.keep(name, attempt)
    case .noteFailure(let name, let attempt, let failure): sender.noteFailure(name, attempt, failure)
    case .work(let work, let name, let number): publisher.perform(work, name, number)
    case .notifyApplication(let name): if let token = tokens[name] { notifier.notify(about: token) }
    case .readKeySet(let server): checker.readKeySet(server)
    case .introspect(let name): checker.introspect(name)
    case .probe(let name): checker.probe(name)
    case .probeCandidate(let name, let attempt, let timeout): checker.probe(name, attempt, timeout: timeout)
    case .reply(let reply): self.reply = reply
    case .answer(let peer, let reply): credentials.answer(peer, reply)
    case .reconsider(let peer): credentials.reconsider(peer)
    case .report(let report): write(report)
    case .reportStatus: reporter.report()
    case .arm(let time): timer?.arm(time)
    case .dismissUnits: credentials.dismissAll()
    case .restoreFiles(let name): publisher.restore(name)
    case .withdraw(let name): revocation.withdraw(name)
    case .revoke(let name, let timeout): revocation.revoke(name, timeout: timeout)
    case .leaveUnrevoked(let name): revocation.leave(name)
    case .exit: onExit()
    }
  }

  private func write(_ report: HostReport) {
    switch report {
    case .token(let name, let report):
      guard let token = tokens[name] else { return }
      log.write(report, of: token, published: loop.engine.lifecycle(of: name)?.published)
    case .clock(let change):
      log.write(change)
      // The recorded skew was relative to the old time.
      guard change.sleep == nil else { return }
      for token in tokens.all { token.history.skew = token.history.skew.map { $0 - .seconds(change.step) } }
    case .unprovenAPI(let name, let failure):
      guard let token = tokens[name] else { return }
      log.write(
        .warning,
        "\(name): \(failure.message), but it has never accepted a token. The token stays in use. -> \(failure.remedy)",
        of: token, ["failure": "\(failure.code.rawValue)"])
    case .ready: log.write(.notice, "ready: \(status().line)", .ready)
    }
  }

  private func filesChanged(_ change: OutputWatch.Change) {
    switch change {
    case .file(let token): loop.post(.fileChanged(token.name))
    case .otherFile: onLook()
    case .unknown:
      onLook()
      loop.post(.fileChanged(nil))
    }
  }

  // MARK: Configuration

  /// Applies new settings. A table that did not change is left alone. A changed one keeps its valid token. It requests
  /// another token if the change affects the request. The files of a removed one are removed. A new one starts.
  ///
  /// - Throws: `PublicationFailure` if the directory of a new or moved file is unfit. The old settings stay in effect.
  public func reload(_ new: Configuration) async throws(PublicationFailure) {
    let current = reporter.configuration.settings
    let (storage, formerStorage) = (new.daemon.allowPersistentStorage, current.daemon.allowPersistentStorage)
    let plan = ReloadPlan(from: current.tokens, to: new.tokens, isStorageChanged: storage != formerStorage)
    let fresh = (plan.changed.map(\.settings) + plan.added).map {
      ManagedToken($0, allowsPersistentStorage: storage)
    }
    for case let failure? in await publisher.prepare(fresh) { throw failure }
    try await credentials.openOwn(at: new.daemon.credentialSocket)
    reporter.configuration.use(new)
    for token in fresh { tokens.stage(token) }
    if !plan.removed.isEmpty {
      var removal = HostChange(maxRequests: new.daemon.maxRequests)
      removal.removed = plan.removed
      removal.isComplete = false
      loop.post(.configured(removal))
      // This must come before another token is written to the same path.
      await removeDropped()
    }
    var change = HostChange(maxRequests: new.daemon.maxRequests)
    let differences = Dictionary(uniqueKeysWithValues: plan.changed.map { ($0.settings.name, $0.change) })
    for token in fresh {
      var new = self.plan(of: token)
      // The files of the previous settings stay until the new ones hold a token.
      if tokens[token.name]?.files.arePersistent ?? false { new.mayHang = true }
      if let difference = differences[token.name] {
        change.changed.append((new, difference))
      } else {
        change.added.append(new)
      }
    }
    publisher.noteClaims(new.tokens)
    loop.post(.configured(change))
    await removeFormerFiles()
    await starter.startWaiting()
    watch.noteOwners()
    publisher.releaseDirectories()
    sender.forgetUnused()
    log.write(
      .notice, "the settings were read again: \(new.tokens.count) token(s), \(fresh.count) of them new or changed",
      .reloaded)
    reporter.report()
  }

  /// Removes the files of the tokens that are not managed any more.
  private func removeDropped() async {
    let dropped = dropped
    self.dropped = []
    for token in dropped {
      let isGone = await publisher.removeFiles(of: token)
      log.write(.notice, "the token was removed from the settings\(isGone ? "; its file is gone" : "")", of: token)
    }
  }

  /// Removes the files that the tables of replaced tokens do not name any more.
  private func removeFormerFiles() async {
    let formers = formers
    self.formers = []
    // Another table can now use a previous path. Unless its token is there already, the old token stays at this path.
    let published = tokens.all.filter { loop.engine.lifecycle(of: $0.name)?.published != nil }
    let taken = Set(published.flatMap(\.files.paths))
    for former in formers {
      await publisher.removeFiles(of: former, except: taken.union(tokens[former.name]?.files.paths ?? []))
    }
  }

  /// Replaces a token by one with new settings, which continues its lifecycle. The valid token stays published until
  /// the next one comes.
  private func replace(_ name: String) {
    guard let former = tokens[name], let token = tokens.manage(name) else { return }
    guard loop.engine.lifecycle(of: name)?.phase != .unstarted else { return }
    token.inherit(from: former)
    starter.release(token)
    publisher.leaveClaimed(token)
    formers.append(former)
  }

  /// Whether no table needs the settings that brought its last token, because the present ones have brought one.
  public var haveSettingsWorked: Bool { tokens.all.allSatisfy { $0.haveSettingsWorked || $0.working == nil } }

  /// Replaces the logger, because a reload can change level and format.
  public func setLogger(_ logger: Logger) { log.logger = logger }

  /// The status now.
  public func status() -> BrokerStatus { reporter.status() }
}
