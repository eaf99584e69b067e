package import Base

/// The files of the tokens.
extension HostEngine {
  /// Starts work on a token's files. If other work is running, this work waits for it.
  mutating func perform(_ work: FileWork, _ index: Int, at now: BootTime) {
    guard let number = tokens[index].lane.begin(work, after: &lastNumber, at: now) else { return }
    tokens[index].lane.writtenExpiry = work == .publish ? tokens[index].lifecycle.newest?.expiresAt : nil
    effects.append(.work(work, tokens[index].name, work: number))
  }

  /// Examines whether the files of a token were modified.
  mutating func examine(_ index: Int, at now: BootTime) {
    guard tokens[index].lifecycle.published != nil else { return }
    // Files in memory are examined at once, and only a modification is an event.
    if !tokens[index].plan.mayHang { return effects.append(.work(.examine, tokens[index].name, work: 0)) }
    perform(.examine, index, at: now)
  }

  /// Takes the result of work on a token's files.
  mutating func finishWork(_ index: Int, _ number: UInt64, _ outcome: FileOutcome, at now: BootTime) {
    if number == 0 {
      if outcome == .modifiedExternally { push(.modifiedExternally, index) }
      return
    }
    guard let (work, isBehind) = tokens[index].lane.end(number) else { return }
    // Only the last request counts: publish the newest token, or remove the files.
    guard !isBehind else {
      let newest = tokens[index].lifecycle.newest
      // After a sleep, or in this moment. Both events also remove the files then.
      let hasEnded = newest.map { $0.expiresAt <= now } ?? false
      // The event can begin other work, which takes note of later requests only.
      let wantsRemoval = tokens[index].lane.wantsRemoval
      if work == .remove, outcome == .done {
        step(.unpublished, index, 0, at: now)
      } else if hasEnded {
        step(.woke, index, 0, at: now)
      }
      let isValid = newest != nil && !hasEnded
      let written = tokens[index].lane.writtenExpiry
      if let written, written > now { tokens[index].lifecycle.noteOvertaken(expiresAt: written) }
      if work == .remove, outcome != .done, isValid { tokens[index].lifecycle.noteUnremoved(at: now) }
      // An expired token is removed before its successor is written. It can have expired while it was written.
      let hasExpired = written.map { $0 <= now } ?? false
      // A removal leaves files with the token that was the newest when it began. That can have expired since.
      let isStale = hasExpired || (wantsRemoval && (outcome != .done || work != .publish))
      if newest == nil || (isStale && !hasEnded) { perform(.remove, index, at: now) }
      // The event can have begun this already. A second request would hide the result of the first one.
      if isValid, tokens[index].lane.running?.work != .publish { perform(.publish, index, at: now) }
      return rearm(index, at: now)
    }
    switch (work, outcome) {
    case (.publish, .incomplete(let reason)):
      status.settle(tokens[index].name)
      // The application has this token already if only another file is tried again.
      let isNew = tokens[index].lifecycle.published != tokens[index].lifecycle.newest
      push(.publishedIncompletely(reason), index)
      if isNew { effects.append(.notifyApplication(tokens[index].name)) }
    case (_, .failed(let reason)), (_, .incomplete(let reason)): push(.publicationFailed(reason), index)
    case (_, .modifiedExternally): push(.modifiedExternally, index)
    case (.examine, .done): break
    case (.remove, .done): push(.unpublished, index)
    case (.publish, .done):
      status.settle(tokens[index].name)
      push(.published, index)
      effects.append(.notifyApplication(tokens[index].name))
    }
  }
}

/// The units that wait for a token as their credential.
extension HostEngine {
  /// Whether a unit that has waited for this token since then would get the token, or a refusal, now.
  package func canAnswer(_ name: String, since: BootTime, at now: BootTime) -> Bool {
    // During a stop, no further unit is answered. The next run answers it, or the kernel resets the connection.
    guard stopping == nil, let index = index(of: name) else { return stopping == nil }
    let wait = CredentialWait(since: since)
    let (newest, minValidity) = (newestForUnits(index), tokens[index].plan.minValidity)
    if let newest, newest.expiresAt > now, wait.isEnded(by: newest, minValidity: minValidity, at: now) {
      return true
    }
    return wait.limit(newest: newest) <= now
  }

