public import Base

/// One token's life: a value that takes events and says what to do. It does no IO and reads no clock, so that a test lives through a
/// year in a millisecond, and a simulated fleet runs what production runs.
///
/// Whatever happens, it asks to be woken: no state is left from which only luck leads on. Whatever is due is done on any event, not on the
/// one that was sent for it.
public struct TokenLifecycle: Sendable {
  /// Where the next token stands.
  public enum Phase: Hashable, Sendable {
    /// Nothing has happened yet.
    case unstarted
    /// Nothing to ask for before this time.
    case waiting(until: BootTime)
    /// Waits for the issuer's turn since then; asked for again a minute later, should the turn have been lost.
    case queued(since: BootTime)
    /// The request is on its way and must have ended by then.
    case requesting(limit: BootTime)
  }

  /// How the newest token got on with its file.
  public enum Publication: Hashable, Sendable {
    /// The file holds what it should.
    case settled
    /// The file was disturbed just after it was written: it is put back then.
    case republishing(at: BootTime)
    /// It could not be written; or, if no token is held, what ended could not be removed.
    case failing(reason: String, failures: Int, retryAt: BootTime)
  }

  /// Where the next token stands.
  public private(set) var phase = Phase.unstarted
  /// The newest verified token that has not ended.
  public private(set) var newest: TokenTimes?
  /// The token in the file; `nil` whenever `newest` is. Differs from `newest` only while publication fails.
  public private(set) var published: TokenTimes?
  /// How the newest token got on with its file.
  public private(set) var publication = Publication.settled
  /// The failed attempts since the last good one.
  public private(set) var failureStreak: FailureStreak?

  /// The first end among tokens whose publication failed: one of several files may have got them all the same.
  private var earliestUnpublishedExpiry: BootTime?
  /// How many attempts in a row failed in the same way.
  private var streak = 0
  private var lastRequest: BootTime?
  private var lastRepublication: BootTime?
  private var random: SplitMix64

  /// A life before its first event. `seed` spreads its retries.
  public init(seed: UInt64) {
    random = SplitMix64(seed: seed)
  }

  /// Whether no request is under way or waiting for its turn.
  public var isWaiting: Bool { if case .waiting = phase { true } else { false } }

  /// When something is due: what a watchdog goes by. `nil` only before `started`; in the past only if a request hangs beyond its limit.
  public var deadline: BootTime? { earliestDue { $0 } }

  /// When to wake it. A request that hangs hides nothing else that is due: it is looked at once a second.
  public func nextWake(after now: BootTime) -> BootTime? {
    earliestDue { $0 > now ? $0 : now + Self.overdueLookInterval }
  }

  /// The earliest of what `look` makes of each time at which something is due. No array: a simulated fleet asks this a billion times.
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
    case .requesting(let limit): note(limit)
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

  /// Takes one event at one time; returns what to do, in order.
  public mutating func handle(_ event: LifecycleEvent, at now: BootTime) -> [LifecycleEffect] {
    var effects: [LifecycleEffect] = []
    effects.reserveCapacity(4)
    removeExpired(at: now, &effects)
    switch event {
    case .started(let restored): start(with: restored, at: now, &effects)
    case .began(let limit):
      lastRequest = now
      phase = .requesting(limit: limit)
    case .acquired(let token): acquire(token, at: now, &effects)
    case .failed(let failure): fail(failure, at: now, &effects)
    case .published: settle(at: now, &effects)
    case .unpublished: if newest == nil { publication = .settled }
    case .publicationFailed(let reason): postpone(reason, at: now, &effects)
    case .modifiedExternally: republish(at: now)
    case .woke: break
    case .resumed:
      // Its connection did not live through the suspend, and what its limit says was counted without it.
      if case .requesting = phase { ask(at: now, &effects) }
    case .refresh:
      if case .waiting = phase { ask(at: now, &effects) }
    case .settingsChanged:
      failureStreak = nil
      if phase != .unstarted { ask(at: now, &effects) }
    }
    performDueWork(at: now, &effects)
    if let time = nextWake(after: now) { effects.append(.arm(time)) }
    return effects
  }

