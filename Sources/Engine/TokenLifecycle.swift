public import Base

/// The state machine of one token: takes events and returns effects.
///
/// It does no I/O and reads no clock. A test runs a year in a millisecond, and the simulation of a fleet runs the same
/// code.
///
/// Invariant: every state has a next wake-up, so the machine cannot get stuck. Every event performs everything that is
/// due.
public struct TokenLifecycle: Sendable {
  /// The progress towards the next token.
  public enum Phase: Hashable, Sendable {
    /// Nothing has happened yet.
    case unstarted
    /// No request before this time.
    case waiting(until: BootTime)
    /// The request waits in the issuer's queue since this time. It is repeated a minute later, in case it was lost.
    case queued(since: BootTime)
    /// The request was sent and must have ended by `limit`.
    case requesting(limit: BootTime)
    /// A new token is tried at the API until `limit`.
    case probing(limit: BootTime)
  }

  /// The state of the token's files.
  public enum Publication: Hashable, Sendable {
    /// The files hold the newest token, or are removed if there is none.
    case settled
    /// A file was modified externally, and is written again at this time.
    case republishing(at: BootTime)
    /// A file could not be written. If there is no token: an expired one could not be removed.
    case failing(reason: String, failures: Int, retryAt: BootTime)
  }

  /// The progress towards the next token.
  public private(set) var phase = Phase.unstarted
  /// The newest verified token; `nil` when it has expired.
  public private(set) var newest: TokenTimes?
  /// The token in the first file; `nil` whenever `newest` is. It differs from `newest` only while publication fails.
  public private(set) var published: TokenTimes?
  /// The state of the token's files.
  public private(set) var publication = Publication.settled
  /// The failed attempts since the last successful one.
  public private(set) var failureStreak: FailureStreak?
  /// Why the newest token is not accepted any more, though it has not expired; `nil` if it is accepted, as far as is
  /// known.
  public private(set) var rejection: AcquisitionFailure?
  /// Since when `rejection` is known.
  public private(set) var rejectedSince: BootTime?
  /// How often the server returned an earlier token since the newest one came.
  public private(set) var repetitions = 0

  /// The earliest expiry of the tokens whose publication failed or was overtaken. Files may hold them nevertheless.
  private var earliestUnpublishedExpiry: BootTime?
  /// How many attempts in a row failed with the same kind of failure.
  private var failuresOfKind = 0
  /// The end of the `Retry-After` of the last failed response.
  private var askedUntil: BootTime?
  private var lastRequest: BootTime?
  /// Whether a refresh was requested after the present request was sent. What made it fail may be corrected since.
  private var isWantedAgain = false
  /// Whether an application reported that the API rejects the newest token, at the present event.
  private var isReported = false
  /// Why the present settings brought no token, at an event with a token of the previous request.
  private var failureOfPresent: AcquisitionFailure?
  /// The time of the next republication at a pace of one a second. One republication can come a second earlier.
  private var nextRepublication: BootTime?
  /// Whether secrets are in files, so that the one that brought the newest token can differ from the present one.
  package var readsFiles = false
  /// Whether previous settings or secrets may bring a token although the server rejects the present ones.
  private var hasReserve = false
  /// Whether they brought the newest token.
  private var hasFallenBack = false
  private var random: SplitMix64

  /// A lifecycle before its first event. `seed` determines the jitter of its retries.
  public init(seed: UInt64) {
    random = SplitMix64(seed: seed)
  }

  /// Whether no request is under way or queued.
  public var isWaiting: Bool { if case .waiting = phase { true } else { false } }

  /// When something is due, for the watchdog. It is `nil` only before `started`, and in the past only if a request
  /// hangs beyond its limit.
  public var deadline: BootTime? { earliestDue { $0 } }

  /// When to send `woke`. A request that hangs is examined once a second, so that it does not delay other work.
  public func nextWake(after now: BootTime) -> BootTime? {
    earliestDue { $0 > now ? $0 : now + Self.overdueLookInterval }
  }

