import Base
import Engine

/// The work on files, and the promises to those who read them.
extension SimulatedHost {
  mutating func begin(_ work: FileWork, _ name: String, _ number: UInt64) throws(BrokenPromise) {
    let watch = try watch(name, "work on the files")
    if number == 0 {
      // Files in memory are examined at once.
      try require(work == .examine && !watch.table.mayHang, "work without a number on the files of \(name)")
      if isModified(watch) { post(.worked(name, work: 0, .modifiedExternally)) }
      watches[name]?.isUnnoticed = false
      return
    }
    try require(numbers.insert(number).inserted, "the number \(number) comes again")
    try require(watch.work == nil, "two works on the files of \(name) at the same time")
    if work == .publish {
      try require(
        watch.newest.map { $0.expiresAt > clocks.boot } ?? false, "\(name) is published without a valid token")
    }
    watches[name]?.work = (number, work, watch.newest, clocks.boot)
    guard watch.table.mayHang else { return endWork(name, number) }
    later(max(random.draw(second / 20), diskHangsUntil - clocks.boot), .work(name, number))
  }

  private func isModified(_ watch: Watch) -> Bool {
    watch.table.outputs.contains { files[$0] != watch.written[$0] }
  }

  mutating func endWork(_ name: String, _ number: UInt64) {
    guard let watch = watches[name], let work = watch.work, work.number == number else { return }
    watches[name]?.work = nil
    if work.since < clocks.boot { watches[name]?.ableSince = clocks.boot }
    switch work.kind {
    case .examine:
      watches[name]?.isUnnoticed = false
      post(.worked(name, work: number, isModified(watch) ? .modifiedExternally : .done))
    case .remove:
      guard clocks.boot >= readOnlyUntil else { return failWork(name, number, .failed("read-only")) }
      // Files with the newest token stay, unless that had expired.
      let kept = work.token.flatMap { $0.expiresAt > work.since ? SimulatedFiles.Content(token: $0) : nil }
      for output in watch.table.outputs where kept == nil || !holds(output, kept, watch) {
        write(nil, to: output, of: name)
      }
      watches[name]?.promisedUntil = .min
      post(.worked(name, work: number, .done))
    case .publish:
      guard let token = work.token else { return }
      guard clocks.boot >= readOnlyUntil else { return failWork(name, number, .failed("read-only")) }
      guard clocks.boot >= diskFullUntil else {
        // Some of the files can be written.
        let content = SimulatedFiles.Content(token: token)
        for output in watch.table.outputs where !holds(output, content, watch) && fits(output) {
          write(token, to: output, of: name)
        }
        // When the first token in one of the files expires, all files are removed.
        watches[name]?.promisedUntil = min(watch.promisedUntil, token.expiresAt)
        let isFirstRight = watch.table.outputs.first.map { holds($0, content, watch) } ?? false
        if isFirstRight, token.id == watch.newest?.id { watches[name]?.isSettled = true }
        return failWork(name, number, isFirstRight ? .incomplete("full") : .failed("full"))
      }
      for output in watch.table.outputs { write(token, to: output, of: name) }
      watches[name]?.promisedUntil = token.expiresAt
      // A newer token may have come while this one was written.
      if token.id == watch.newest?.id { watches[name]?.isSettled = true }
      watches[name]?.hasLeftovers = false
      post(.worked(name, work: number, .done))
    }
  }

  /// Whether a file can be written though the disk is full.
  private mutating func fits(_ output: Int) -> Bool {
    let isPossible = random.chance(2)
    guard leftForFiles != nil else { return isPossible }
    let isFirst = leftForFiles?.updateValue(true, forKey: output) == nil
    return isFirst && isPossible
  }

  /// Whether a file is as the daemon has left it, and holds this.
  private func holds(_ output: Int, _ content: SimulatedFiles.Content?, _ watch: Watch) -> Bool {
    files[output] == content && watch.written[output] == content
  }

  private mutating func failWork(_ name: String, _ number: UInt64, _ outcome: FileOutcome) {
    watches[name]?.lastDiskTrouble = clocks.boot
    if clocks.boot < readOnlyUntil { watches[name]?.lastReadOnly = clocks.boot }
    post(.worked(name, work: number, outcome))
  }

  private mutating func write(_ token: IssuedToken?, to output: Int, of name: String) {
    let content = token.map { SimulatedFiles.Content(token: $0) }
    files[output] = content
    watches[name]?.written[output] = content
  }

  mutating func restoreFiles(_ name: String) throws(BrokenPromise) {
    let watch = try watch(name, "files for the stop")
    for output in watch.table.outputs { files[output] = watch.written[output] }
  }

  /// Checks that the token is in its files when the application is signalled.
  func checkNotified(_ name: String) throws(BrokenPromise) {
    let watch = try watch(name, "a signal")
    guard let newest = watch.newest, newest.sentAt != watch.told?.sentAt else { return }
    try require(newest.id != watch.told?.id, "the application of \(name) is told twice of the same token")
    watch.told = (newest.sentAt, newest.id)
    guard !watch.table.mayHang else { return }
    let right = SimulatedFiles.Content(token: newest)
    // The other files are right, or their failure is reported.
    var isFailing = false
    if case .failing = engine.lifecycle(of: name)?.publication { isFailing = true }
    try require(
      watch.table.outputs.prefix(isFailing ? 1 : .max).allSatisfy { files[$0] == right },
      "the application of \(name) is signalled before the token is in its files")
  }

