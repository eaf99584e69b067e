public import Files
public import Logging
public import Settings

extension TokenBroker {
  /// Takes new settings. A table that did not change goes on untouched; one that asks for another token, or with another secret, asks at once and keeps its
  /// good token meanwhile; a removed one takes its files along; a new one appears.
  ///
  /// - Throws: `PublicationFailure` if a new or moved file's place is unfit; the old settings hold then, nothing is half done.
  public func reload(_ new: Configuration) async throws(PublicationFailure) {
    let storageChanged = new.daemon.allowPersistentStorage != configuration.daemon.allowPersistentStorage
    let old = Dictionary(configuration.tokens.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var fresh: [ManagedToken] = []
    for settings in new.tokens where storageChanged || old[settings.name] != settings {
      let managed = makeKeeper(settings, new.daemon)
      try await prepare(managed)
      fresh.append(managed)
    }
    try await openOwnSocket(new.daemon.credentialSocket)
    configuration = new
    configurationProblem = nil
    reloads += 1
    for key in servers.keys { servers[key]?.queue.limit = new.daemon.maxRequests }
    let names = Set(new.tokens.map(\.name))
    for (name, managed) in managedTokens where !names.contains(name) { await remove(managed) }
    claims = [:]
    for settings in new.tokens { for output in settings.outputs { claims[output.path] = settings.name } }
    for managed in managedTokens.values { leaveClaimed(managed) }
    var formers: [ManagedToken] = []
    for managed in fresh {
      let name = managed.settings.name
      if let former = managedTokens[name], former.lifecycle.phase != .unstarted {
        replace(former, by: managed)
        formers.append(former)
      } else {
        managedTokens[name] = managed
        await introduce(name)
      }
    }
    noteOwners()
    // What another table has moved into, unless its token is there already. Other places keep the token until it has moved.
    let taken = Set(managedTokens.values.filter { $0.lifecycle.published != nil }.flatMap(\.files.paths))
    for former in formers {
      await removeFiles(of: former, except: taken.union(managedTokens[former.settings.name]?.files.paths ?? []))
    }
    releaseDirectories()
    retryFailing()
    reviewWaiting()
    let used = Set(managedTokens.values.map(\.server))
    servers = servers.filter { used.contains($0.key) }
    logger.notice(
      "the settings were read again: \(new.tokens.count) token(s), \(fresh.count) of them new or changed",
      metadata: metadata(.reloaded))
    reportNow()
  }

  /// Asks at once for what fails: someone may have corrected what a server rejected.
  public func retryFailing() {
    for (name, managed) in managedTokens where managed.lifecycle.failureStreak != nil { handle(.refresh, name) }
  }

  /// Takes another logger: a level or format that a reload changed.
  public func setLogger(_ logger: Logger) {
    self.logger = logger
  }

  /// Notes which file the settings in effect are from; `nil` if that cannot be seen.
  public func note(_ stamp: FileStamp?) {
    configurationStamp = stamp
    isConfigurationChanged = false
    reportSoon()
  }

  /// Notes what the file is now.
  public func compare(_ stamp: FileStamp?) {
    guard let stamp, let configurationStamp, isConfigurationChanged != (stamp != configurationStamp) else { return }
    isConfigurationChanged = stamp != configurationStamp
    if isConfigurationChanged {
      logger.warning("\(status().changedConfiguration ?? "")", metadata: metadata(.configurationChanged))
    }
    reportSoon()
  }

  /// Notes that a reload failed: the status shows it until one succeeds.
  public func reloadFailed(_ reason: String) {
    let problem = ConfigurationProblem.previous(reason).description
    configurationProblem = problem
    reloads += 1
    logger.error("reload failed: \(problem)", metadata: metadata(.reloadFailed))
    reportNow()
  }

  /// Notes before the start that the configuration is not used as it is.
  public func startsWith(_ problem: ConfigurationProblem) {
    configurationProblem = problem.description
    logger.error("\(problem)", metadata: metadata(.configurationBroken))
  }

  /// Has a token leave the former places that other tables have now.
  func leaveClaimed(_ managed: ManagedToken) {
    managed.files.leave { path in claims[path].map { $0 != managed.settings.name } ?? false }
  }

  private func remove(_ managed: ManagedToken) async {
    let name = managed.settings.name
    abandon(managed)
    servers[managed.server]?.queue.forget(name)
    managedTokens[name] = nil
    pending.remove(name)
    let isGone = await removeFiles(of: managed)
    logger.notice(
      "the token was removed from the settings\(isGone ? "; its file is gone" : "")",
      metadata: metadata(nil, of: managed))
  }

  /// The new keeper takes over the good token: a reader finds it until its successor, asked for with the new settings, is there.
  private func replace(_ former: ManagedToken, by managed: ManagedToken) {
    let name = managed.settings.name
    abandon(former)
    servers[former.server]?.queue.forget(name)
    managedTokens[name] = managed
    managed.inherit(from: former)
    leaveClaimed(managed)
    if managed.lifecycle.newest != nil, former.settings.outputs != managed.settings.outputs {
      handle(.modifiedExternally, name)
    } else {
      checkFiles(of: managed)
    }
    // An attempt that was under way with the old settings was given up.
    if managed.settings.asks(differentlyFrom: former.settings) || !managed.lifecycle.isWaiting {
      handle(.settingsChanged, name)
    } else {
      handle(.woke, name)
    }
  }
}

extension TokenSettings {
  /// Whether these settings, which replace the other ones, ask for another token, of another server, with other credentials, or want more of it.
  func asks(differentlyFrom other: TokenSettings) -> Bool {
    requestFingerprint != other.requestFingerprint || transport != other.transport
      || authenticates(differentlyFrom: other)
      || (requiresAccessTokenType && !other.requiresAccessTokenType)
  }

  /// Whether the client proves who it is by something else.
  func authenticates(differentlyFrom other: TokenSettings) -> Bool {
    clientAuthentication != other.clientAuthentication || secrets != other.secrets
      || basicEncoding != other.basicEncoding
      || privateKeyFile != other.privateKeyFile || keyID != other.keyID
      || assertionAlgorithm != other.assertionAlgorithm || assertionAudience != other.assertionAudience
  }
}
