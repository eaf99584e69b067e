import Base

/// The checks of held tokens: by the issuer's key set, by introspection, by the API, and by applications.
extension HostEngine {
  // MARK: Plans

  /// Plans the checks of a token after an event of its lifecycle, and counts how long applications had one.
  mutating func followUp(_ event: LifecycleEvent, _ index: Int, at now: BootTime) {
    let newest = tokens[index].lifecycle.newest
    switch event {
    case .acquired(let times):
      if newest == times { hold(index, tokens[index].fallback?.isOfFormerSettings ?? false, at: now) }
    case .started(let times?): if newest == times { hold(index, tokens[index].isOfFormerSettings, at: now) }
    default: break
    }
    // There is no token that the API accepts. It may accept the new one, although that was not tried yet.
    if tokens[index].candidate != nil, tokens[index].isRejected || newest == nil { publishCandidate(index) }
    if newest == nil { tokens[index].held.end() }
    count(index)
  }

  private mutating func hold(_ index: Int, _ isOfFormerSettings: Bool, at now: BootTime) {
    let plan = tokens[index].plan
    let digest = tokens[index].received
    tokens[index].digest = digest
    if let newest = tokens[index].lifecycle.newest { tokens[index].known.note(digest, newest) }
    tokens[index].confirmedAt = nil
    if let digest { tokens[index].reports.tokenArrived(digest, at: now) }
    let isChecked = plan.verification == .introspection || plan.probesAPI
    // A token that came without a probe is tried at once. At a start without a token, it is published first.
    let isUntried = plan.probesAPI && !tokens[index].isTried
    tokens[index].isTried = false
    tokens[index].isOfFormerSettings = isOfFormerSettings
    let wait = isUntried ? .zero : interval(of: plan)
    tokens[index].held.replace(checkAfter: isChecked ? wait : nil, at: now)
    if plan.verification == .keySet { readKeySet(for: plan, at: now) }
  }

  /// Plans the readings of the key set that verifies a token.
  private mutating func readKeySet(for plan: TokenPlan, at now: BootTime) {
    var issuer = issuers[plan.server] ?? Issuer(queue: RequestQueue(limit: maxRequests))
    issuer.keySet.begin(at: now, using: &random)
    issuer.keySet.shorten(to: plan.recheckInterval, at: now, using: &random)
    issuers[plan.server] = issuer
  }

  /// Plans the checks of a held token by new settings.
  mutating func replan(_ index: Int, _ change: TokenChange, at now: BootTime) {
    if change.movesAPI {
      tokens[index].isAPIProven = false
      tokens[index].isAPIDoubtful = false
    }
    if change.needsNewToken { tokens[index].isOfFormerSettings = true }
    guard tokens[index].lifecycle.newest != nil else { return }
    let plan = tokens[index].plan
    let isChecked = plan.verification == .introspection || plan.probesAPI
    let wait = change.movesAPI && plan.probesAPI ? .zero : interval(of: plan)
    tokens[index].held.check(within: isChecked ? wait : nil, at: now)
    if plan.verification == .keySet { readKeySet(for: plan, at: now) }
  }

  /// The time to the next check. Jitter only shortens it.
  private mutating func interval(of plan: TokenPlan) -> Duration {
    max(plan.recheckInterval * Double.random(in: 0.9...1, using: &random), HeldToken.shortestProbeInterval)
  }

  /// Counts how long applications had a token that is accepted, as far as is known. A report alone changes nothing.
  private mutating func count(_ index: Int) {
    guard tokens[index].lifecycle.phase != .unstarted else { return }
    let rejection = tokens[index].lifecycle.rejection?.code
    let hasToken = tokens[index].lifecycle.published != nil && rejection == nil
    let cause = hasToken ? nil : rejection ?? tokens[index].lifecycle.failureStreak?.failure.code
    if tokens[index].availability == nil {
      tokens[index].availability = Availability(hasToken: hasToken, cause: cause, at: now)
    } else {
      tokens[index].availability?.record(hasToken: hasToken, cause: cause, at: now)
    }
  }

  /// Does what is due for a held token.
  mutating func performChecks(_ index: Int, at now: BootTime) {
    if tokens[index].reports.takeDueRequest(at: now) { push(.wanted, index) }
    // Without a token, another one is requested already.
    guard let newest = tokens[index].lifecycle.newest, newest.expiresAt > now else { return }
    if tokens[index].candidate != nil { performCandidate(index, at: now) }
    if tokens[index].held.takeRequest(at: now), tokens[index].lifecycle.rejection != nil { push(.wanted, index) }
    guard tokens[index].held.takeCheck(at: now) else { return }
    let plan = tokens[index].plan
    if plan.verification == .introspection, !tokens[index].isOfFormerSettings { effects.append(.introspect(plan.name)) }
    if plan.probesAPI { effects.append(.probe(plan.name)) }
    let wait = interval(of: plan)
    tokens[index].held.check(after: wait, at: now)
  }

