import Base
import Engine

/// The effects, as a shell performs them.
extension SimulatedHost {
  mutating func perform(_ effect: HostEffect) throws(BrokenPromise) {
    try checkEnd(effect)
    switch effect {
    case .restore(let name): try readFiles(name)
    case .replace(let name): try replace(name)
    case .drop(let name): try drop(name)
    case .readSecrets(let name, let attempt): try readSecrets(name, attempt)
    case .send(let name, let attempt, let timeout, let mayFallBack):
      try send(name, attempt, timeout.nanoseconds, mayFallBack)
    case .abandon(let name, let attempt): try abandon(name, attempt)
    case .accept(let name, let attempt, let times): try accept(name, attempt, times)
    case .keep(let name, let attempt): try keepAsItIs(name, attempt)
    case .noteFailure(let name, let attempt, let failure): try noteFailure(name, attempt, failure)
    case .work(let work, let name, let number): try begin(work, name, number)
    case .notifyApplication(let name): try checkNotified(name)
    case .answer(let peer, let reply): try answer(peer, reply)
    case .reconsider(let peer): try reconsider(peer)
    case .report(let report): try hear(report)
    case .reportStatus: statusOwedSince = nil
    case .readKeySet(let server): try readKeySet(server.number)
    case .introspect(let name): try introspect(name)
    case .probe(let name): try probe(name)
    case .probeCandidate(let name, let attempt, let timeout): try probe(name, attempt, timeout.nanoseconds)
    case .reply(let reply): self.reply = reply
    // The simulation has no connections without a request.
    case .dismissUnits: break
    case .arm(let time):
      try require(time.nanoseconds > clocks.boot, "the timer is armed for the past")
      clocks.arm(time)
    case .restoreFiles(let name): try restoreFiles(name)
    case .withdraw(let name): try withdraw(name)
    case .revoke(let name, let timeout): try revoke(name, timeout.nanoseconds)
    case .leaveUnrevoked(let name): stop?.left.insert(name)
    case .exit: try exit()
    }
  }

  /// The watch of a token, which must be managed: no effect is for another one.
  func watch(_ name: String, _ effect: String) throws(BrokenPromise) -> Watch {
    guard let watch = watches[name] else {
      throw BrokenPromise(description: "\(effect) of \(name), which is not managed")
    }
    return watch
  }

  mutating func end(_ job: Job) throws(BrokenPromise) {
    switch job {
    case .beat:
      later(15 * second, .beat)
      post(.heartbeat)
    case .ntp(let step): move(step)
    case .start: try startProcess()
    case .prepared(let name, let number):
      guard let attempt = attempts[number], attempt.sent == nil else { return }
      if abandoned.contains(number), random.chance(2) { return }
      if clocks.boot < secretsBrokenUntil {
        return post(.prepared(name, attempt: number, AcquisitionFailure(.credentials, "the secret is not readable")))
      }
      post(.prepared(name, attempt: number, nil))
    case .exchange(let name, let number): endExchange(name, number)
    case .work(let name, let number): endWork(name, number)
    case .read(let name, let read): endRead(name, read)
    case .restored(let name, let read, let restored, let token): endRestore(name, read, restored, token)
    case .withdrawn(let name):
      stop?.withdrawn.insert(name)
      for output in watches[name]?.table.outputs ?? [] { files[output] = nil }
      post(.withdrawn(name))
    case .revoked(let name):
      guard let issuer = watches[name]?.table.issuer else { return }
      stop?.revoked.insert(name)
      stop?.revoking[issuer, default: 1] -= 1
      post(.revoked(name))
    case .keySet, .introspected, .probed, .candidateProbed: endCheck(job)
    case .putBack: if stop == nil { putBack() }
    }
  }

  // MARK: The process

  /// Starts the daemon with the configuration as it is now.
  mutating func startProcess() throws(BrokenPromise) {
    jobs.removeAll { if case .start = $0.job { true } else { false } }
    isRunning = true
    stop = nil
    inEffect = configuration
    fewestRequests = min(fewestRequests, inEffect.maxRequests)
    engine = HostEngine(seed: random.next(), at: clocks.now)
    for watch in watches.values {
      if let newest = watch.newest { rejections[newest.id] = watch.held.invalid }
    }
    watches = [:]
    for table in inEffect.tables { watches[table.name] = Watch(table, at: clocks.boot) }
    removeUnclaimed()
    unseen = (0, 0)
    (statusOwedSince, isReady, readyOwedSince) = (nil, false, nil)
    (lastReading, lastSuccessfulReading, lastFailedReading, disturbedAt) = ([:], [:], [:], clocks.boot)
    var change = HostChange(maxRequests: inEffect.maxRequests)
    change.added = inEffect.tables.map(\.plan)
    awaited = Set(names)
    change.awaited = awaited
    later(random.draw(15 * second), .beat)
    post(.configured(change))
  }

  /// Ends the process at any time. Another one starts after `pause`.
  mutating func endProcess(pause: Int64) {
    isRunning = false
    clocks.disarm()
    jobs.removeAll { if case .ntp = $0.job { false } else { true } }
    fifo = []
    units = [:]
    (attempts, abandoned, hanging, underWay, numbers) = ([:], [], [], [:], [])
    stop = nil
    later(pause, .start)
  }

  // MARK: Settings

  /// Takes the configuration file as it is now.
  mutating func reload() {
    let isStorageChanged = random.chance(10)
    let plan = ReloadPlan(from: inEffect.tables, to: configuration.tables, isStorageChanged: isStorageChanged)
    inEffect = configuration
    fewestRequests = min(fewestRequests, inEffect.maxRequests)
    (lastReading, disturbedAt) = ([:], clocks.boot)
    noteReload()
    var change = HostChange(maxRequests: inEffect.maxRequests)
    change.removed = plan.removed
    change.changed = plan.changed.map { (plan: $0.settings.plan, change: $0.change) }
    change.added = plan.added.map(\.plan)
    for table in plan.added { watches[table.name] = Watch(table, at: clocks.boot) }
    wasConfigured = true
    post(.configured(change))
  }