  /// The earliest time at which something is due, each time mapped by `look`. It needs no array: a simulated fleet
  /// calls it a billion times.
  private func earliestDue(_ look: (BootTime) -> BootTime) -> BootTime? {
    var earliest: BootTime?
    func note(_ time: BootTime?) {
      guard let time = time.map(look) else { return }
      earliest = min(earliest ?? time, time)
    }
    switch phase {
    case .unstarted: break
    case .waiting(let until): note(until)
    case .queued(let since): note(since + Self.longestQueueTime)
    case .requesting(let limit), .probing(let limit): note(limit)
    }
    note(published?.expiresAt)
    note(newest?.expiresAt)
    note(earliestUnpublishedExpiry)
    switch publication {
    case .settled: break
    case .republishing(let time), .failing(_, _, let time): note(time)
    }
    return earliest
  }

  /// Takes one event; returns the effects, in order.
  ///
  /// - Parameters:
  ///   - isReported: whether an application reported that the API rejects the newest token.
  ///   - failure: why the present settings brought no token, if the previous request brought this one.
  public mutating func handle(
    _ event: LifecycleEvent, isReported: Bool = false, after failure: AcquisitionFailure? = nil, at now: BootTime
  ) -> [LifecycleEffect] {
    self.isReported = isReported
    failureOfPresent = failure
    var effects: [LifecycleEffect] = []
    effects.reserveCapacity(4)
    // Nothing is left to be removed.
    if case .unpublished = event { earliestUnpublishedExpiry = nil }
    removeExpired(at: now, &effects)
    switch event {
    case .started(let restored): start(with: restored, at: now, &effects)
    case .began(let limit):
      lastRequest = now
      phase = .requesting(limit: limit)
    case .received(let limit): phase = .probing(limit: limit)
    case .acquired(let token): acquire(token, at: now, &effects)
    case .returnedAgain(let token, let isRewritten): keep(token, isRewritten, at: now, &effects)
    case .rejected(let failure, let requests): reject(failure, requests, at: now, &effects)
    case .accepted: rejection = nil
    case .failed(let failure): fail(failure, at: now, &effects)
    case .returnedExpired(let failure, let renewal): fail(failure, retryBy: renewal, at: now, &effects)
    case .published: settle(at: now, &effects)
    case .unpublished:
      if newest == nil { publication = .settled }
    case .publicationFailed(let reason): postpone(reason, at: now, &effects)
    case .publishedIncompletely(let reason):
      // Another file may hold the previous one.
      if let published { noteOvertaken(expiresAt: published.expiresAt) }
      published = newest
      postpone(reason, at: now, &effects)
    case .modifiedExternally: republish(at: now)
    case .woke: break
    case .resumed:
      // The connection is lost, and the limit was set without the suspend.
      switch phase {
      case .requesting, .probing: request(at: now, &effects)
      case .unstarted, .waiting, .queued: break
      }
    case .refresh:
      switch phase {
      case .waiting, .probing: request(at: now, &effects)
      case .requesting: isWantedAgain = true
      case .unstarted, .queued: break
      }
    case .wanted: requestWhenAllowed(at: now)
    case .settingsChanged:
      failureStreak = nil
      (hasReserve, hasFallenBack) = (newest != nil, false)
      if phase != .unstarted { request(at: now, &effects) }
    }
    performDueWork(at: now, &effects)
    return effects
  }

  /// Notes that all or some files hold an earlier token, because a newer one came while that was written.
  mutating func noteOvertaken(expiresAt: BootTime) {
    earliestUnpublishedExpiry = min(earliestUnpublishedExpiry ?? expiresAt, expiresAt)
  }

  /// Notes that files can hold an expired token although there is a newer one. All files are removed 10 s later, unless
  /// they were removed or written by then.
  mutating func noteUnremoved(at now: BootTime) {
    noteOvertaken(expiresAt: now + Self.longestPublicationRetry)
  }

  private static let longestQueueTime = Duration.seconds(60)
  /// How long after its limit a request is abandoned, on hosts without a watchdog. A watchdog restarts the daemon
  /// earlier.
  private static let hangLimit = Duration.seconds(300)
  private static let overdueLookInterval = Duration.seconds(1)
  private static let republishInterval = Duration.seconds(1)
  private static let longestPublicationRetry = Duration.seconds(10)

