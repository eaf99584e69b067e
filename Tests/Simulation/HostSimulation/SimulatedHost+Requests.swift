import Base
import Engine

/// The requests, and the promises about them.
extension SimulatedHost {
  private mutating func take(_ number: UInt64) throws(BrokenPromise) {
    try require(numbers.insert(number).inserted, "the number \(number) comes again")
  }

  mutating func readSecrets(_ name: String, _ number: UInt64) throws(BrokenPromise) {
    let watch = try watch(name, "an attempt")
    try take(number)
    try require(watch.attempt == nil, "\(name) has two attempts at the same time")
    let attempt = Attempt(number: number, table: watch.table)
    attempts[number] = attempt
    watches[name]?.attempt = attempt
    later(max(random.draw(second / 50), secretsHangUntil - clocks.boot), .prepared(name, number))
  }

  mutating func send(
    _ name: String, _ number: UInt64, _ timeout: Int64, _ mayFallBack: Bool
  ) throws(BrokenPromise) {
    let watch = try watch(name, "a request")
    if let prepared = watch.attempt {
      try require(prepared.number == number, "\(name) has two attempts at the same time")
    } else {
      try require(!watch.table.readsFiles, "a request of \(name) without its secrets")
      try take(number)
    }
    let issuer = watch.table.issuer
    let count = underWay[issuer, default: 0]
    try require(
      count < inEffect.maxRequests, "issuer \(issuer) gets \(count + 1) requests at once, not \(inEffect.maxRequests)")
    if let last = watch.lastSend {
      try require(clocks.boot - last >= second, "two requests of \(name) within \(clocks.boot - last) ns")
    }
    // An exchange that hangs must leave time for further attempts.
    let remaining = watch.newest.map { $0.expiresAt - clocks.boot } ?? .max
    try require(
      timeout > 0 && timeout <= watch.table.timeout && timeout <= max(10 * second, remaining / 3),
      "an exchange of \(name) may take \(seconds(timeout)) s")
    try noteSend(watch)
    let isDue = remaining <= 0 || watch.held.isBad || watch.refreshAt <= clocks.boot
    try require(mayFallBack || !isDue, "a token of \(name) is due, and the previous settings may not bring it")
    var attempt = Attempt(number: number, table: watch.table)
    attempt.sent = (clocks.boot, clocks.real)
    attempt.timeout = timeout
    if mayFallBack, let working = watch.working, working.client != watch.table.client { attempt.reserve = working }
    attempts[number] = attempt
    underWay[issuer] = count + 1
    watches[name]?.attempt = attempt
    watches[name]?.lastSend = clocks.boot
    watches[name]?.mustSend = nil
    countSend()
    let length = issuers[issuer].begin(at: clocks.real, limit: timeout, &random)
    if nextExchangeHangs {
      nextExchangeHangs = false
      hanging.insert(number)
      hungUntil[issuer] = .max
      hadHang = true
      // Other requests to the issuer wait for it.
      for name in names {
        let by = clocks.boot + second + longestTurn(name)
        if let must = watches[name]?.mustSend { watches[name]?.mustSend?.by = max(must.by, by) }
      }
    } else {
      later(length, .exchange(name, number))
    }
  }

  mutating func abandon(_ name: String, _ number: UInt64) throws(BrokenPromise) {
    let watch = try watch(name, "the end of an attempt")
    if watch.held.candidate == number {
      // Another token is requested, as the API rejects this one, or a newer one was requested.
      abandoned.insert(number)
      watches[name]?.held.candidate = nil
      watches[name]?.ableSince = clocks.boot
      return
    }
    guard let attempt = watch.attempt else { return }
    try require(attempt.number == number, "another attempt of \(name) is abandoned than the one under way")
    abandoned.insert(number)
    leave(name, attempt)
  }

