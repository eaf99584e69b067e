import Base
import Engine
import Files
import Publication
import Settings

/// Writes, compares and removes the files of tokens.
///
/// Files in memory are used on the broker's queue, where nothing can hang. Files that can be on a disk are used beside
/// it, with one call at a time for each token.
@BrokerActor final class TokenPublisher {
  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog
  private let watch: OutputWatch
  let locks: DirectoryLocks
  /// Which table has its token at which path, by the settings of the last reload.
  private var claims: [String: String] = [:]

  nonisolated init(
    _ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog, _ watch: OutputWatch, _ locks: DirectoryLocks
  ) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
    self.watch = watch
    self.locks = locks
  }

  // MARK: Work for the engine

  /// Publishes, removes or examines a token's files. The result is an event.
  ///
  /// - Parameter number: the number of the work. It is 0 for an examination in memory, whose result is an event only if
  ///   a file was modified.
  func perform(_ work: FileWork, _ name: String, _ number: UInt64) {
    guard let token = tokens[name] else { return }
    if work == .remove, loop.engine.lifecycle(of: name)?.newest == nil { token.dropRecord() }
    let record = token.record
    guard token.files.arePersistent else {
      let outcome = token.files.perform(work, record)
      return finish(work, number, token, outcome)
    }
    FileCalls.start(token.files.lane) { [files = token.files, weak self] in
      var files = files
      let outcome = files.perform(work, record)
      BrokerActor.async { [files] in self?.finish(work, number, name, files, outcome) }
    }
  }

  /// Handles the result of work on a disk, which can have hung.
  private func finish(
    _ work: FileWork, _ number: UInt64, _ name: String, _ files: TokenFiles, _ outcome: FileOutcome
  ) {
    guard !loop.engine.isStopping, let token = tokens[name] else { return }
    // The settings can name other files now. The engine then repeats the work.
    if token.settings.outputs == files.outputs {
      token.files = files
      leaveClaimed(token)
    }
    finish(work, number, token, outcome)
  }

  private func finish(_ work: FileWork, _ number: UInt64, _ token: ManagedToken, _ outcome: FileOutcome) {
    switch outcome {
    case .failed, .modifiedExternally: break
    case .done, .incomplete:
      if work != .remove { reportStateFile(of: token) }
      if work == .publish { watch.add(token) }
    }
    guard number != 0 || outcome != .done else { return }
    loop.post(.worked(token.name, work: number, outcome))
  }

  /// Reports once that the next start will not find the token.
  private func reportStateFile(of token: ManagedToken) {
    let failure = token.files.stateFailure
    guard failure != token.stateFailure else { return }
    defer {
      token.stateFailure = failure
      loop.post(.statusChanged)
    }
    guard let failure, token.stateFailure == nil else { return }
    log.write(
      .warning, "\(token.name): a restart will need a new token, as the state file was not written: \(failure)",
      of: token)
  }

  /// Before the process ends, writes a token again that another process modified. Modifications are undone at most once
  /// a second. A restart within that second would otherwise lose the token.
  func restore(_ name: String) {
    guard let token = tokens[name], !token.files.arePersistent else { return }
    if token.files.perform(.examine, token.record) == .modifiedExternally {
      _ = token.files.perform(.publish, token.record)
    }
  }

  // MARK: Places

  /// Runs `body`, which reads a token's files. Files in memory are read at once, and files on a disk beside the broker.
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

  /// Notes at which path each table has its token.
  func noteClaims(_ settings: [TokenSettings]) {
    claims = [:]
    for settings in settings { for output in settings.outputs { claims[output.path] = settings.name } }
    for token in tokens.all { leaveClaimed(token) }
  }

  /// Forgets the previous paths of a token that belong to other tables now.
  func leaveClaimed(_ token: ManagedToken) {
    token.files.leave { path in claims[path].map { $0 != token.name } ?? false }
  }

  /// Releases the directories that no table names any more.
  func releaseDirectories() {
    locks.keep(Set(tokens.all.flatMap(\.files.directories)))
  }

  // MARK: Removal

  /// Removes the files of a token that is not managed any more. These are all its files, or those that are not among
  /// `paths`.
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
          // There is no limit, so that calls that wait behind a call that hangs are not forgotten.
          FileCalls.start(files.lane) {
            var files = files
            continuation.resume(returning: files.remove(except: paths)?.description)
          }
        }
      }
      let outcome = await removal.value(within: FileCalls.usualLimit, executor: BrokerActor.requests)
      failure = outcome ?? "the files of the token \(token.name) were not removed yet: the file system does not answer"
    } else {
      failure = token.files.remove(except: paths)?.description
    }
    if let failure { log.write(.critical, "\(failure)", of: token) }
    return failure == nil
  }

  /// Removes what the previous run left and no table names: temporary files, and files of tokens that are not
  /// configured.
  ///
  /// - Parameter isPartial: whether a token's table can be among those that have faults. Then `LeftoverWatch` removes
  ///   the token at its expiry. It knows those in memory only.
  func removeLeftovers(of previous: BrokerStatus?, isPartial: Bool) async {
    var names: [String: Set<String>] = [:]
    let used = Set(tokens.all.flatMap(\.files.paths))
    for path in used { names[FilePath.directory(of: path), default: []].insert(FilePath.name(of: path)) }
    let orphans = (previous?.tokens ?? []).map { token in
      let outputs = token.outputs.map(\.path)
      let states = Set(outputs.map { TokenSettings.statePath(of: token.name, besides: $0) })
      return (name: token.name, states: states, paths: (outputs + states).filter { !used.contains($0) })
    }
    // Any of these can be on a disk that hangs.
    let removed = try? await FileCalls.run("clear") { [names] in
      for (directory, names) in names { TemporaryName.sweep(directory, of: names) }
      return orphans.filter { !isPartial || !TokenState.areInMemory($0.states) }.flatMap { token in
        token.paths.filter(PublishedFile.removeOwn).map { (path: $0, token: token.name) }
      }
    }
    for (path, token) in removed ?? [] {
      log.write(.notice, "\(path) is of a token that is in the settings no more (\(token)); it was removed")
    }
  }
}