  private mutating func removeExpired(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    func hasCome(_ time: BootTime?) -> Bool { time.map { $0 <= now } ?? false }
    guard hasCome(newest?.expiresAt) || hasCome(published?.expiresAt) || hasCome(earliestUnpublishedExpiry) else {
      return
    }
    // It is not known which files hold the expired token. All are removed, except those with the newest one, which is
    // written again.
    effects.append(.unpublish)
    earliestUnpublishedExpiry = nil
    if published != newest { published = nil }
    if let newest, newest.expiresAt > now {
      noteUnremoved(at: now)
      effects.append(.publish)
    } else {
      newest = nil
      published = nil
      rejection = nil
      publication = .settled
      effects.append(.report(.expired))
    }
  }

  private mutating func start(with restored: TokenTimes?, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    guard phase == .unstarted else { return }
    guard let restored, restored.expiresAt > now else {
      // The token expired after its file was read.
      if restored != nil { effects.append(.unpublish) }
      return request(at: now, &effects)
    }
    newest = restored
    published = restored
    phase = .waiting(until: restored.refreshAt)
    effects.append(.report(.restored(restored)))
  }

  private mutating func acquire(_ token: TokenTimes, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    if let fault = token.fault(at: now) { return fail(failureOfPresent ?? fault, at: now, &effects) }
    if failureOfPresent == nil { effects.append(.report(.acquired(token, after: failureStreak))) }
    repetitions = 0
    rejection = nil
    // The files may still hold the expired token, and the new one may not fit on their disk. The removal is repeated
    // when it was planned, or later if it runs now.
    if newest == nil, case .failing(_, _, let retryAt) = publication {
      noteOvertaken(expiresAt: retryAt > now ? retryAt : now + Self.longestPublicationRetry)
    }
    newest = token
    isReported = false
    planRefresh(of: token, at: now, &effects)
    publish(&effects)
  }

  /// Plans the next request after one that brought `token`. If the present settings failed, they are tried again as
  /// after any failure.
  private mutating func planRefresh(of token: TokenTimes, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    defer { (hasReserve, hasFallenBack) = (failureOfPresent != nil, failureOfPresent != nil) }
    if let failureOfPresent {
      fail(failureOfPresent, at: now, &effects)
      effects.append(.report(.fellBack(token, isFirst: !hasFallenBack)))
    } else {
      failureStreak = nil
      phase = .waiting(until: max(token.refreshAt, now + RefreshSchedule.shortestInterval))
    }
  }

  /// Keeps the newest token with these times. Its rejection and the state of its files stay as they are.
  private mutating func keep(
    _ token: TokenTimes, _ isRewritten: Bool, at now: BootTime, _ effects: inout [LifecycleEffect]
  ) {
    // The newest token expired in this moment.
    guard newest != nil else { return request(at: now, &effects) }
    if failureOfPresent == nil {
      effects.append(.report(.returnedAgain(token, after: failureStreak, isFirst: repetitions == 0)))
    }
    repetitions += 1
    newest = token
    planRefresh(of: token, at: now, &effects)
    if isRewritten { publish(&effects) }
  }

  /// Requests another token. The present one stays in its files: another instance of the API may still accept it.
  private mutating func reject(
    _ failure: AcquisitionFailure, _ requests: Bool, at now: BootTime, _ effects: inout [LifecycleEffect]
  ) {
    guard newest != nil else { return }
    if rejection?.code != failure.code {
      effects.append(.report(.rejected(failure)))
      rejectedSince = now
    }
    rejection = failure
    if requests { requestWhenAllowed(at: now) }
  }

  /// Requests a token when the server permits it: after a rejection of the client, or a `Retry-After`, the wait stays.
  /// Other waits are for a token that is accepted, and end now.
  private mutating func requestWhenAllowed(at now: BootTime) {
    if case .waiting(let until) = phase { phase = .waiting(until: min(until, heldBackUntil ?? now)) }
  }

  /// Until when the server permits no request; `nil` if it permits one. It sent `Retry-After`. Or it rejected the
  /// client, and no previous settings or secrets may bring a token.
  package var heldBackUntil: BootTime? {
    guard case .waiting(let until) = phase, let failure = failureStreak?.failure else { return nil }
    if failure.kind == .refused { return hasReserve || readsFiles && newest != nil ? nil : until }
    return askedUntil.map { min($0, until) }
  }