  // MARK: Promises to readers

  /// Checks what readers, units and servers find from now until the next event.
  mutating func look(until next: Int64) throws(BrokenPromise) {
    guard isRunning else { return }
    try lookAtStop(until: next)
    guard stop == nil else { return }
    for watch in watched where watch.isStarted {
      try lookAtChecks(watch, until: next)
      try lookAtGap(watch, until: next)
      try lookAtFirstFile(watch)
      let fault = try readerFault(watch, until: next)
      let since = fault == nil ? nil : watch.wrongSince ?? clocks.boot
      if since != watch.wrongSince { watch.wrongSince = since }
      if let fault, let since { try checkRepair(watch, fault, since: since, until: next) }
      if let must = watch.mustSend, !clocks.areTimersBlind {
        let name = watch.table.name
        let by = max(must.by, watch.table.readsFiles ? secretsHangUntil + 62 * second + longestTurn(name) : .min)
        try require(next <= by, "no request of \(name) until \(seconds(by)): \(must.why)")
      }
    }
    try lookAtUnits(until: next)
    let isOwed =
      !isReady && names.allSatisfy { !awaited.contains($0) || watches[$0]?.isSettled ?? true }
      && names.contains { engine.lifecycle(of: $0)?.published != nil }
      && watched.allSatisfy { $0.work == nil }
    readyOwedSince = isOwed ? readyOwedSince ?? clocks.boot : nil
    guard !clocks.areTimersBlind else { return }
    let limit = (names.count > 20 ? 5 * second : second / 4) + timerRounding
    if let since = statusOwedSince {
      try require(next - since <= limit, "no status \(next - since) ns after a change")
    }
    if let since = readyOwedSince {
      try require(next - since <= limit, "not ready \(next - since) ns after all tokens are settled")
    }
  }

  /// Whether work on a token's files is under way, because their disk is slow or hangs. Other work waits for it, also
  /// if new settings move the files to another disk.
  private func isDiskBusy(_ watch: Watch) -> Bool { watch.work != nil }

  /// What is wrong in a file; `nil` if a reader finds what it should.
  private func readerFault(_ watch: Watch, until next: Int64) throws(BrokenPromise) -> String? {
    let name = watch.table.name
    var fault: String?
    for output in watch.table.outputs {
      guard let content = files[output] else {
        if clocks.boot < watch.promisedUntil { fault = "lacks the token that was promised" }
        continue
      }
      if content.isForged {
        fault = "finds a token that another process has written"
        continue
      }
      let token = content.token
      try require(token.table == name, "a reader of \(name) finds a token of \(token.table)")
      if token.expiresAt < next, !isDiskBusy(watch), !clocks.areTimersBlind {
        // A removal that failed is repeated within 10 s.
        let overdue = next - max(token.expiresAt, clocks.boot < readOnlyUntil ? next : readOnlyEnd(watch))
        try require(
          overdue <= timerRounding, "a reader of \(name) finds a token that expired \(overdue) ns ago")
      }
      if token.id != watch.newest?.id {
        fault = watch.newest == nil ? "finds an expired token" : "does not find the newest token"
      }
    }
    return fault
  }

  /// The token in the first file counts as published, whatever happens to other files.
  private func lookAtFirstFile(_ watch: Watch) throws(BrokenPromise) {
    guard let newest = watch.newest, newest.expiresAt > clocks.boot, !isDiskBusy(watch), !clocks.areTimersBlind,
      let first = watch.table.outputs.first, holds(first, SimulatedFiles.Content(token: newest), watch)
    else { return }
    // If a removal failed, the shell does not know any more what the file holds.
    guard clocks.boot >= max(readOnlyUntil, readOnlyEnd(watch)) else { return }
    try require(
      engine.lifecycle(of: watch.table.name)?.published != nil,
      "the status lacks a token of \(watch.table.name) that is in its first file")
  }

  /// When a removal that failed must have been repeated.
  private func readOnlyEnd(_ watch: Watch) -> Int64 {
    if watch.hasLeftovers { return watch.lastDiskTrouble + 11 * second }
    return watch.lastReadOnly > 0 ? watch.lastReadOnly + 11 * second : .min
  }

  private func checkRepair(
    _ watch: Watch, _ fault: String, since: Int64, until next: Int64
  ) throws(BrokenPromise) {
    guard !watch.isUnnoticed, !clocks.areTimersBlind else { return }
    let name = watch.table.name
    if !isDiskBusy(watch) {
      // A repair comes within a second of the change or of the last repair, and within 10 s of a failure.
      let able = max(since, watch.ableSince, watch.lastDiskTrouble > 0 ? watch.lastDiskTrouble + 11 * second : .min)
      try require(
        next - able <= second + timerRounding, "a reader of \(name) \(fault), since \(next - able) ns")
    }
    // The status must report files that are not right, unless their examination is under way.
    if watch.work?.kind == .examine { return }
    guard next - max(since, watch.ableSince) > 6 * second + timerRounding else { return }
    if case .failing = engine.lifecycle(of: name)?.publication { return }
    throw BrokenPromise(description: "a reader of \(name) \(fault), and nothing reports it")
  }
}