  /// Notes that an attempt is not under way any more.
  private mutating func leave(_ name: String, _ attempt: Attempt) {
    watches[name]?.attempt = nil
    guard attempt.sent != nil else { return }
    underWay[attempt.table.issuer, default: 1] -= 1
    if hanging.remove(attempt.number) != nil { hungUntil[attempt.table.issuer] = clocks.boot }
  }

  mutating func endExchange(_ name: String, _ number: UInt64) {
    guard let attempt = attempts[number], let sent = attempt.sent else { return }
    // The result of an abandoned attempt can be in the FIFO already, or never come.
    if abandoned.contains(number), random.chance(2) { return }
    let table = attempt.failure == nil ? attempt.table : attempt.reserve ?? attempt.table
    let answer = answer(attempt, table)
    if case .failure(let failure) = answer, attempt.failure == nil, let reserve = attempt.reserve,
      !attempt.isCut, !abandoned.contains(number)
    {
      attempts[number]?.failure = failure
      let left = 2 * attempt.timeout - (clocks.boot - sent.boot)
      let length = issuers[reserve.issuer].begin(at: clocks.real, limit: attempt.timeout, &random)
      if length <= left { return later(length, .exchange(name, number)) }
    }
    if !abandoned.contains(number) { leave(name, attempt) }
    switch answer {
    case .failure(let failure):
      post(.finished(name, attempt: number, .failure(attempts[number]?.failure ?? failure)))
    case .token(let lifetime, let kept):
      let issuer = table.issuer
      let token = IssuedToken(
        id: kept?.id ?? nextToken(), table: name, issuer: issuer, client: table.client,
        key: kept?.key ?? issuers[issuer].keys.sign(at: clocks.real, &random), sentAt: sent.boot, lifetime: lifetime)
      if kept == nil, lifetime >= 3 * second, token.expiresAt > clocks.boot {
        issuers[issuer].keep(token, of: table.account, at: clocks.real)
      }
      attempts[number]?.token = token
      attempts[number]?.answeredAt = clocks.boot
      var received = ReceivedToken(
        requestedAt: BootTime(nanoseconds: sent.boot), lifetime: .nanoseconds(lifetime), digest: token.digest)
      received.fallback = attempt.failure.map { ReceivedToken.Fallback($0, isOfFormerSettings: true) }
      // The key set was sometimes read to verify this token.
      if random.chance(3) { later(1_000_000, .keySet(issuer, isShared: true)) }
      post(.finished(name, attempt: number, .success(received)))
    }
  }

  /// The response to an attempt with these settings.
  private mutating func answer(_ attempt: Attempt, _ table: SimulatedTable) -> SimulatedIssuer.Answer {
    guard let sent = attempt.sent, !attempt.isCut else {
      return .failure(AcquisitionFailure(.timeout, "the connection is lost"))
    }
    let rejection = AcquisitionFailure(.invalidClient, "there is no such client")
    if table.isMistyped, issuers[table.issuer].isWell(at: clocks.real) {
      issuers[table.issuer].readDocuments(at: clocks.real)
      return .failure(rejection)
    }
    let answer = issuers[table.issuer].answer(account: table.account, sentAt: sent.real, at: clocks.real, &random)
    if table.isMistyped, case .token = answer { return .failure(rejection) }
    return answer
  }

