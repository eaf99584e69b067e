import Base
import Engine

/// The stop, and the checks after each event.
extension SimulatedHost {
  mutating func beginStop(pause: Int64) {
    // At the end of `run --once`, for example, no token is revoked.
    let revokes = !random.chance(4)
    var stop = Stop(at: clocks.boot, pause: pause)
    stop.revocable = Set(
      watches.values.filter { watch in
        revokes && watch.table.revokesOnStop && watch.newest.map { $0.expiresAt > clocks.boot } ?? false
      }.map(\.table.name))
    self.stop = stop
    post(.stop(revokes: revokes))
  }

  mutating func withdraw(_ name: String) throws(BrokenPromise) {
    let watch = try watch(name, "withdrawal")
    try require(stop?.revocable.contains(name) ?? false, "\(name) is withdrawn, though it is not revoked")
    // A disk can hang until the process has ended.
    if watch.table.mayHang, clocks.boot < diskHangsUntil || random.chance(4) {
      if random.chance(2) { later(random.draw(7 * second), .withdrawn(name)) }
    } else {
      try end(.withdrawn(name))
    }
  }

  mutating func revoke(_ name: String, _ timeout: Int64) throws(BrokenPromise) {
    guard let stop, let issuer = watches[name]?.table.issuer else {
      throw BrokenPromise(description: "\(name) is revoked without a stop")
    }
    try require(stop.withdrawn.contains(name), "\(name) is revoked before its files are removed")
    try require(!stop.revoked.contains(name), "\(name) is revoked twice")
    let count = stop.revoking[issuer, default: 0] + 1
    try require(count <= inEffect.maxRequests, "issuer \(issuer) gets \(count) revocations at once")
    self.stop?.revoking[issuer] = count
    let left = stop.at + 5 * second - clocks.boot
    try require(timeout > 0 && timeout <= min(second, left), "a revocation may take \(timeout) ns")
    later(random.chance(2) ? timeout : random.draw(second / 10), .revoked(name))
  }

  mutating func exit() throws(BrokenPromise) {
    guard let stop else { throw BrokenPromise(description: "the process ends by itself") }
    let missing = stop.revocable.subtracting(stop.revoked).subtracting(stop.left)
    try require(missing.isEmpty, "the process ends with \(missing.sorted()) neither revoked nor reported")
    if clocks.boot < stop.at + 5 * second {
      try require(stop.left.isEmpty, "the process ends early, and \(stop.left.sorted()) are not revoked")
    }
    endProcess(pause: stop.pause)
  }

  /// Checks that no token is requested or written after a stop began.
  func checkEnd(_ effect: HostEffect) throws(BrokenPromise) {
    guard stop != nil else { return }
    switch effect {
    case .restoreFiles, .dismissUnits, .withdraw, .revoke, .leaveUnrevoked, .exit, .answer, .abandon, .arm: break
    default: throw BrokenPromise(description: "after the stop: \(effect)")
    }
  }

  func lookAtStop(until next: Int64) throws(BrokenPromise) {
    guard let stop, !clocks.areTimersBlind else { return }
    try require(next - stop.at <= 5 * second + timerRounding, "the stop lasts longer than 5 s")
    let waits = stop.revocable.subtracting(stop.revoked)
    try require(!waits.isEmpty, "the stop waits for nothing")
  }

  // MARK: After each event

  /// Notes what an event promises, before it is handled.
  mutating func noteBefore(_ event: HostEvent) {
    switch event {
    case .woke, .heartbeat:
      clocks.see()
      guard stop == nil else { return }
      let (step, sleep) = unseen
      unseen = (0, 0)
      for name in names {
        // The engine's wall clock is a `Double`, so that a step of 5 s can count as more. It is detected only now.
        if step >= 9 * second / 2 { watches[name]?.held.lastCause = clocks.boot }
        if step >= 11 * second / 2 {
          expectRequest(name, "the clock was stepped forward: the host may have stood still")
        } else if sleep >= 11 * second / 10, watches[name]?.attempt?.isCut ?? false {
          expectRequest(name, "the host was suspended during its request")
        }
      }
    case .credentialRequested(_, let name, _), .credentialAwaited(let name):
      watches[name]?.held.lastCause = clocks.boot
    case .refreshAll:
      for name in names {
        watches[name]?.held.lastCause = clocks.boot
        wantAgain(name)
      }
      for name in names where watches[name]?.attempt?.sent == nil && watches[name]?.isStarted ?? false {
        expectRequest(name, "a refresh of all tokens")
      }
    case .retryFailing:
      for name in names { watches[name]?.held.lastCause = clocks.boot }
      for name in names where engine.lifecycle(of: name)?.failureStreak != nil {
        if watches[name]?.attempt?.sent == nil { expectRequest(name, "failing requests are to be repeated") }
        wantAgain(name)
      }
    case .keySetRead, .checked, .probed: learn(event)
    default: break
    }
  }