  /// Answers a unit now, or as soon as there is a token that is valid for long enough.
  mutating func request(_ peer: UInt64, _ name: String, since: BootTime, at now: BootTime) {
    guard let index = index(of: name) else { return effects.append(.answer(peer: peer, .removed)) }
    waits.add(peer, for: name, since: since, newest: tokens[index].lifecycle.newest)
    answerWaiting(index, at: now)
    refreshForWaiting(index)
  }

  /// Answers the units that get the token now.
  mutating func answerWaiting(_ index: Int, at now: BootTime) {
    guard waits.isAwaited(tokens[index].name) else { return }
    let (newest, minValidity) = (newestForUnits(index), tokens[index].plan.minValidity)
    for peer in waits.served(tokens[index].name, newest: newest, minValidity: minValidity, at: now) {
      effects.append(.answer(peer: peer, .token(isShort: false)))
    }
  }

  /// The newest token. If the server returned it again, it counts as requested at that time.
  private func newestForUnits(_ index: Int) -> TokenTimes? {
    var newest = tokens[index].lifecycle.newest
    if let confirmedAt = tokens[index].confirmedAt { newest?.requestedAt = confirmedAt }
    return newest
  }

  /// Requests a newer token if a unit waits for one.
  mutating func refreshForWaiting(_ index: Int) {
    if waits.isAwaited(tokens[index].name) { requestNewer(index) }
  }

  /// Requests a newer token, unless requests fail. A unit that restarts in a loop must not lock the client's account.
  mutating func requestNewer(_ index: Int) {
    guard tokens[index].lifecycle.newest != nil, tokens[index].lifecycle.failureStreak == nil,
      tokens[index].lifecycle.isWaiting
    else { return }
    push(.refresh, index)
  }
}

/// The stop.
extension HostEngine {
  /// Leaves the tokens in their files, except those that are revoked, and answers all waiting units.
  mutating func beginStop(revokes: Bool, at now: BootTime) {
    let valid = tokens.filter { $0.lifecycle.newest.map { $0.expiresAt > now } ?? false }
    let validNames = Set(valid.map(\.name))
    for token in tokens where token.lifecycle.published != nil && !token.plan.mayHang {
      effects.append(.restoreFiles(token.name))
    }
    for (name, peer) in waits.takeAll() {
      effects.append(.answer(peer: peer, validNames.contains(name) ? .token(isShort: true) : .stopping))
    }
    effects.append(.dismissUnits)
    for index in tokens.indices { abandon(index) }
    let revocable = revokes ? valid.filter(\.plan.revokesOnStop).map(\.name).sorted() : []
    stopping = StopProgress(revoking: revocable, at: now)
    for name in revocable { effects.append(.withdraw(name)) }
    endStop(at: now)
  }

  /// Handles an event during a stop.
  mutating func continueStop(_ event: HostEvent, at now: BootTime) {
    switch event {
    case .withdrawn(let name):
      guard let server = index(of: name).map({ tokens[$0].plan.server }) else { return }
      revoke(stopping?.withdrew(name, at: server, limit: maxRequests) ?? [], at: now)
    case .revoked(let name):
      guard let server = index(of: name).map({ tokens[$0].plan.server }) else { return }
      revoke(stopping?.revoked(name, at: server) ?? [], at: now)
    // One timer can be delayed by a suspend, and the other one by a clock that was set back.
    case .woke, .heartbeat: endStop(at: now)
    default: break
    }
  }

  private mutating func revoke(_ names: [String], at now: BootTime) {
    if let timeout = stopping?.timeout(at: now) {
      for name in names { effects.append(.revoke(name, timeout: timeout)) }
    }
    endStop(at: now)
  }

  /// Ends the process when all tokens are revoked, or when the time is over.
  private mutating func endStop(at now: BootTime) {
    guard let stopping else { return }
    guard stopping.isComplete || now >= stopping.end else { return effects.append(.arm(stopping.end)) }
    for name in stopping.left { effects.append(.leaveUnrevoked(name)) }
    effects.append(.exit)
  }
}
