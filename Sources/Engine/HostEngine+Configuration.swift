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
      if let index = index(of: name) { remove(index) }
      status.settle(name)
      effects.append(.drop(name))
    }
    for (plan, difference) in change.changed { replace(plan, difference, at: now) }
    for plan in change.added { add(plan) }
    // An attempt with the previous settings would delay the one with the new settings.
    if change.isComplete { retryFailing() }
    for (_, peer) in waits.takeAll() { effects.append(.reconsider(peer: peer)) }
    let used = Set(tokens.map(\.plan.server))
    issuers = issuers.filter { used.contains($0.key) }
    status.want(tokens: tokens.count, at: now)
  }

  private mutating func add(_ plan: TokenPlan) {
    guard order.append(plan.name).inserted else { return }
    tokens.append(Token(plan: plan, lifecycle: TokenLifecycle(seed: random.next())))
    tokens[tokens.count - 1].lifecycle.readsFiles = plan.readsFiles
    deadlines.append()
    effects.append(.restore(plan.name))
  }

  /// Removes a token. No event is pending yet: the indices of later tokens change.
  private mutating func remove(_ index: Int) {
    abandon(index)
    order.remove(at: index)
    tokens.remove(at: index)
    deadlines.remove(index)
  }

  /// Takes new settings. The valid token stays published until its successor comes.
  private mutating func replace(_ plan: TokenPlan, _ change: TokenChange, at now: BootTime) {
    guard let index = index(of: plan.name) else { return }
    let former = tokens[index].lifecycle
    // The attempt belongs to the former settings.
    abandon(index)
    tokens[index].plan = plan
    tokens[index].lifecycle.readsFiles = plan.readsFiles
    effects.append(.replace(plan.name))
    // Its files are being read with the previous settings. The shell reads them again.
    guard former.phase != .unstarted else { return effects.append(.restore(plan.name)) }
    if change.movesFiles {
      // This also repeats work that still runs on the previous files.
      if former.newest != nil { push(.modifiedExternally, index) }
    } else {
      examine(index, at: now)
    }
    replan(index, change, at: now)
    push(change.needsNewToken || !former.isWaiting ? .settingsChanged : .woke, index)
  }

  mutating func start(
    _ index: Int, with token: RestoredToken?, _ availability: Availability?, at now: BootTime
  ) {
    guard tokens[index].lifecycle.phase == .unstarted else { return }
    let schedule = tokens[index].plan.schedule
    var times = token.map { schedule.plan(requestedAt: $0.requestedAt, lifetime: $0.lifetime) }
    if token?.needsSuccessor ?? false || tokens[index].reports.isAwaitingToken { times?.refreshAt = now }
    if let times {
      status.settle(tokens[index].name)
      tokens[index].known.note(token?.digest, times)
    }
    tokens[index].isAPIProven = token?.wasAcceptedByAPI ?? false
    tokens[index].isOfFormerSettings = token?.needsSuccessor ?? false
    tokens[index].availability = availability
    tokens[index].received = token?.digest
    push(.started(restored: times), index)
    // A token that the previous run knew to be rejected is replaced at once, without another check.
    if let rejection = token?.rejection { push(.rejected(rejection, requests: true), index) }
    if let token, !token.areFilesRight { push(.modifiedExternally, index) }
    refreshForWaiting(index)
  }
}