  /// Notes the requests that new settings must cause.
  mutating func noteReload() {
    for table in inEffect.tables {
      guard let watch = watches[table.name], watch.isStarted else { continue }
      // A request that must come can wait for its turn once more.
      let by = clocks.boot + second + longestTurn(table.name)
      if let must = watch.mustSend { watches[table.name]?.mustSend?.by = max(must.by, by) }
      if watch.table.issuer != table.issuer || watch.table.client != table.client {
        expectRequest(table.name, "its settings have changed")
      } else if engine.lifecycle(of: table.name)?.failureStreak != nil {
        if watch.attempt?.sent == nil { expectRequest(table.name, "failing requests are repeated at a reload") }
        wantAgain(table.name)
      }
    }
  }

  mutating func checkDrained() throws(BrokenPromise) {
    // Nothing is due while the files of the previous run are read.
    let isDue = stop != nil || !units.isEmpty || watches.values.contains(where: \.isStarted)
    try require(clocks.isArmed || !isDue, "no timer is armed")
    if stop != nil {
      try require(units.isEmpty, "\(units.count) units have no answer at the stop")
    } else {
      for (peer, unit) in units where unit.limit <= clocks.boot && !clocks.areTimersBlind {
        try require(
          clocks.boot - unit.limit <= timerRounding && clocks.untilTimer <= timerRounding,
          "unit \(peer) gets no answer, though it can have one now")
      }
    }
    guard stop == nil else { return }
    for watch in watched {
      guard let life = engine.lifecycle(of: watch.table.name) else { continue }
      try checkState(watch, life)
      if watch.isStarted { try checkHeld(watch, life) }
    }
    guard wasConfigured else { return }
    wasConfigured = false
    // New settings can have reset the failures.
    for name in names where engine.lifecycle(of: name)?.failureStreak == nil { watches[name]?.failures = nil }
    let claimed = Set(inEffect.tables.flatMap(\.outputs))
    for number in files.numbers where !claimed.contains(number) && !SimulatedFiles.isPersistent(number) {
      throw BrokenPromise(description: "a file of \(files[number]?.token.table ?? "") is left, which no table has")
    }
    for name in names {
      try require(engine.lifecycle(of: name) != nil, "\(name) is not managed after a reload")
      try require(
        watches[name]?.table == inEffect.tables.first { $0.name == name }, "\(name) does not have its new settings")
    }
    try require(engine.names.count == names.count, "a table that was removed is managed")
  }

  /// Compares the state of the engine with the effects that the shell got.
  private func checkState(_ watch: Watch, _ life: TokenLifecycle) throws(BrokenPromise) {
    let (name, newest, known) = (watch.table.name, life.newest, watch.newest)
    if let newest {
      try require(newest.expiresAt.nanoseconds > clocks.boot, "the engine holds an expired token of \(name)")
    }
    try require(
      newest?.requestedAt.nanoseconds == known?.sentAt && newest?.expiresAt.nanoseconds == known?.expiresAt,
      "the engine holds another token of \(name) than the one that verified")
    try require(
      life.published == nil || life.newest != nil, "the engine shows a token of \(name) that it does not hold")
    guard watch.isStarted else { return }
    if case .requesting = life.phase { return }
    // Work on files that is under way ends later.
    try require(
      life.deadline.map { $0.nanoseconds > clocks.boot } ?? false || watch.work != nil,
      "something of \(name) is overdue")
  }

  /// Lets systemd's watchdog restart a daemon that is not alive, and checks that it had a reason.
  mutating func checkHeartbeat() throws(BrokenPromise) {
    guard hasWatchdog, isRunning, stop == nil, !engine.isAlive(at: clocks.now.boot) else { return }
    try require(!hanging.isEmpty, "the watchdog restarts a daemon in which nothing hangs")
    for issuer in hungUntil.keys { hungUntil[issuer] = clocks.boot }
    endProcess(pause: second)
  }
}