  private mutating func replace(_ name: String) throws(BrokenPromise) {
    let former = try watch(name, "new settings").table
    guard let table = inEffect.tables.first(where: { $0.name == name }) else {
      throw BrokenPromise(description: "new settings of \(name), which is in no table")
    }
    watches[name]?.table = table
    // No request was sent to the new server before.
    if table.issuer != former.issuer {
      watches[name]?.ableSince = clocks.boot
      // Tokens of the previous server do not matter any more.
      watches[name]?.expiries = [:]
    }
    // The secrets of the previous settings could not be read.
    if former.readsFiles, !table.readsFiles, clocks.boot < secretsHangUntil + 61 * second {
      watches[name]?.ableSince = clocks.boot
    }
    if table.change(from: former).needsNewToken { watches[name]?.held.isFormer = true }
    if table.api != former.api { watches[name]?.held.isProven = false }
    guard table.outputs != former.outputs else { return }
    for output in former.outputs where !table.outputs.contains(output) && files[output]?.token.table == name {
      files[output] = nil
    }
    // The new place can have files of another process, or of a table that was moved away.
    watches[name]?.written = [:]
    for output in table.outputs where files[output].map({ $0.token.table != name }) ?? false { files[output] = nil }
  }

  private mutating func drop(_ name: String) throws(BrokenPromise) {
    let table = try watch(name, "removal").table
    watches[name] = nil
    awaited.remove(name)
    for output in table.outputs where files[output]?.token.table == name { files[output] = nil }
  }

  /// Removes the files of the previous run that belong to no table.
  private mutating func removeUnclaimed() {
    let claimed = Set(inEffect.tables.flatMap(\.outputs))
    for number in Array(files.numbers) where !claimed.contains(number) { files[number] = nil }
  }

  // MARK: The previous run

  private mutating func readFiles(_ name: String) throws(BrokenPromise) {
    let table = try watch(name, "restoration").table
    lastRead += 1
    watches[name]?.read = lastRead
    let delay = table.mayHang ? max(random.draw(second / 10), diskHangsUntil - clocks.boot) : 0
    if delay > 0 { later(delay, .read(name, lastRead)) } else { endRead(name, lastRead) }
  }

  /// Ends the read of a token's files. A token that does not verify under the present settings is removed.
  private mutating func endRead(_ name: String, _ read: Int) {
    guard let watch = watches[name], watch.read == read else { return }
    let table = watch.table
    var found: IssuedToken?
    for output in table.outputs {
      guard let content = files[output], !content.isForged, content.token.table == name else { continue }
      if content.token.sentAt > found?.sentAt ?? .min { found = content.token }
    }
    var isSuccessorNeeded = false
    if let token = found {
      isSuccessorNeeded = token.client != table.client
      if token.issuer != table.issuer || token.expiresAt <= clocks.boot || isSuccessorNeeded && random.chance(2) {
        found = nil
      }
    }
    var restored: RestoredToken?
    if let found {
      restored = RestoredToken(
        requestedAt: BootTime(nanoseconds: found.sentAt), lifetime: .nanoseconds(found.lifetime))
      restored?.needsSuccessor = isSuccessorNeeded
      restored?.digest = found.digest
      restored?.rejection = rejections[found.id].map { AcquisitionFailure($0, "found by the previous run") }
      restored?.wasAcceptedByAPI = table.api != nil && proven[name] == table.api
      let right = SimulatedFiles.Content(token: found)
      restored?.areFilesRight = table.outputs.allSatisfy { files[$0] == right }
    } else {
      for output in table.outputs { files[output] = nil }
    }
    let delay = table.mayHang && random.chance(3) ? random.draw(3 * second) : 0
    if delay > 0 {
      later(delay, .restored(name, read, restored, found))
    } else {
      endRestore(name, read, restored, found)
    }
  }

  private mutating func endRestore(_ name: String, _ read: Int, _ restored: RestoredToken?, _ token: IssuedToken?) {
    guard let watch = watches[name], watch.read == read else { return }
    watch.isStarted = true
    // The token can expire after it was read.
    watch.newest = token.flatMap { $0.expiresAt > clocks.boot ? $0 : nil }
    if let token { see(token, watch) }
    watch.hasLeftovers = restored?.areFilesRight == false
    watch.told = token.map { ($0.sentAt, $0.id) }
    watch.ableSince = clocks.boot
    watch.held.since = clocks.boot
    watch.held.isFormer = restored?.needsSuccessor ?? false
    if token?.client == watch.table.client { watch.working = watch.table }
    watch.held.isProven = restored?.wasAcceptedByAPI ?? false
    watch.isSettled = token != nil
    let areRight = restored?.areFilesRight ?? false
    if let token, areRight { watch.promisedUntil = token.expiresAt }
    // The content at the time of the read. Another process can have modified the files since.
    for output in watch.table.outputs {
      watch.written[output] = areRight ? token.map { SimulatedFiles.Content(token: $0) } : files[output]
    }
    if let rejection = restored?.rejection, watch.newest != nil {
      watch.held.invalid = rejection.code
      watch.held.lastInvalid = clocks.boot
      expectRequest(name, "the restored token is not accepted")
    }
    if restored?.needsSuccessor ?? false { expectRequest(name, "a successor of the restored token") }
    post(.restored(name, restored, nil))
  }
}
