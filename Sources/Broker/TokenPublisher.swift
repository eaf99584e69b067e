import Base
import Dispatch
import Engine
import Files
import Publication
import Settings

/// The work on one token's files that runs beside the broker, because they may be on a disk.
struct FileLane {
  /// The number of the work that runs, or hangs.
  private(set) var running: UInt64?
  /// Whether other work was requested meanwhile.
  private var isBehind = false

  /// Takes the lane; `nil` if something is running. The number, the next after `last`, never repeats within a process.
  mutating func begin(after last: inout UInt64) -> UInt64? {
    guard running == nil else {
      isBehind = true
      return nil
    }
    last += 1
    running = last
    return last
  }

  /// Frees the lane.
  ///
  /// - Returns: whether other work was requested meanwhile.
  mutating func end() -> Bool {
    defer { isBehind = false }
    running = nil
    return isBehind
  }
}

/// Writes, compares and removes the files of tokens.
///
/// Files in memory are used on the broker's queue, where nothing can hang. Files that may be on a disk are used beside
/// it, one call for each token at a time.
@BrokerActor final class TokenPublisher {
  private let tokens: ManagedTokens
  private let log: EventLog
  private let reporter: StatusReporter
  private let watch: OutputWatch
  private let notifier: ReaderNotifier
  private let locks: DirectoryLocks
  /// Which table has its token at which path, by the settings of the last reload.
  private var claims: [String: String] = [:]
  private var lastWork: UInt64 = 0

  /// How long a disk may take before `status` reports that it hangs.
  private static let hangLimit = Duration.seconds(5)

  nonisolated init(
    _ tokens: ManagedTokens, _ log: EventLog, _ reporter: StatusReporter, _ watch: OutputWatch,
    _ notifier: ReaderNotifier, _ locks: DirectoryLocks
  ) {
    self.tokens = tokens
    self.log = log
    self.reporter = reporter
    self.watch = watch
    self.notifier = notifier
    self.locks = locks
  }

  // MARK: Work for a lifecycle

  /// Publishes, removes or examines a token's files. The result is an event for the token's lifecycle.
  func perform(_ work: TokenFiles.Work, _ token: ManagedToken) {
    // What was removed at a stop must not come back.
    guard !tokens.isStopping else { return }
    let name = token.name
    let record = token.record
    guard token.files.arePersistent else {
      return finish(work, token, record, token.files.perform(work, record))
    }
    guard work != .examine || token.lane.running == nil else { return }
    if let number = token.lane.begin(after: &lastWork) {
      FileCalls.start(token.files.lane) { [files = token.files, weak self] in
        var files = files
        let outcome = files.perform(work, record)
        BrokerActor.async { [files] in self?.finish(work, number, name, record, files, outcome) }
      }
    }
    guard work != .examine, let running = token.lane.running else { return }
    BrokerActor.async(at: .now() + .nanoseconds(Int(Self.hangLimit.nanoseconds))) { [weak self] in
      self?.reportHang(of: running, name)
    }
  }

  private func reportHang(of number: UInt64, _ name: String) {
    guard let token = tokens[name], token.lane.running == number else { return }
    let path = token.settings.outputs.first?.path ?? name
    tokens.handle(.publicationFailed("cannot write \(path): the file system does not answer"), name)
  }

  /// Takes the result of work on a disk, which may have hung.
  private func finish(
    _ work: TokenFiles.Work, _ number: UInt64, _ name: String, _ record: TokenRecord?, _ files: TokenFiles,
    _ outcome: TokenFiles.Outcome
  ) {
    guard !tokens.isStopping, let token = tokens[name], token.lane.running == number else { return }
    let isBehind = token.lane.end()
    let isCurrent = token.settings.outputs == files.outputs
    if isCurrent {
      token.files = files
      leaveClaimed(token)
    }
    if isBehind || !isCurrent {
      // The last request counts: the newest token, or none.
      perform(token.lifecycle.newest == nil ? .remove : .publish, token)
    } else {
      finish(work, token, record, outcome)
    }
  }

  private func finish(
    _ work: TokenFiles.Work, _ token: ManagedToken, _ record: TokenRecord?, _ outcome: TokenFiles.Outcome
  ) {
    let name = token.name
    switch (work, outcome) {
    case (_, .failed(let failure)): tokens.handle(.publicationFailed(failure.description), name)
    case (_, .modifiedExternally): tokens.handle(.modifiedExternally, name)
    case (.examine, .done): reportStateFile(of: token)
    case (.remove, .done): tokens.handle(.unpublished, name)
    case (.publish, .done):
      reportStateFile(of: token)
      watch.add(token)
      reporter.settle(name)
      // A newer token may have come while a disk was busy with this one.
      guard record?.verifiedToken.requestedAt.boot == token.verifiedToken?.requestedAt.boot else {
        return perform(.publish, token)
      }
      tokens.handle(.published, name)
      notifier.notify(about: token)
    }
  }