  // MARK: Key sets

  /// Reads the key sets that are due.
  mutating func readKeySets(at now: BootTime) {
    for server in issuers.keys {
      guard let next = issuers[server]?.keySet.next, next <= now else { continue }
      let isHeld = tokens.contains {
        $0.plan.server == server && $0.plan.verification == .keySet && $0.lifecycle.newest != nil
      }
      guard isHeld else {
        issuers[server]?.keySet.end()
        continue
      }
      issuers[server]?.keySet.read(at: now)
      effects.append(.readKeySet(server))
    }
  }

  /// Takes the key set of an issuer, and its verdicts about held tokens.
  mutating func takeKeySet(_ server: ServerID, _ result: Result<KeySetReading, AcquisitionFailure>, at now: BootTime) {
    let plans = tokens.lazy.map(\.plan).filter { $0.server == server && $0.verification == .keySet }
    guard let interval = plans.map(\.recheckInterval).min() else {
      issuers[server]?.keySet.end()
      return
    }
    guard case .success(let reading) = result else {
      issuers[server]?.keySet.fail(interval: interval, at: now, using: &random)
      return
    }
    issuers[server]?.keySet.succeed(interval: interval, freshness: reading.freshness, at: now, using: &random)
    for (name, requestedAt) in reading.valid {
      if let index = newest(name, requestedAt) { validate(index, .keyWithdrawn) }
    }
    for (name, requestedAt, failure) in reading.withdrawn {
      if let index = newest(name, requestedAt) { invalidate(index, by: .keySet(reading.keySet), failure, at: now) }
    }
  }

  /// The index of a token, if a verdict is about the newest one.
  private func newest(_ name: String, _ requestedAt: BootTime) -> Int? {
    guard let index = index(of: name), tokens[index].lifecycle.newest?.requestedAt == requestedAt else { return nil }
    return index
  }

  private mutating func validate(_ index: Int, _ code: FailureCode) {
    guard tokens[index].lifecycle.rejection?.code == code else { return }
    tokens[index].held.validate()
    push(.accepted, index)
  }

  private mutating func invalidate(
    _ index: Int, by evidence: HeldToken.Evidence, _ failure: AcquisitionFailure, at now: BootTime
  ) {
    // The verdict is of another server, or about another client: it proves nothing. The successor is requested already.
    guard evidence == .api || !tokens[index].isOfFormerSettings else { return }
    let isRequested = tokens[index].held.invalidate(by: evidence, at: now)
    push(.rejected(failure, requests: isRequested), index)
  }

  // MARK: Introspection and the API

  /// Takes the verdict of the server or of the API about a held token.
  mutating func takeCheck(_ name: String, _ requestedAt: BootTime, _ verdict: HeldTokenVerdict, at now: BootTime) {
    // The API's last verdict is part of the status.
    status.want(tokens: tokens.count, at: now)
    guard let index = newest(name, requestedAt) else { return }
    switch verdict {
    case .active: validate(index, .tokenRevoked)
    case .inactive(let failure): invalidate(index, by: .introspection, failure, at: now)
    case .api(.accepted):
      proveAPI(index)
      tokens[index].held.isReported = false
      validate(index, .apiProbe)
    case .api(.rejected(let failure)):
      guard tokens[index].isAPIProven else { return doubtAPI(index, failure) }
      invalidate(index, by: .api, failure, at: now)
    case .api(.unknown), .unknown: break
    }
  }

  private mutating func proveAPI(_ index: Int) {
    tokens[index].isAPIProven = true
    tokens[index].isAPIDoubtful = false
  }

  /// Reports a rejection by an API that never accepted a token: `api_url` may be wrong.
  private mutating func doubtAPI(_ index: Int, _ failure: AcquisitionFailure) {
    guard !tokens[index].isAPIDoubtful else { return }
    tokens[index].isAPIDoubtful = true
    effects.append(.report(.unprovenAPI(tokens[index].name, failure)))
  }

  // MARK: New tokens

  /// Tries a new token at the API before it replaces a valid one.
  ///
  /// - Returns: `false` if it must be published without a probe.
  mutating func tryAtAPI(_ times: TokenTimes, _ index: Int, _ attempt: UInt64) -> Bool {
    let time = now.boot
    tokens[index].isTried = false
    guard tokens[index].plan.probesAPI, !tokens[index].isRejected, let present = tokens[index].lifecycle.newest else {
      return false
    }
    let candidate = CandidateToken(times, replacing: present, at: time)
    guard candidate.publishAt > time, times.fault(at: time) == nil else { return false }
    tokens[index].candidate = candidate
    push(.received(limit: candidate.limit), index)
    probeCandidate(index, until: candidate.publishAt)
    return true
  }

