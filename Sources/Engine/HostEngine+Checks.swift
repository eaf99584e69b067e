import Base

/// The checks of held tokens: by the issuer's key set, by introspection, by the API, and by applications.
extension HostEngine {
  // MARK: Plans

  /// Plans the checks of a token after an event of its life, and counts how long applications had one.
  mutating func followUp(_ event: LifecycleEvent, _ name: String, at now: BootTime) {
    guard let token = tokens[name] else { return }
    switch event {
    case .acquired(let times): if token.lifecycle.newest == times { hold(name, false, at: now) }
    case .started(let times?): if token.lifecycle.newest == times { hold(name, token.isOfFormerSettings, at: now) }
    default: break
    }
    // Neither the present token nor a better one: an untried one may serve.
    if token.candidate != nil, token.isRejected || token.lifecycle.newest == nil { publishCandidate(name) }
    if tokens[name]?.lifecycle.newest == nil { tokens[name]?.held.end() }
    count(name)
  }

  private mutating func hold(_ name: String, _ isOfFormerSettings: Bool, at now: BootTime) {
    guard let plan = tokens[name]?.plan else { return }
    let digest = tokens[name]?.received
    tokens[name]?.digest = digest
    if let digest { tokens[name]?.reports.tokenArrived(digest, at: now) }
    let isChecked = plan.verification == .introspection || plan.probesAPI
    // A token that came without a probe is tried at once: at a cold start it was published first.
    let isUntried = plan.probesAPI && tokens[name]?.isTried != true
    tokens[name]?.isTried = false
    tokens[name]?.isOfFormerSettings = isOfFormerSettings
    let wait = isUntried ? .zero : interval(of: plan)
    tokens[name]?.held.replace(checkAfter: isChecked ? wait : nil, at: now)
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
  mutating func replan(_ name: String, _ change: TokenChange, at now: BootTime) {
    if change.movesAPI {
      tokens[name]?.isAPIProven = false
      tokens[name]?.isAPIDoubtful = false
    }
    if change.needsNewToken { tokens[name]?.isOfFormerSettings = true }
    guard let token = tokens[name], token.lifecycle.newest != nil else { return }
    let plan = token.plan
    let isChecked = plan.verification == .introspection || plan.probesAPI
    let wait = change.movesAPI && plan.probesAPI ? .zero : interval(of: plan)
    tokens[name]?.held.check(within: isChecked ? wait : nil, at: now)
    if plan.verification == .keySet { readKeySet(for: plan, at: now) }
  }

  /// The time to the next check: jitter only shortens it.
  private mutating func interval(of plan: TokenPlan) -> Duration {
    max(plan.recheckInterval * Double.random(in: 0.9...1, using: &random), HeldToken.shortestProbeInterval)
  }

  /// Counts how long applications had a token that is accepted, as far as known. Reports alone do not count against it.
  private mutating func count(_ name: String) {
    guard let lifecycle = tokens[name]?.lifecycle, lifecycle.phase != .unstarted else { return }
    let hasToken = lifecycle.published != nil && lifecycle.rejection == nil
    let cause = hasToken ? nil : lifecycle.rejection?.code ?? lifecycle.failureStreak?.failure.code
    if tokens[name]?.availability == nil {
      tokens[name]?.availability = Availability(hasToken: hasToken, cause: cause, at: now)
    } else {
      tokens[name]?.availability?.record(hasToken: hasToken, cause: cause, at: now)
    }
  }

  /// Does what is due for a held token.
  mutating func performChecks(_ name: String, at now: BootTime) {
    if tokens[name]?.reports.takeDueRequest(at: now) ?? false { push(.wanted, name) }
    guard let token = tokens[name], let newest = token.lifecycle.newest, newest.expiresAt > now else {
      // Nothing is held, and another token is requested already.
      tokens[name]?.held.end()
      return
    }
    if token.candidate != nil { performCandidate(name, at: now) }
    if tokens[name]?.held.takeRequest(at: now) ?? false, token.lifecycle.rejection != nil { push(.wanted, name) }
    guard tokens[name]?.held.takeCheck(at: now) ?? false else { return }
    if token.plan.verification == .introspection, !token.isOfFormerSettings { effects.append(.introspect(name)) }
    if token.plan.probesAPI { effects.append(.probe(name)) }
    let wait = interval(of: token.plan)
    tokens[name]?.held.check(after: wait, at: now)
  }

  // MARK: Key sets

  /// Reads the key sets that are due.
  mutating func readKeySets(at now: BootTime) {
    for server in issuers.keys {
      guard let next = issuers[server]?.keySet.next, next <= now else { continue }
      let isHeld = tokens.values.contains {
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

  /// Takes the key set of an issuer, and what it says of held tokens.
  mutating func takeKeySet(_ server: ServerID, _ result: Result<KeySetReading, AcquisitionFailure>, at now: BootTime) {
    let plans = tokens.values.lazy.map(\.plan).filter { $0.server == server && $0.verification == .keySet }
    guard let interval = plans.map(\.recheckInterval).min() else {
      issuers[server]?.keySet.end()
      return
    }
    guard case .success(let reading) = result else {
      issuers[server]?.keySet.fail(interval: interval, at: now, using: &random)
      return
    }
    issuers[server]?.keySet.succeed(interval: interval, freshness: reading.freshness, at: now, using: &random)
    for (name, requestedAt) in reading.valid where isNewest(name, requestedAt) {
      validate(name, .keyWithdrawn)
    }
    for (name, requestedAt, failure) in reading.withdrawn where isNewest(name, requestedAt) {
      invalidate(name, by: .keySet(reading.keySet), failure, at: now)
    }
  }

  /// Whether a verdict is about the newest token.
  private func isNewest(_ name: String, _ requestedAt: BootTime) -> Bool {
    tokens[name]?.lifecycle.newest?.requestedAt == requestedAt
  }

  private mutating func validate(_ name: String, _ code: FailureCode) {
    guard tokens[name]?.lifecycle.rejection?.code == code else { return }
    tokens[name]?.held.validate()
    push(.accepted, name)
  }

  private mutating func invalidate(
    _ name: String, by evidence: HeldToken.Evidence, _ failure: AcquisitionFailure, at now: BootTime
  ) {
    // Another server, or the same one for another client, says nothing of it. Its successor is requested already.
    guard evidence == .api || tokens[name]?.isOfFormerSettings == false else { return }
    let isRequested = tokens[name]?.held.invalidate(by: evidence, at: now) ?? false
    push(.rejected(failure, requests: isRequested), name)
  }

  // MARK: Introspection and the API

  /// Takes what the server or the API says of a held token.
  mutating func takeCheck(_ name: String, _ requestedAt: BootTime, _ verdict: HeldTokenVerdict, at now: BootTime) {
    // The API's last verdict is part of the status.
    status.want(tokens: tokens.count, at: now)
    guard isNewest(name, requestedAt) else { return }
    switch verdict {
    case .active: validate(name, .tokenRevoked)
    case .inactive(let failure): invalidate(name, by: .introspection, failure, at: now)
    case .api(.accepted):
      proveAPI(name)
      tokens[name]?.held.isReported = false
      validate(name, .apiProbe)
    case .api(.rejected(let failure)):
      guard tokens[name]?.isAPIProven ?? false else { return doubtAPI(name, failure) }
      invalidate(name, by: .api, failure, at: now)
    case .api(.unknown), .unknown: break
    }
  }

  private mutating func proveAPI(_ name: String) {
    tokens[name]?.isAPIProven = true
    tokens[name]?.isAPIDoubtful = false
  }

  /// A rejection by an API that never accepted a token: `api_url` may be wrong.
  private mutating func doubtAPI(_ name: String, _ failure: AcquisitionFailure) {
    guard tokens[name]?.isAPIDoubtful == false else { return }
    tokens[name]?.isAPIDoubtful = true
    effects.append(.report(.unprovenAPI(name, failure)))
  }

  // MARK: New tokens

  /// Tries a new token at the API before it replaces a valid one.
  ///
  /// - Returns: `false` if it is published without that.
  mutating func tryAtAPI(_ times: TokenTimes, _ name: String, _ attempt: UInt64) -> Bool {
    let time = now.boot
    tokens[name]?.isTried = false
    guard let token = tokens[name], token.plan.probesAPI, let present = token.lifecycle.newest, !token.isRejected else {
      return false
    }
    let candidate = CandidateToken(times, replacing: present, at: time)
    guard candidate.publishAt > time, times.fault(at: time) == nil else { return false }
    tokens[name]?.candidate = candidate
    push(.received(limit: candidate.limit), name)
    probeCandidate(name, attempt, until: candidate.publishAt)
    return true
  }

  private mutating func probeCandidate(_ name: String, _ attempt: UInt64, until end: BootTime) {
    let timeout = min(CandidateToken.timeout, max(.seconds(1), end - now.boot))
    effects.append(.probeCandidate(name, attempt: attempt, timeout: timeout))
  }

  /// Takes what the API says of a new token.
  mutating func takeProbe(_ name: String, _ attempt: UInt64, _ verdict: ProbeVerdict, at now: BootTime) {
    status.want(tokens: tokens.count, at: now)
    guard let token = tokens[name], token.attempt == attempt, token.candidate != nil else { return }
    switch verdict {
    case .accepted:
      proveAPI(name)
      tokens[name]?.isTried = true
      publishCandidate(name)
    case .rejected(let failure):
      guard token.isAPIProven, !token.isRejected else {
        if !token.isAPIProven { doubtAPI(name, failure) }
        return publishCandidate(name)
      }
      tokens[name]?.candidate?.reject(at: now)
      push(.woke, name)
    case .unknown: publishCandidate(name)
    }
  }

  private mutating func performCandidate(_ name: String, at now: BootTime) {
    guard let token = tokens[name], let candidate = token.candidate else { return }
    guard !candidate.isDue(at: now) else { return publishCandidate(name) }
    guard tokens[name]?.candidate?.takeRetry(at: now) ?? false else { return }
    probeCandidate(name, token.attempt, until: candidate.publishAt)
  }

  private mutating func publishCandidate(_ name: String) {
    guard let token = tokens[name], let candidate = token.candidate else { return }
    tokens[name]?.candidate = nil
    tokens[name]?.attempt = 0
    push(.acquired(candidate.times), name, attempt: token.attempt)
  }

  // MARK: Applications

  /// Takes the report of an application that the API rejected a token.
  mutating func takeReport(_ name: String, _ rejected: TokenDigest?, at now: BootTime) {
    guard let token = tokens[name] else { return effects.append(.reply(.unknownToken)) }
    // Its counts are part of the status. Ten thousand reports in a second are four reports of the status.
    status.want(after: StatusSchedule.refreshDelay, tokens: tokens.count, at: now)
    let held = token.lifecycle.newest.flatMap { $0.expiresAt > now ? token.digest : nil }
    let verdict =
      rejected.map { tokens[name]?.reports.handle($0, held: held, at: now) }
      ?? tokens[name]?.reports.handleRefresh(held: held, at: now)
    effects.append(.reply(reply(to: verdict ?? .newerInPlace, token, at: now)))
    // Whatever is due is done before the next deadline is set.
    push(.woke, name)
    guard rejected != nil, rejected == held else { return }
    tokens[name]?.held.isReported = true
    if token.plan.probesAPI { tokens[name]?.held.checkSoon(at: now) }
  }

  private mutating func reply(to verdict: RejectionReports.Verdict, _ token: Token, at now: BootTime) -> ReportReply {
    guard verdict != .newerInPlace else { return .newerInPlace }
    var earliest = now
    if case .rateLimited(let until) = verdict { earliest = until }
    // A server that rejects the client, or asks to wait, is obeyed, but not for longer.
    let failure = token.lifecycle.failureStreak?.failure
    if let until = token.lifecycle.heldBackUntil, until > earliest, let failure {
      push(.wanted, token.plan.name)
      // A busy server rejects no client.
      return failure.kind == .refused ? .rejectedByServer(until - now, failure.code) : .rateLimited(until - now)
    }
    switch verdict {
    case .request: push(.wanted, token.plan.name)
    case .requestUnderWay:
      if token.lifecycle.failureStreak != nil, case .waiting(let until) = token.lifecycle.phase, until > now {
        return .rateLimited(until - now)
      }
    case .rateLimited: return .rateLimited(earliest - now)
    case .newerInPlace: break
    }
    return .requested
  }

  // MARK: Facts for the status

  /// How long applications had a token.
  package func availability(of name: String) -> Availability? { tokens[name]?.availability }

  /// The reports of applications so far.
  package func reports(of name: String) -> RejectionReports.Counts? { tokens[name]?.reports.counts }

  /// Whether the API rejects tokens and has never accepted one.
  package func isAPIDoubtful(_ name: String) -> Bool { tokens[name]?.isAPIDoubtful ?? false }
}
