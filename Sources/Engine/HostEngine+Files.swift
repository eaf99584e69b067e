package import Base

/// The files of the tokens.
extension HostEngine {
  /// Starts work on a token's files, or lets it wait for the work that is running.
  mutating func perform(_ work: FileWork, _ name: String, at now: BootTime) {
    guard let number = tokens[name]?.lane.begin(work, after: &lastNumber, at: now) else { return }
    effects.append(.work(work, name, work: number))
  }

  /// Looks whether the files of a token were modified.
  mutating func examine(_ name: String, at now: BootTime) {
    guard let token = tokens[name], token.lifecycle.published != nil else { return }
    // In memory it takes no time, and only a modification is an event.
    if !token.plan.mayHang { return effects.append(.work(.examine, name, work: 0)) }
    perform(.examine, name, at: now)
  }

  /// Takes the result of work on a token's files.
  mutating func finishWork(_ name: String, _ number: UInt64, _ outcome: FileOutcome, at now: BootTime) {
    if number == 0 {
      if outcome == .modifiedExternally { push(.modifiedExternally, name) }
      return
    }
    guard let (work, isBehind) = tokens[name]?.lane.end(number) else { return }
    // The last wish counts: the newest token, or none.
    guard !isBehind else {
      return perform(tokens[name]?.lifecycle.newest == nil ? .remove : .publish, name, at: now)
    }
    switch (work, outcome) {
    case (_, .failed(let reason)): push(.publicationFailed(reason), name)
    case (_, .modifiedExternally): push(.modifiedExternally, name)
    case (.examine, .done): break
    case (.remove, .done): push(.unpublished, name)
    case (.publish, .done):
      status.settle(name)
      push(.published, name)
      effects.append(.notifyApplication(name))
    }
  }
}

/// The units that wait for a token as their credential.
extension HostEngine {
  /// Whether a unit that has asked for this token at that time would get it, or a refusal, now.
  package func canAnswer(_ name: String, since: BootTime, at now: BootTime) -> Bool {
    // The next run answers, or the kernel resets the connection.
    guard stopping == nil, let token = tokens[name] else { return stopping == nil }
    let wait = CredentialWait(since: since)
    let newest = token.lifecycle.newest
    if let newest, newest.expiresAt > now, wait.isEnded(by: newest, minValidity: token.plan.minValidity, at: now) {
      return true
    }
    return wait.limit(newest: newest) <= now
  }

  /// Answers a unit now, or as soon as there is a token that is valid for long enough.
  mutating func request(_ peer: UInt64, _ name: String, since: BootTime, at now: BootTime) {
    guard let token = tokens[name] else { return effects.append(.answer(peer: peer, .removed)) }
    let newest = token.lifecycle.newest
    waits.add(peer, for: name, since: since, newest: newest)
    for peer in waits.served(name, newest: newest, minValidity: token.plan.minValidity, at: now) {
      effects.append(.answer(peer: peer, .token(isShort: false)))
    }
    refreshForWaiting(name)
  }

  /// Requests a newer token if a unit waits for one.
  mutating func refreshForWaiting(_ name: String) {
    if waits.isAwaited(name) { requestNewer(name) }
  }

  /// Requests a newer token, unless requests fail: a unit that restarts in a loop must not lock the client out.
  mutating func requestNewer(_ name: String) {
    guard let lifecycle = tokens[name]?.lifecycle, lifecycle.newest != nil, lifecycle.failureStreak == nil,
      lifecycle.isWaiting
    else { return }
    push(.refresh, name)
  }
}

/// The stop.
extension HostEngine {
  /// Leaves the tokens in their files, except those that are revoked, and answers all waiting units.
  mutating func beginStop(revokes: Bool, at now: BootTime) {
    let valid = tokens.filter { $1.lifecycle.newest.map { $0.expiresAt > now } ?? false }
    for (name, token) in tokens where token.lifecycle.published != nil && !token.plan.mayHang {
      effects.append(.restoreFiles(name))
    }
    for (name, peer) in waits.takeAll() {
      effects.append(.answer(peer: peer, valid[name] == nil ? .stopping : .token(isShort: true)))
    }
    effects.append(.dismissUnits)
    for name in tokens.keys { abandon(name) }
    let revocable = revokes ? valid.filter(\.value.plan.revokesOnStop).keys.sorted() : []
    stopping = StopProgress(revoking: revocable, at: now)
    for name in revocable { effects.append(.withdraw(name)) }
    endStop(at: now)
  }

  /// Handles what a stop still waits for.
  mutating func continueStop(_ event: HostEvent, at now: BootTime) {
    switch event {
    case .withdrawn(let name):
      guard let server = tokens[name]?.plan.server else { return }
      revoke(stopping?.withdrew(name, at: server, limit: maxRequests) ?? [], at: now)
    case .revoked(let name):
      guard let server = tokens[name]?.plan.server else { return }
      revoke(stopping?.revoked(name, at: server) ?? [], at: now)
    case .woke: endStop(at: now)
    default: break
    }
  }

  private mutating func revoke(_ names: [String], at now: BootTime) {
    if let timeout = stopping?.timeout(at: now) {
      for name in names { effects.append(.revoke(name, timeout: timeout)) }
    }
    endStop(at: now)
  }

  /// Ends the process when all is done, or when the time is over.
  private mutating func endStop(at now: BootTime) {
    guard let stopping else { return }
    guard stopping.isComplete || now >= stopping.end else { return effects.append(.arm(stopping.end)) }
    for name in stopping.left { effects.append(.leaveUnrevoked(name)) }
    effects.append(.exit)
  }
}