  mutating func accept(_ name: String, _ number: UInt64, _ times: TokenTimes) throws(BrokenPromise) {
    let watch = try watch(name, "a token")
    guard var token = attempts[number]?.token else {
      throw BrokenPromise(description: "\(name) takes a token of an attempt that brought none")
    }
    try require(!abandoned.contains(number), "\(name) takes the token of an abandoned attempt")
    token.sentAt = times.requestedAt.nanoseconds
    token.lifetime = times.expiresAt.nanoseconds - token.sentAt + second
    let wasSeen = watch.seen.contains(token.id)
    try checkExpiry(token, watch)
    let failure = attempts[number]?.failure
    let table = failure == nil ? watch.table : attempts[number]?.reserve
    try require(
      token.client == table?.client && token.issuer == table?.issuer,
      "\(name) takes a token that was not verified under its settings")
    if token.id == watch.newest?.id { return try rewrite(token, number, watch) }
    try require(token.lifetime >= 3 * second, "\(name) takes a token that lives for \(seconds(token.lifetime)) s")
    try require(token.expiresAt > clocks.boot, "\(name) takes a token that has expired")
    try checkReplacement(watch, number, token)
    if let newest = watch.newest, newest.expiresAt > clocks.boot {
      try require(!watch.bad.contains(token.id), "\(name) takes a token again that was not accepted")
      try require(
        !wasSeen || watch.held.isBad || watch.held.isFormer && failure == nil || token.expiresAt > newest.expiresAt
          || attempts[number]?.probe != nil,
        "\(name) takes a former token again that expires earlier")
      if watch.held.isBad { watch.bad.insert(newest.id) }
    }
    watch.bad.remove(token.id)
    watch.former = Watch.Course(of: watch, acceptedAt: clocks.boot)
    if watch.newest?.issuer != token.issuer { watch.held.since = clocks.boot }
    watch.held.formerInvalid = watch.held.lastInvalid
    watch.held.candidate = nil
    watch.held.isFormer = failure != nil
    watch.mustSend = nil
    watch.newest = token
    watch.lastAnswered = attempts[number]?.sent?.boot ?? clocks.boot
    watch.repeated = nil
    if watch.lastAnswered != token.sentAt { planAfterRepetition(watch, number) }
    watch.recentlyAccepted = watch.recentlyAccepted.filter { clocks.boot - $0 < 5 * second } + [clocks.boot]
    watch.lastHeard = issuers[token.issuer].repetition == .never ? (token.sentAt, token.lifetime / 2) : nil
    watch.ableSince = clocks.boot
    try endFailures(watch, number)
    oweStatus()
  }

  /// Notes that an attempt brought a token. If that is of the previous settings, the present ones have failed again.
  func endFailures(_ watch: Watch, _ number: UInt64) throws(BrokenPromise) {
    guard let failure = attempts[number]?.failure else {
      watch.working = attempts[number]?.table
      (watch.wasRefused, watch.wasAskedToWait, watch.failures) = (false, false, nil)
      return
    }
    try countFailure(watch, failure, number)
  }

  /// Compares the wait with the promised one, which is calculated independently.
  mutating func noteFailure(
    _ name: String, _ number: UInt64, _ failure: AcquisitionFailure
  ) throws(BrokenPromise) {
    let watch = try watch(name, "a failure")
    try require(!abandoned.contains(number), "\(name) notes the failure of an abandoned attempt")
    if let attempt = watch.attempt, attempt.sent == nil { leave(name, attempt) }
    watches[name]?.held.candidate = nil
    watches[name]?.mustSend = nil
    if failure.code == .credentials { watches[name]?.ableSince = clocks.boot }
    // Unless the attempt brought an earlier token, the failure has another cause, and the promise about the gap ends.
    if !(attempts[number]?.token.map { watch.seen.contains($0.id) } ?? false) { watches[name]?.gap = nil }
    if failure.kind == .refused { watches[name]?.isSettled = true }
    oweStatus()
    try countFailure(watch, failure, number)
  }