  /// - Parameter time: when the server can issue a new token. Without a token, the next attempt is not later.
  private mutating func fail(
    _ failure: AcquisitionFailure, retryBy time: BootTime? = nil, at now: BootTime, _ effects: inout [LifecycleEffect]
  ) {
    let before = failureStreak
    // A rejection after transient failures counts as the first one, as the server did not answer before.
    failuresOfKind = before?.failure.kind == failure.kind ? failuresOfKind + 1 : 1
    failureStreak = FailureStreak(failure: failure, count: (before?.count ?? 0) + 1, since: before?.since ?? now)
    // A token that is known to be rejected is none.
    let remaining = rejection == nil ? newest.map { $0.expiresAt - now } : nil
    let wait = RetryBackoff.delay(
      after: failure, failures: failuresOfKind, remaining: remaining, isReported: isReported, using: &random)
    var next = now + wait
    if let time, newest == nil { next = min(next, max(time, now + RetryBackoff.floor)) }
    if isWantedAgain { next = now }
    phase = .waiting(until: next)
    askedUntil = failure.retryAfter.map { now + RetryBackoff.asked($0, using: &random) }
    let isKnown = before?.failure.code == failure.code
    effects.append(.report(isKnown ? .stillFailing(failure, next: next) : .failing(failure, next: next)))
  }

  private mutating func settle(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    published = newest
    earliestUnpublishedExpiry = nil
    switch publication {
    case .settled: break
    case .republishing:
      // A refresh may have written the files earlier than planned. That does not lengthen the next wait.
      nextRepublication = min(max(nextRepublication ?? now, now), now + Self.republishInterval) + Self.republishInterval
      effects.append(.report(.republished))
    case .failing: effects.append(.report(.publicationRecovered))
    }
    publication = .settled
  }

  private mutating func postpone(_ reason: String, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    var failures = 1
    if case .failing(_, let before, _) = publication { failures = before + 1 }
    let wait = min(.milliseconds(500) * (1 << min(failures - 1, 10)), Self.longestPublicationRetry)
    if let newest { earliestUnpublishedExpiry = min(earliestUnpublishedExpiry ?? newest.expiresAt, newest.expiresAt) }
    publication = .failing(reason: reason, failures: failures, retryAt: now + wait)
    if failures == 1 {
      effects.append(.report(newest == nil ? .removalFailing(reason) : .publicationFailing(reason)))
    }
  }

  private mutating func republish(at now: BootTime) {
    guard newest != nil, publication == .settled else { return }
    // At most once a second on average, as another process can modify the file all the time. One republication can be
    // early: `rm *` removes the files one by one, and the state file can be removed after the first republication.
    publication = .republishing(at: max(now, nextRepublication.map { $0 - Self.republishInterval } ?? now))
  }

  private mutating func performDueWork(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    switch phase {
    case .unstarted: break
    case .requesting(let limit):
      if limit + Self.hangLimit <= now { request(at: now, &effects) }
    case .probing(let limit):
      if limit <= now { request(at: now, &effects) }
    case .waiting(let until):
      if until <= now { request(at: now, &effects) }
    case .queued(let since):
      if since + Self.longestQueueTime <= now { request(at: now, &effects) }
    }
    switch publication {
    case .settled: break
    case .republishing(let time):
      guard time <= now else { return }
      // The deadline moves to now, so that files that hang do not count as overdue.
      publication = .republishing(at: now)
      publish(&effects)
    case .failing(let reason, let failures, let time):
      guard time <= now else { return }
      publication = .failing(reason: reason, failures: failures, retryAt: now)
      if newest != nil { publish(&effects) } else { effects.append(.unpublish) }
    }
  }

  private func publish(_ effects: inout [LifecycleEffect]) {
    if !effects.contains(.publish) { effects.append(.publish) }
  }

  private mutating func request(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    // Requests in a loop, such as SIGUSR1, cause at most one request a second.
    if let lastRequest, now < lastRequest + RefreshSchedule.shortestInterval {
      phase = .waiting(until: lastRequest + RefreshSchedule.shortestInterval)
      return
    }
    phase = .queued(since: now)
    isWantedAgain = false
    effects.append(.request)
  }
}
