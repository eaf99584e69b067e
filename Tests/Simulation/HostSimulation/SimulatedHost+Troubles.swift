import Base
import Engine

/// The troubles of a host.
extension SimulatedHost {
  mutating func meet(_ trouble: Trouble) throws(BrokenPromise) {
    if isPrinted { History.write(trouble, at: clocks.boot) }
    let now = clocks.boot
    switch trouble {
    case .step(let step):
      disturbedAt = now
      move(step)
    case .suspend(let length):
      clocks.suspend(length)
      unseen.sleep += length
      loseConnections(after: length)
    case .pause(let length, let stepAfter):
      clocks.pause(length)
      loseConnections(after: 0)
      later(stepAfter, .ntp(length))
    case .forged(let isNoticed), .deleted(let isNoticed): modify(trouble, isNoticed)
    case .diskFull(let length, let once):
      diskFullUntil = max(diskFullUntil, now + length)
      leftForFiles = once ? [:] : nil
    case .readOnly(let length): readOnlyUntil = max(readOnlyUntil, now + length)
    case .diskHangs(let length): diskHangsUntil = max(diskHangsUntil, now + length)
    case .eventsLost: post(.fileChanged(nil))
    case .secretsHang(let length): secretsHangUntil = max(secretsHangUntil, now + length)
    case .secretsBroken(let length): secretsBrokenUntil = max(secretsBrokenUntil, now + length)
    case .refreshAll: post(.refreshAll)
    case .retryFailing: post(.retryFailing)
    case .requestHangs: nextExchangeHangs = random.chance(4)
    case .reload:
      edit()
      if isRunning, stop == nil { reload() }
      // What was under way for the removed table ends, or not.
      if configuration.hasRemoved, random.chance(2) { later(random.draw(20 * second), .putBack) }
    case .restart(let length, let losesFiles): restart(length, losesFiles)
    case .stop(let length): if isRunning, stop == nil { beginStop(pause: length) }
    case .unitAsks(let earlier):
      // Sometimes there is no such table.
      let name = random.chance(10) ? "other" : random.choose(names) ?? ""
      if isRunning, stop == nil { ask(name, earlier: earlier) }
    case .unitWaitsInKernel:
      if let name = random.choose(names), stop == nil { post(.credentialAwaited(token: name)) }
    case .revoked:
      if let name = random.choose(names), let newest = watches[name]?.newest { revoked[newest.id] = clocks.real }
    case .reported(let report, let count): if isRunning, stop == nil { self.report(report, times: count) }
    case .statusChanges:
      post(.statusChanged)
      if isRunning, stop == nil { oweStatus() }
    }
  }

  mutating func move(_ step: Int64) {
    clocks.step(step)
    unseen.step += step
    // A timer on the wall clock may fire now. What is due then is not late.
  }

  /// After a suspend or a pause, no connection works.
  private mutating func loseConnections(after length: Int64) {
    disturbedAt = clocks.boot
    for name in names {
      watches[name]?.ableSince = clocks.boot
      if watches[name]?.attempt?.sent != nil { watches[name]?.attempt?.isCut = true }
      if let number = watches[name]?.attempt?.number { attempts[number]?.isCut = true }
      let delay = length + 16 * second + longestTurn(name)
      if let must = watches[name]?.mustSend { watches[name]?.mustSend?.by = must.by + delay }
    }
    if let since = statusOwedSince { statusOwedSince = since + length }
  }

  private mutating func modify(_ trouble: Trouble, _ isNoticed: Bool) {
    guard let name = random.choose(names), let watch = watches[name] else { return }
    guard let output = random.choose(watch.table.outputs), let content = files[output] else { return }
    if case .forged = trouble {
      // The forged token claims a later expiry.
      var token = content.token
      token.lifetime += 86_400 * second
      files[output] = SimulatedFiles.Content(token: token, isForged: true)
    } else {
      files[output] = nil
    }
    guard isRunning, stop == nil else { return }
    // A change while the files of the previous run are read is detected at the next heartbeat.
    if isNoticed, watch.isStarted {
      post(.fileChanged(name))
    } else {
      watches[name]?.isUnnoticed = true
    }
  }

  private mutating func edit() {
    let words = configuration.edit(&random)
    if isPrinted { History.write(words, at: clocks.boot) }
  }

  /// A table that was removed comes back by another reload.
  mutating func putBack() {
    guard let word = configuration.putBack(&random) else { return }
    if isPrinted { History.write([word], at: clocks.boot) }
    reload()
  }

  private mutating func restart(_ length: Int64, _ losesFiles: Bool) {
    if isRunning { endProcess(pause: length) }
    // Sometimes the administrator has edited the configuration before.
    if random.chance(3) { edit() }
    if losesFiles {
      for number in Array(files.numbers) { files[number] = nil }
    }
  }
}
