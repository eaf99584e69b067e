import Base
public import Dispatch
import Engine
public import Files
import Glibc
public import HTTP
public import Logging
import OAuth
public import Publication
public import Settings

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
  private let locks: DirectoryLocks
  var onChange: @Sendable (BrokerStatus) -> Void = { _ in }
  var onListen: @Sendable (Int32?) -> Void = { _ in }
  private var onLook: @Sendable () -> Void = {}
  private var onTakeover: @Sendable (String) -> Void = { _ in }
  var credentialServer = CredentialServer()
  let startedAt = Moment.now()

  var configuration: Configuration
  var managedTokens: [String: ManagedToken] = [:]
  var servers: [ServerKey: IssuerAccess] = [:]
  var watch: DirectoryWatch?
  /// Whether it was reported that there is no watch.
  private var lacksWatch = false
  /// Which token each file belongs to.
  var owners: [String: String] = [:]
  /// Which table has its token where, by the settings of the last reload.
  var claims: [String: String] = [:]
  /// Tokens that were neither published nor refused yet since the start.
  var pending: Set<String> = []
  var isReady = false
  var isStopping = false
  var reloads = 0
  var configurationProblem: String?
  var configurationStamp: FileStamp?
  var isConfigurationChanged = false
  var lastReading: Moment
  /// The tokens that are to be revoked before the process ends.
  var waitingForRevocation: [ServerKey: [String]] = [:]
  /// The identifier of the last attempt.
  var lastAttempt: UInt64 = 0
  /// When the shell is told next what there is to tell; `nil` if there is nothing.
  var reportDue: DispatchTime?

  /// An authorization server and who may ask it when.
  struct IssuerAccess {
    var server: AuthorizationServer
    var queue: RequestQueue
    /// What vouched for its last token.
    var context: EncodedContext?
  }

  /// A broker for the given settings; it does nothing before `start`.
  ///
  /// - Parameters:
  ///   - queue: a serial queue.
  ///   - locks: the directories that this process has taken already.
  public init(
    _ configuration: Configuration, http: HTTPClient, logger: Logger, queue: DispatchQueue, locks: DirectoryLocks
  ) {
    self.queue = queue
    self.locks = locks
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
  ///   - onLook: called on the broker's queue before files are compared with what they should be, such as to put their directory back.
  ///   - onTakeover: called with a token's state file when the broker begins to look after the token's files.
  ///   - onChange: called on the broker's queue whenever there is something new to tell.
  /// - Throws: `PublicationFailure` if the place of every token is unfit: no tmpfs, open to others, missing; or if another daemon has one.
  public func start(
    after former: BrokerStatus? = nil, sockets: [InheritedSocket] = [],
    onListen: @escaping @Sendable (Int32?) -> Void = { _ in },
    onLook: @escaping @Sendable () -> Void = {},
    onTakeover: @escaping @Sendable (String) -> Void = { _ in },
    onChange: @escaping @Sendable (BrokerStatus) -> Void
  ) async throws(PublicationFailure) {
    self.onChange = onChange
    self.onListen = onListen
    self.onLook = onLook
    self.onTakeover = onTakeover
    openWatch()
    var unfit: [PublicationFailure] = []
    for settings in configuration.tokens {
      let managed = makeKeeper(settings, configuration.daemon)
      managedTokens[settings.name] = managed
      do throws(PublicationFailure) {
        try await prepare(managed)
        pending.insert(settings.name)
      } catch {
        // The other tables run; this one's place is tried again with each token.
        guard !error.isOccupied else { throw error }
        unfit.append(error)
        logger.error("\(settings.name): \(error)", metadata: metadata(.publicationFailing, of: managed))
      }
    }
    if let first = unfit.first, unfit.count == managedTokens.count { throw first }
    noteOwners()
    await clear(former)
    do throws(PublicationFailure) { try await openCredentialSockets(sockets) } catch {
      logger.error("units get no credentials: \(error)", metadata: metadata(.credentialRefused))
      configurationProblem = configurationProblem ?? "units get no credentials: \(error)"
    }
    logger.notice(
      "konexus-tokend keeps \(configuration.tokens.count) token(s) fresh",
      metadata: metadata(.started, ["config": "\(configuration.source)"]))
    if configuration.daemon.allowPersistentStorage {
      // One table's disk may hang: the others do not wait for it.
      await withTaskGroup(of: Void.self) { group in
        for settings in configuration.tokens { group.addTask { await self.introduce(settings.name) } }
      }
    } else {
      for settings in configuration.tokens { await introduce(settings.name) }
    }
    reportSoon()
  }

  /// Has the kernel report changes of the tokens' directories, if it grants that; reports once if it does not.
  private func openWatch() {
    watch = DirectoryWatch(queue: queue) { [weak self] in
      self?.assumeIsolated { $0.checkChangedFiles() }
    }
    guard watch == nil, !lacksWatch else { return }
    lacksWatch = true
    logger.warning(
      "the kernel has no inotify instance left for this user (see fs.inotify.max_user_instances): files are compared every few seconds instead",
      metadata: metadata(nil))
  }

  /// Looks for a watch again where the kernel had none.
  private func reopenWatch() {
    openWatch()
    guard watch != nil else { return }
    lacksWatch = false
    for managed in managedTokens.values { watchDirectories(of: managed) }
  }

  /// How long files may go without a look, where no watchdog asks for one sooner.
  public var lookPeriod: Duration { watch?.isComplete == true ? .seconds(15) : .seconds(2) }

  /// Asks for a new token for each table now (SIGUSR1).
  public func refreshAll() {
    logger.notice("a refresh of all tokens was asked for")
    for name in managedTokens.keys { handle(.refresh, name) }
  }

  /// Stops: requests under way are given up, the tokens stay in their files (but see `withdrawRevocable`).
  public func stop() {
    isStopping = true
    let leaves = managedTokens.values.contains { !$0.settings.revokesOnStop }
    logger.notice(
      leaves ? "stopping; the tokens stay in their files" : "stopping; the tokens are revoked",
      metadata: metadata(.stopping))
    dismissWaiting()
    for managed in managedTokens.values { managed.task?.cancel() }
  }

  /// A heartbeat: does what is overdue, looks after the files and the clocks, and tells whether the broker is alive.
  ///
  /// - Returns: `false` if any token's deadline has passed by more than `grace` and nothing moved it: a request that hangs beyond its limit, a timer
  ///   that never came.
  public func beat(grace: Duration = .seconds(5)) -> Bool {
    let now = Moment.now()
    compareClocks(now)
    if watch == nil { reopenWatch() }
    onLook()
    checkFiles()
    for name in managedTokens.keys {
      if let deadline = managedTokens[name]?.lifecycle.deadline, deadline <= now.boot { handle(.woke, name) }
    }
    // Now and not soon: that would take another thread and its wake-up at every beat.
    reportNow()
    let late = Moment.now().boot - grace
    return managedTokens.values.allSatisfy { managed in managed.lifecycle.deadline.map { $0 >= late } ?? true }
  }

  // MARK: One token

  func makeKeeper(_ settings: TokenSettings, _ daemon: DaemonSettings) -> ManagedToken {
    let name = settings.name
    let timer = DeadlineTimer(queue: queue) { [weak self] in
      self?.assumeIsolated { $0.timerFired(name) }
    }
    return ManagedToken(
      settings, allowsPersistentStorage: daemon.allowPersistentStorage, seed: .random(in: .min ... .max),
      timer: timer)
  }

  /// Begins a token's life: with what a former run left, or with a request.
  func introduce(_ name: String) async {
    guard let managed = managedTokens[name], managed.lifecycle.phase == .unstarted else { return }
    var restored: TokenTimes?
    do throws(PrivateFile.Unreadable) {
      let settings = managed.settings
      let leftovers = try await besideIfPersistent(managed) {
        Result { () throws(PrivateFile.Unreadable) in
          try TokenRestoration.Leftovers(of: settings)
        }
      }.get()
      let found = try await TokenRestoration.verifiedToken(from: leftovers, for: settings, now: Moment.now())
      let verifiedToken = found.verifiedToken
      keep(verifiedToken, in: managed, restored: found)
      managed.announced = verifiedToken.requestedAt.boot
      managed.clientAuthentication = verifiedToken.clientAuthentication
      managed.skew = verifiedToken.skew
      restored = managed.plan(verifiedToken)
      // What vouched for it was the server's word: that is asked for again, by way of a new token, and readers keep the old one until it comes.
      if settings.verification == .introspection || !found.isCurrent { restored?.refreshAt = Moment.now().boot }
      // What former settings knew may be of another server.
      if found.isCurrent { await access(to: managed.server).server.adopt(verifiedToken.context) }
    } catch {
      guard managedTokens[name] === managed, managed.lifecycle.phase == .unstarted else { return }
      logger.debug("no token to take over: \(error.reason)", metadata: metadata(nil, of: managed))
      // What nobody verified is not left for readers.
      await removeFiles(of: managed)
    }
    guard managedTokens[name] === managed, managed.lifecycle.phase == .unstarted else { return }
    var filesAreRight = true
    if let kept = managed.kept {
      let files = managed.files
      let examined = try? await besideIfPersistent(managed) {
        var files = files
        let areRight = files.adopt(kept)
        return (files, areRight)
      }
      guard managedTokens[name] === managed, managed.lifecycle.phase == .unstarted else { return }
      if let examined { (managed.files, filesAreRight) = examined }
    }
    if restored != nil { pending.remove(name) }
    onTakeover(managed.settings.statePath)
    handle(.started(restored: restored), name)
    watchDirectories(of: managed)
    if !filesAreRight { handle(.modifiedExternally, name) }
    refreshForWaiting(name)
  }

  /// What `body` finds in a token's files: in memory at once, on a disk that may hang beside the broker.
  ///
  /// - Throws: if the disk does not answer.
  private func besideIfPersistent<Value: Sendable>(
    _ managed: ManagedToken, _ body: @escaping @Sendable () -> Value
  ) async throws(PrivateFile.Unreadable) -> Value {
    guard managed.files.arePersistent else { return body() }
    do throws(FileCalls.Overdue) {
      return try await FileCalls.run(managed.files.lane, body)
    } catch {
      throw PrivateFile.Unreadable(reason: "\(error)")
    }
  }

  /// Has the kernel report changes of a token's files.
  private func watchDirectories(of managed: ManagedToken) {
    guard let watch else { return }
    for directory in managed.files.directories {
      guard managed.files.arePersistent else {
        watch.watch(directory)
        continue
      }
      Task(executorPreference: requests) { [descriptor = watch.descriptor] in
        let number = try? await FileCalls.run("watch \(directory)") { DirectoryWatch.add(directory, to: descriptor) }
        await self.note(number, directory)
      }
    }
  }

  private func note(_ number: Int32?, _ directory: String) { watch?.note(number, directory) }

  /// Checks that a token's files could be written.
  func prepare(_ managed: ManagedToken) async throws(PublicationFailure) {
    let files = managed.files
    let result: Result<Void, PublicationFailure>
    do throws(PrivateFile.Unreadable) {
      result = try await besideIfPersistent(managed) { [locks] in
        Result { () throws(PublicationFailure) in
          try files.prepare()
          do throws(DirectoryLocks.Held) {
            for directory in files.directories { try locks.take(directory) }
          } catch {
            throw PublicationFailure(error)
          }
        }
      }
    } catch {
      throw PublicationFailure(error.reason)
    }
    try result.get()
  }

  func timerFired(_ name: String) {
    compareClocks(Moment.now())
    handle(.woke, name)
  }

  /// Gives an event to a token's lifecycle and does what it says.
  func handle(_ event: LifecycleEvent, _ name: String) {
    guard !isStopping, let managed = managedTokens[name] else { return }
    let now = Moment.now().boot
    for effect in managed.lifecycle.handle(event, at: now) { perform(effect, managed) }
    if managed.lifecycle.newest == nil { managed.kept = nil }
    serveWaiting(name)
    reportSoon(within: managed.lifecycle.published == nil || managed.lifecycle.isWaiting ? 0 : Self.longestQuietRefresh)
  }

  /// While readers are served, "refreshing now" is told of a refresh that takes longer than this, in milliseconds: most are over sooner, and are told of once.
  private static let longestQuietRefresh = 250

  private func perform(_ effect: LifecycleEffect, _ managed: ManagedToken) {
    switch effect {
    case .request: enqueue(managed)
    case .publish: publish(managed)
    case .unpublish: takeBack(managed)
    case .arm:
      // What an earlier effect led to may have moved it on.
      let now = Moment.now().boot
      if let time = managed.lifecycle.nextWake(after: now) { managed.timer.arm(time, now: now) }
    case .report(let report): tell(report, managed)
    }
  }

  /// How long a disk may take before readers and `status` are told that it hangs.
  private static let longestFileWork = Duration.seconds(5)

  /// Does something with a token's files: at once in memory, where nothing can hang, and beside the broker on a disk.
  private func work(_ work: TokenFiles.Work, _ managed: ManagedToken) {
    let name = managed.settings.name
    let kept = managed.kept
    // At a stop, what was taken out of a file must not come back.
    guard !isStopping else { return }
    guard managed.files.arePersistent else {
      return finish(work, managed, kept, managed.files.perform(work, kept))
    }
    guard work != .examine || managed.lane.running == nil else { return }
    if let number = managed.lane.begin(after: &lastAttempt) {
      FileCalls.start(managed.files.lane) { [files = managed.files, weak self] in
        var files = files
        let outcome = files.perform(work, kept)
        guard let self else { return }
        self.queue.async { [files] in
          self.assumeIsolated { $0.finish(work, number, name, kept, files, outcome) }
        }
      }
    }
    guard work != .examine, let running = managed.lane.running else { return }
    queue.asyncAfter(deadline: .now() + .nanoseconds(Int(Self.longestFileWork.nanoseconds))) { [weak self] in
      self?.assumeIsolated { $0.complain(of: running, name) }
    }
  }

  /// Reports a disk that still works at what it was given.
  private func complain(of number: UInt64, _ name: String) {
    guard let managed = managedTokens[name], managed.lane.running == number else { return }
    let path = managed.settings.outputs.first?.path ?? name
    handle(.publicationFailed("cannot write \(path): the file system does not answer"), name)
  }

  /// A disk has ended what it was given, perhaps long ago.
  private func finish(
    _ work: TokenFiles.Work, _ number: UInt64, _ name: String, _ kept: TokenRecord?, _ files: TokenFiles,
    _ outcome: TokenFiles.Outcome
  ) {
    guard !isStopping, let managed = managedTokens[name], managed.lane.running == number else { return }
    let isBehind = managed.lane.end()
    let isCurrent = managed.settings.outputs == files.outputs
    if isCurrent {
      managed.files = files
      leaveClaimed(managed)
    }
    if isBehind || !isCurrent {
      // What was asked for last counts: the newest token, or none.
      self.work(managed.lifecycle.newest == nil ? .remove : .publish, managed)
    } else {
      finish(work, managed, kept, outcome)
    }
  }

  private func finish(
    _ work: TokenFiles.Work, _ managed: ManagedToken, _ kept: TokenRecord?, _ outcome: TokenFiles.Outcome
  ) {
    let name = managed.settings.name
    switch (work, outcome) {
    case (_, .failed(let failure)): handle(.publicationFailed(failure.description), name)
    case (_, .modifiedExternally): handle(.modifiedExternally, name)
    case (.examine, .done): noteStateFile(of: managed)
    case (.remove, .done): handle(.unpublished, name)
    case (.publish, .done):
      noteStateFile(of: managed)
      watchDirectories(of: managed)
      pending.remove(name)
      // A newer token may have come while a disk was busy with this one.
      guard kept?.verifiedToken.requestedAt.boot == managed.verifiedToken?.requestedAt.boot else {
        return self.work(.publish, managed)
      }
      handle(.published, name)
      announce(managed)
    }
  }

  /// Reports once that the next start will not find the token.
  private func noteStateFile(of managed: ManagedToken) {
    let failure = managed.files.stateFailure
    guard failure != managed.stateFailure else { return }
    defer {
      managed.stateFailure = failure
      reportSoon()
    }
    guard let failure, managed.stateFailure == nil else { return }
    logger.warning(
      "\(managed.settings.name): a restart will need a new token, as the state file was not written: \(failure)",
      metadata: metadata(nil, of: managed))
  }

  private func publish(_ managed: ManagedToken) { work(.publish, managed) }

  /// Tells the process of `signal` that there is a new token in the files.
  private func announce(_ managed: ManagedToken) {
    guard let signal = managed.settings.signal, let token = managed.verifiedToken?.requestedAt.boot,
      token != managed.announced
    else {
      return
    }
    managed.announced = token
    let name = managed.settings.name
    // The process's id is in a file, which may be on a disk that hangs.
    Task(executorPreference: requests) {
      let result: Result<Void, ReaderSignal.Failure>
      do throws(FileCalls.Overdue) {
        result = try await FileCalls.run("signal \(name)") {
          Result { () throws(ReaderSignal.Failure) in try signal.send() }
        }
      } catch {
        result = .failure(ReaderSignal.Failure(problem: "\(error)"))
      }
      await self.noteSignal(name, signal, result)
    }
  }

  private func noteSignal(_ name: String, _ signal: ReaderSignal, _ result: Result<Void, ReaderSignal.Failure>) {
    guard let managed = managedTokens[name], managed.settings.signal == signal else { return }
    defer { reportSoon() }
    do throws(ReaderSignal.Failure) {
      try result.get()
      managed.signalFailure = nil
    } catch {
      // A reader that does not run yet will read the new token when it does.
      let isNews = managed.signalFailure != error
      managed.signalFailure = error
      logger.log(
        level: error.isAbsence || !isNews ? .debug : .warning,
        "\(managed.settings.name): the reader was not told of the new token: \(error.problem)",
        metadata: metadata(.signalFailing, of: managed))
    }
  }

  /// Removes what has ended; what cannot be removed is tried again.
  private func takeBack(_ managed: ManagedToken) { work(.remove, managed) }

  /// Removes the files of a token that is not to be kept any more: all, or those that are not among `paths`.
  ///
  /// Waits until it is done, but not for a disk that hangs: it is done then when the disk answers.
  ///
  /// - Returns: whether the files are gone.
  @discardableResult
  func removeFiles(of managed: ManagedToken, except paths: Set<String> = []) async -> Bool {
    let name = managed.settings.name
    let failure: String?
    if managed.files.arePersistent {
      let removal = Task(executorPreference: requests) { [files = managed.files] in
        await withCheckedContinuation { continuation in
          // Without a limit: what waits behind a call that hangs is not forgotten.
          FileCalls.start(files.lane) {
            var files = files
            continuation.resume(returning: files.remove(except: paths)?.description)
          }
        }
      }
      let outcome = await removal.value(within: Self.longestFileWork, executor: requests)
      failure = outcome ?? "the files of the token \(name) were not removed yet: the file system does not answer"
    } else {
      failure = managed.files.remove(except: paths)?.description
    }
    if let failure { logger.critical("\(failure)", metadata: metadata(nil, of: managed)) }
    return failure == nil
  }

  /// Puts back what someone deleted, replaced or opened to others.
  func checkFiles() {
    for managed in managedTokens.values { checkFiles(of: managed) }
  }

  func checkFiles(of managed: ManagedToken) {
    guard managed.lifecycle.published != nil else { return }
    work(.examine, managed)
  }

  private func checkChangedFiles() {
    for change in watch?.read() ?? [] {
      switch change {
      case .file(let path):
        if let name = owners[path], let managed = managedTokens[name] { checkFiles(of: managed) } else { onLook() }
      case .unknown:
        onLook()
        checkFiles()
      }
    }
  }

  /// Releases the directories that no table names any more.
  func releaseDirectories() {
    locks.keep(Set(managedTokens.values.flatMap(\.files.directories)))
  }

  /// Notes which token each file belongs to.
  func noteOwners() {
    owners = [:]
    for (name, managed) in managedTokens {
      for path in managed.files.paths { owners[path] = name }
    }
  }

  /// Removes what a former run left and no table names: temporary files, and files of tokens that are in the settings no more.
  private func clear(_ former: BrokerStatus?) async {
    var names: [String: Set<String>] = [:]
    let kept = Set(managedTokens.values.flatMap(\.files.paths))
    for path in kept { names[FilePath.directory(of: path), default: []].insert(FilePath.name(of: path)) }
    let orphans = (former?.tokens ?? []).flatMap { token in
      let outputs = token.outputs.map(\.path)
      let states = Set(outputs.map { TokenSettings.statePath(of: token.name, besides: $0) })
      return (outputs + states).filter { !kept.contains($0) }.map { (path: $0, token: token.name) }
    }
    // Any of these may be on a disk that hangs.
    let removed = try? await FileCalls.run("clear") { [names] in
      for (directory, names) in names { TemporaryName.sweep(directory, of: names) }
      return orphans.filter { PublishedFile.removeOwn($0.path) }
    }
    for orphan in removed ?? [] {
      logger.notice("\(orphan.path) is of a token that is in the settings no more (\(orphan.token)); it was removed")
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
      for managed in managedTokens.values { managed.skew = managed.skew.map { $0 - .seconds(step) } }
    }
    for name in managedTokens.keys {
      handle(sleep > 1 || mayHaveStoodStill ? .resumed : .woke, name)
      if mayHaveStoodStill { handle(.refresh, name) }
    }
  }

  /// In seconds: smaller steps are those of a clock that is kept right.
  private static let noticeableStandstill = 5.0
}