  private static let longestQueueTime = Duration.seconds(60)
  /// How long after its limit a request is given up for lost. A watchdog has acted long before; this is for hosts without one.
  private static let hangLimit = Duration.seconds(300)
  private static let overdueLookInterval = Duration.seconds(1)
  private static let shortestRepublishInterval = Duration.seconds(1)
  private static let longestPublicationRetry = Duration.seconds(10)

  private mutating func removeExpired(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    func hasCome(_ time: BootTime?) -> Bool { time.map { $0 <= now } ?? false }
    guard hasCome(newest?.expiresAt) || hasCome(published?.expiresAt) || hasCome(earliestUnpublishedExpiry) else {
      return
    }
    // All files go, whichever token they hold: one of several may hold the newest, though the rest could not be written.
    effects.append(.unpublish)
    published = nil
    earliestUnpublishedExpiry = nil
    if let newest, newest.expiresAt > now {
      effects.append(.publish)
    } else {
      newest = nil
      publication = .settled
      effects.append(.report(.expired))
    }
  }

  private mutating func start(with restored: TokenTimes?, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    guard phase == .unstarted else { return }
    guard let restored, restored.expiresAt > now else {
      // It ended between the look at its file and now.
      if restored != nil { effects.append(.unpublish) }
      return ask(at: now, &effects)
    }
    newest = restored
    published = restored
    phase = .waiting(until: restored.refreshAt)
    effects.append(.report(.restored(restored)))
  }

  private mutating func acquire(_ token: TokenTimes, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    if let failure = token.fault(at: now) { return fail(failure, at: now, &effects) }
    effects.append(.report(.acquired(token, after: failureStreak)))
    failureStreak = nil
    newest = token
    phase = .waiting(until: max(token.refreshAt, now + RefreshSchedule.shortestInterval))
    publish(&effects)
  }

  private mutating func fail(_ failure: AcquisitionFailure, at now: BootTime, _ effects: inout [LifecycleEffect]) {
    let before = failureStreak
    // A refusal after a row of transient failures is the first refusal: it is the server's first word on the matter.
    streak = before?.failure.kind == failure.kind ? streak + 1 : 1
    failureStreak = FailureStreak(failure: failure, count: (before?.count ?? 0) + 1, since: before?.since ?? now)
    let wait = RetryBackoff.delay(
      after: failure, failures: streak, remaining: newest.map { $0.expiresAt - now }, using: &random)
    let next = now + wait
    phase = .waiting(until: next)
    let told = before?.failure.code == failure.code
    effects.append(.report(told ? .stillFailing(failure, next: next) : .failing(failure, next: next)))
  }

  private mutating func settle(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    published = newest
    earliestUnpublishedExpiry = nil
    switch publication {
    case .settled: break
    case .republishing:
      lastRepublication = now
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
    // At once, but not in a race with somebody who undoes it as fast: then once a second.
    publication = .republishing(at: max(now, lastRepublication.map { $0 + Self.shortestRepublishInterval } ?? now))
  }

  private mutating func performDueWork(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    switch phase {
    case .unstarted: break
    case .requesting(let limit):
      if limit + Self.hangLimit <= now { ask(at: now, &effects) }
    case .waiting(let until):
      if until <= now { ask(at: now, &effects) }
    case .queued(let since):
      if since + Self.longestQueueTime <= now { ask(at: now, &effects) }
    }
    switch publication {
    case .settled: break
    case .republishing(let time), .failing(_, _, let time):
      if time <= now {
        if newest != nil { publish(&effects) } else { effects.append(.unpublish) }
      }
    }
  }

  private func publish(_ effects: inout [LifecycleEffect]) {
    if !effects.contains(.publish) { effects.append(.publish) }
  }

  private mutating func ask(at now: BootTime, _ effects: inout [LifecycleEffect]) {
    // Somebody who asks for refresh in a loop gets one request a second.
    if let lastRequest, now < lastRequest + RefreshSchedule.shortestInterval {
      phase = .waiting(until: lastRequest + RefreshSchedule.shortestInterval)
      return
    }
    phase = .queued(since: now)
    effects.append(.request)
  }
}
