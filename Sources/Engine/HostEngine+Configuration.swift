import Base

/// New settings, and the start of tokens.
extension HostEngine {
  mutating func configure(_ change: HostChange, at now: BootTime) {
    maxRequests = change.maxRequests
    for server in issuers.keys {
      issuers[server]?.queue.limit = maxRequests
      unsent.append(server)
    }
    status.await(change.awaited)
    for name in change.removed {
      abandon(name)
      tokens[name] = nil
      deadlines.set(nil, for: name)
      status.settle(name)
      effects.append(.drop(name))
    }
    for (plan, difference) in change.changed { replace(plan, difference, at: now) }
    for plan in change.added {
      tokens[plan.name] = Token(plan: plan, lifecycle: TokenLifecycle(seed: random.next()))
      effects.append(.restore(plan.name))
    }
    for name in tokens.keys where tokens[name]?.lifecycle.failureStreak != nil { push(.refresh, name) }
    for (_, peer) in waits.takeAll() { effects.append(.reconsider(peer: peer)) }
    let used = Set(tokens.values.map(\.plan.server))
    issuers = issuers.filter { used.contains($0.key) }
    status.want(tokens: tokens.count, at: now)
  }

  /// Takes new settings. The valid token stays published until its successor comes.
  private mutating func replace(_ plan: TokenPlan, _ change: TokenChange, at now: BootTime) {
    let name = plan.name
    guard let former = tokens[name] else { return }
    // The attempt belongs to the former settings.
    abandon(name)
    tokens[name]?.plan = plan
    effects.append(.replace(name))
    // Its files are read with the former settings: the shell reads them again.
    guard former.lifecycle.phase != .unstarted else { return effects.append(.restore(name)) }
    if change.movesFiles {
      tokens[name]?.lane.repeatAfterwards()
      if former.lifecycle.newest != nil { push(.modifiedExternally, name) }
    } else {
      examine(name, at: now)
    }
    replan(name, change, at: now)
    push(change.needsNewToken || !former.lifecycle.isWaiting ? .settingsChanged : .woke, name)
  }

  mutating func start(
    _ name: String, with token: RestoredToken?, _ availability: Availability?, at now: BootTime
  ) {
    guard let state = tokens[name], state.lifecycle.phase == .unstarted else { return }
    var times = token.map { state.plan.schedule.plan(requestedAt: $0.requestedAt, lifetime: $0.lifetime) }
    if token?.needsSuccessor ?? false || state.reports.isAwaitingToken { times?.refreshAt = now }
    if times != nil { status.settle(name) }
    tokens[name]?.isAPIProven = token?.wasAcceptedByAPI ?? false
    tokens[name]?.isOfFormerSettings = token?.needsSuccessor ?? false
    tokens[name]?.availability = availability
    tokens[name]?.received = token?.digest
    push(.started(restored: times), name)
    // A restart ends no gap, and does not wait for the next check.
    if let rejection = token?.rejection { push(.rejected(rejection, requests: true), name) }
    if let token, !token.areFilesRight { push(.modifiedExternally, name) }
    refreshForWaiting(name)
  }
}