  /// Counts a failure, and checks the wait after it.
  private func countFailure(
    _ watch: Watch, _ failure: AcquisitionFailure, _ number: UInt64
  ) throws(BrokenPromise) {
    let name = watch.table.name
    let count = watch.failures?.kind == failure.kind ? (watch.failures?.count ?? 0) + 1 : 1
    watch.failures = (failure.kind, count)
    if failure.kind == .refused { watch.wasRefused = true }
    if failure.retryAfter != nil { watch.wasAskedToWait = true }
    let phase = engine.lifecycle(of: name)?.phase
    if attempts[number]?.isWantedAgain ?? false {
      let earliest = (watch.lastSend ?? 0) + second
      var wait = clocks.boot
      if case .waiting(let until) = phase { wait = until.nanoseconds }
      return try require(
        abs(wait - max(clocks.boot, earliest)) < 1000,
        "a refresh was requested during a request of \(name) that failed, and it waits for another time")
    }
    guard case .waiting(let until) = phase else {
      throw BrokenPromise(description: "no pause of \(name) after a failure")
    }
    // With a token that is known to be rejected, the backoff is that without a token.
    let valid = watch.held.invalid == nil ? watch.newest : nil
    let left = valid.flatMap { $0.expiresAt > clocks.boot ? seconds($0.expiresAt - clocks.boot) : nil }
    var (shortest, longest) = Self.promisedWait(
      after: failure, count: count, left: left, isReported: watch.held.isReported)
    // The previous settings brought an expired token again, and will bring another one soon.
    if attempts[number]?.failure != nil, watch.newest.map({ $0.expiresAt <= clocks.boot }) ?? true { shortest = 0.25 }
    let wait = seconds(until.nanoseconds - clocks.boot)
    try require(
      wait >= shortest - 1e-6 && wait <= longest + 1e-6,
      "\(name) waits \(wait) s after failure \(count) (\(failure.code.rawValue)), not \(shortest) to \(longest) s, "
        + "with \(left ?? 0) s left")
  }

  /// The shortest and the longest wait after so many failures of one kind, with so many seconds of the token left.
  private static func promisedWait(
    after failure: AcquisitionFailure, count: Int, left: Double?, isReported: Bool
  ) -> (Double, Double) {
    if failure.kind == .refused {
      let usual = count > 1 && failure.code != .documentRejected ? 300.0 : 60
      let wait = min(usual, left.map { max(5, $0 / 2) } ?? usual)
      return (wait * 0.9, wait * 1.1)
    }
    let near = left.map { $0 > 120 ? max(60, $0 * 0.75 - 90) : max(1, $0 / 2) } ?? 60
    // With a token that an application reported, the waits are as short as without one.
    let usual = left == nil || isReported ? Double(1 << min(count - 1, 6)) : [1, 10, 100, 1000][min(count - 1, 3)]
    let longest = min(usual, near)
    let shortest = count > 1 && !isReported && left.map { $0 > 120 } ?? false ? longest * 0.75 : 0.25
    let asked = min(failure.retryAfter?.seconds ?? 0, 300)
    let most = left.map { max(1, $0 * 0.75) } ?? .infinity
    return (max(shortest, min(asked, most)), max(longest, min(asked * 1.1, most)))
  }

  /// Notes that a refresh of this token was requested, if its request was sent already.
  mutating func wantAgain(_ name: String) {
    guard let attempt = watches[name]?.attempt, attempt.sent != nil else { return }
    attempts[attempt.number]?.isWantedAgain = true
  }

  // MARK: Requests that must come

  /// Notes that a request of this token must be sent soon. `delay`: how long the daemon can take to learn the reason.
  mutating func expectRequest(_ name: String, _ why: String, after delay: Int64 = 0) {
    guard let watch = watches[name], watch.isStarted, watch.mustSend == nil else { return }
    let by = clocks.boot + delay + second + longestTurn(name)
    watches[name]?.mustSend = (by, why)
  }

  /// How long a request can wait for its turn at the issuer, and for its secrets.
  func longestTurn(_ name: String) -> Int64 {
    guard let place = places[name] else { return 0 }
    let (issuer, readsFiles) = (inEffect.tables[place].issuer, inEffect.tables[place].readsFiles)
    let turns = Int64((tablesOfIssuer[issuer] - 1) / fewestRequests)
    let attempt = 2 * issuers[issuer].timeout + (hadHang ? 400 * second : 0)
    return turns * attempt + (readsFiles ? second / 50 : 0) + (hadHang ? 400 * second : 0) + timerRounding
  }
}
