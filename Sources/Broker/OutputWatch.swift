import Files

/// Watches the directories of the tokens' files, if the kernel allows it, and finds the token of a changed file.
@BrokerActor final class OutputWatch {
  private let tokens: ManagedTokens
  private let log: EventLog
  private var watch: DirectoryWatch?
  /// Whether it was reported that there is no watch.
  private var isLackReported = false
  /// Which token each file belongs to.
  private var owners: [String: String] = [:]
  private var onChange: @BrokerActor (Change) -> Void = { _ in }

  /// What the kernel reported.
  enum Change {
    /// A file of this token changed.
    case file(of: ManagedToken)
    /// Another file of a watched directory changed.
    case otherFile
    /// There were more changes than the kernel could report.
    case unknown
  }

  nonisolated init(_ tokens: ManagedTokens, _ log: EventLog) {
    self.tokens = tokens
    self.log = log
  }

  /// Sets the handler of changes.
  func connect(onChange: @escaping @BrokerActor (Change) -> Void) { self.onChange = onChange }

  /// The longest time between two checks of the files. A watchdog can require a shorter one.
  var lookPeriod: Duration { watch?.isComplete == true ? .seconds(15) : .seconds(2) }

  /// Opens the watch; reports once if the kernel has none.
  func open() {
    watch = DirectoryWatch(queue: BrokerActor.queue) { [weak self] in
      BrokerActor.assumeIsolated { self?.readChanges() }
    }
    guard watch == nil, !isLackReported else { return }
    isLackReported = true
    log.write(
      .warning,
      "the kernel has no inotify instance left for this user (see fs.inotify.max_user_instances): "
        + "files are compared every few seconds instead")
  }

  /// Opens the watch if the kernel had none before.
  func reopen() {
    guard watch == nil else { return }
    open()
    guard watch != nil else { return }
    isLackReported = false
    for token in tokens.all { add(token) }
  }

  /// Watches the directories of a token. Doing it again is harmless, and needed after a directory was replaced.
  func add(_ token: ManagedToken) {
    guard let watch else { return }
    for directory in token.files.directories {
      guard token.files.arePersistent else {
        watch.watch(directory)
        continue
      }
      Task(executorPreference: BrokerActor.requests) { [descriptor = watch.descriptor] in
        let number = try? await FileCalls.run("watch \(directory)") { DirectoryWatch.add(directory, to: descriptor) }
        await self.note(number, directory)
      }
    }
  }

  private func note(_ number: Int32?, _ directory: String) { watch?.note(number, directory) }

  /// Notes which token each file belongs to.
  func noteOwners() {
    owners = [:]
    for token in tokens.all {
      for path in token.files.paths { owners[path] = token.name }
    }
  }

  /// Reports what has changed: a token once, however many of its files did.
  private func readChanges() {
    var names: Set<String> = []
    var isOther = false
    for change in watch?.read() ?? [] {
      guard case .file(let path) = change else { return onChange(.unknown) }
      if let name = owners[path] { names.insert(name) } else { isOther = true }
    }
    if isOther { onChange(.otherFile) }
    for token in names.compactMap({ tokens[$0] }) { onChange(.file(of: token)) }
  }
}