  /// Reports once that the next start will not find the token.
  private func reportStateFile(of token: ManagedToken) {
    let failure = token.files.stateFailure
    guard failure != token.stateFailure else { return }
    defer {
      token.stateFailure = failure
      reporter.reportSoon()
    }
    guard let failure, token.stateFailure == nil else { return }
    log.write(
      .warning, "\(token.name): a restart will need a new token, as the state file was not written: \(failure)",
      of: token)
  }

  // MARK: Looks at the files

  /// Republishes what was removed, replaced or opened to others.
  func examineAll() {
    for token in tokens.all { examine(token) }
  }

  /// Republishes what was removed, replaced or opened to others, before the process ends. A restart within the second
  /// in which a repeated removal is not undone would otherwise lose the token.
  ///
  /// Files on a disk, which can hang, are left as they are.
  func restoreAll() {
    let now = Moment.now().boot
    for token in tokens.all where !token.files.arePersistent {
      guard let times = token.lifecycle.published, times.expiresAt > now else { continue }
      if case .modifiedExternally = token.files.perform(.examine, token.record) {
        _ = token.files.perform(.publish, token.record)
      }
    }
  }

  /// The same as `examineAll` for one token.
  func examine(_ token: ManagedToken) {
    guard token.lifecycle.published != nil else { return }
    perform(.examine, token)
  }

  // MARK: Places

  /// Checks that a token's files could be written, and takes their directories.
  func prepare(_ token: ManagedToken) async throws(PublicationFailure) {
    let files = token.files
    let result: Result<Void, PublicationFailure>
    do throws(PrivateFile.Unreadable) {
      result = try await besideIfPersistent(token) { [locks] in
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

  /// Runs `body`, which reads a token's files: at once in memory, beside the broker on a disk.
  ///
  /// - Throws: if the disk does not answer.
  func besideIfPersistent<Value: Sendable>(
    _ token: ManagedToken, _ body: @escaping @Sendable () -> Value
  ) async throws(PrivateFile.Unreadable) -> Value {
    guard token.files.arePersistent else { return body() }
    do throws(FileCalls.Overdue) {
      return try await FileCalls.run(token.files.lane, body)
    } catch {
      throw PrivateFile.Unreadable(reason: "\(error)")
    }
  }

  /// Notes which table has its token where.
  func noteClaims(_ settings: [TokenSettings]) {
    claims = [:]
    for settings in settings { for output in settings.outputs { claims[output.path] = settings.name } }
    for token in tokens.all { leaveClaimed(token) }
  }

  /// Gives up the former places of a token that belong to other tables now.
  func leaveClaimed(_ token: ManagedToken) {
    token.files.leave { path in claims[path].map { $0 != token.name } ?? false }
  }

  /// Releases the directories that no table names any more.
  func releaseDirectories() {
    locks.keep(Set(tokens.all.flatMap(\.files.directories)))
  }

  // MARK: Removal

  /// Removes the files of a token that is not managed any more: all, or those that are not among `paths`.
  ///
  /// Returns when they are gone, or when the disk hangs. In that case they are removed as soon as the disk answers.
  ///
  /// - Returns: whether the files are gone.
  @discardableResult
  func removeFiles(of token: ManagedToken, except paths: Set<String> = []) async -> Bool {
    let failure: String?
    if token.files.arePersistent {
      let removal = Task(executorPreference: BrokerActor.requests) { [files = token.files] in
        await withCheckedContinuation { continuation in
          // Without a limit: what waits behind a call that hangs is not forgotten.
          FileCalls.start(files.lane) {
            var files = files
            continuation.resume(returning: files.remove(except: paths)?.description)
          }
        }
      }
      let outcome = await removal.value(within: Self.hangLimit, executor: BrokerActor.requests)
      failure = outcome ?? "the files of the token \(token.name) were not removed yet: the file system does not answer"
    } else {
      failure = token.files.remove(except: paths)?.description
    }
    if let failure { log.write(.critical, "\(failure)", of: token) }
    return failure == nil
  }

  /// Removes what the previous run left and no table names: temporary files, and files of tokens that are not
  /// configured.
  func removeLeftovers(of previous: BrokerStatus?) async {
    var names: [String: Set<String>] = [:]
    let used = Set(tokens.all.flatMap(\.files.paths))
    for path in used { names[FilePath.directory(of: path), default: []].insert(FilePath.name(of: path)) }
    let orphans = (previous?.tokens ?? []).flatMap { token in
      let outputs = token.outputs.map(\.path)
      let states = Set(outputs.map { TokenSettings.statePath(of: token.name, besides: $0) })
      return (outputs + states).filter { !used.contains($0) }.map { (path: $0, token: token.name) }
    }
    // Any of these may be on a disk that hangs.
    let removed = try? await FileCalls.run("clear") { [names] in
      for (directory, names) in names { TemporaryName.sweep(directory, of: names) }
      return orphans.filter { PublishedFile.removeOwn($0.path) }
    }
    for orphan in removed ?? [] {
      log.write(
        .notice, "\(orphan.path) is of a token that is in the settings no more (\(orphan.token)); it was removed")
    }
  }
}