  private mutating func probeCandidate(_ index: Int, until end: BootTime) {
    let timeout = min(CandidateToken.timeout, max(.seconds(1), end - now.boot))
    effects.append(.probeCandidate(tokens[index].name, attempt: tokens[index].attempt, timeout: timeout))
  }

  /// Takes the verdict of the API about a new token.
  mutating func takeProbe(_ name: String, _ attempt: UInt64, _ verdict: ProbeVerdict, at now: BootTime) {
    status.want(tokens: tokens.count, at: now)
    guard let index = index(of: name), tokens[index].attempt == attempt, tokens[index].candidate != nil else { return }
    switch verdict {
    case .accepted:
      proveAPI(index)
      tokens[index].isTried = true
      publishCandidate(index)
    case .rejected(let failure):
      guard tokens[index].isAPIProven, !tokens[index].isRejected else {
        if !tokens[index].isAPIProven { doubtAPI(index, failure) }
        return publishCandidate(index)
      }
      tokens[index].candidate?.reject(at: now)
      push(.woke, index)
    case .unknown: publishCandidate(index)
    }
  }

  private mutating func performCandidate(_ index: Int, at now: BootTime) {
    guard let candidate = tokens[index].candidate else { return }
    guard !candidate.isDue(at: now) else { return publishCandidate(index) }
    guard tokens[index].candidate?.takeRetry(at: now) ?? false else { return }
    probeCandidate(index, until: candidate.publishAt)
  }

  private mutating func publishCandidate(_ index: Int) {
    guard let candidate = tokens[index].candidate else { return }
    let attempt = tokens[index].attempt
    if tokens[index].isRejected { tokens[index].known.reject(tokens[index].digest) }
    tokens[index].candidate = nil
    tokens[index].attempt = 0
    push(.acquired(candidate.times), index, attempt: attempt)
  }

  // MARK: Applications

  /// Takes the report of an application that the API rejected a token.
  mutating func takeReport(_ name: String, _ rejected: TokenDigest?, at now: BootTime) {
    guard let index = index(of: name) else { return effects.append(.reply(.unknownToken)) }
    // The counts of reports are part of the status. The delay limits the status to four updates in a second.
    status.want(after: StatusSchedule.refreshDelay, tokens: tokens.count, at: now)
    let held = tokens[index].lifecycle.newest.flatMap { $0.expiresAt > now ? tokens[index].digest : nil }
    let verdict =
      rejected.map { tokens[index].reports.handle($0, held: held, at: now) }
      ?? tokens[index].reports.handleRefresh(held: held, at: now)
    let isHeldRejected = rejected != nil && rejected == held
    let isNews = isHeldRejected && !tokens[index].held.isReported
    effects.append(.reply(reply(to: verdict, index, isNews: isNews, at: now)))
    // Everything that is due is done before the next deadline is set.
    push(.woke, index)
    guard isHeldRejected else { return }
    tokens[index].held.isReported = true
    if tokens[index].plan.probesAPI { tokens[index].held.checkSoon(at: now) }
  }

  /// - Parameter isNews: whether the held token counted as accepted until now.
  private mutating func reply(
    to verdict: RejectionReports.Verdict, _ index: Int, isNews: Bool, at now: BootTime
  ) -> ReportReply {
    guard verdict != .newerInPlace else { return .newerInPlace }
    var earliest = now
    if case .rateLimited(let until) = verdict { earliest = until }
    // After a rejection of the client, or a `Retry-After`, the request waits, but not for longer than that.
    if let until = tokens[index].lifecycle.heldBackUntil, until > earliest,
      let failure = tokens[index].lifecycle.failureStreak?.failure
    {
      push(.wanted, index)
      // A server that asks for a wait does not reject the client.
      guard failure.kind == .refused else { return .rateLimited(until - now) }
      return .rejectedByServer(until - now, failure.code)
    }
    switch verdict {
    case .request: push(.wanted, index)
    case .requestUnderWay:
      let lifecycle = tokens[index].lifecycle
      if lifecycle.failureStreak != nil, case .waiting(let until) = lifecycle.phase, until > now {
        guard isNews else { return .rateLimited(until - now) }
        // The wait was that with a token that is accepted.
        push(.wanted, index)
      }
    case .rateLimited: return .rateLimited(earliest - now)
    case .newerInPlace: break
    }
    return .requested
  }

  // MARK: Facts for the status

  /// How long applications had a token.
  package func availability(of name: String) -> Availability? { index(of: name).flatMap { tokens[$0].availability } }

  /// The reports of applications so far.
  package func reports(of name: String) -> RejectionReports.Counts? {
    index(of: name).map { tokens[$0].reports.counts }
  }

  /// Whether the API rejects tokens and has never accepted one.
  package func isAPIDoubtful(_ name: String) -> Bool { index(of: name).map { tokens[$0].isAPIDoubtful } ?? false }
}
