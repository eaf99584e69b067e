import Base

/// Tokens that a server returns again.
extension HostEngine {
  /// What a server returned.
  private enum Recognition {
    /// A token that was not seen before.
    case new
    /// A token that was seen before and is better than the held one, with its first times.
    case former(TokenTimes)
    /// The token that is held, with its times. The expiry can be earlier now.
    case held(TokenTimes)
    /// A token that was seen before and is no better than the held one.
    case noBetter
    /// A token that has expired, while there is no other one.
    case expired
  }

  /// Takes a verified token that an attempt brought.
  mutating func take(_ received: ReceivedToken, _ index: Int, _ attempt: UInt64, at now: BootTime) {
    if tokens[index].isRejected { tokens[index].known.reject(tokens[index].digest) }
    switch recognize(received, index, at: now) {
    case .new:
      let schedule = tokens[index].plan.schedule
      take(schedule.plan(requestedAt: received.requestedAt, lifetime: received.lifetime), received, index, attempt)
    case .former(let times): take(times, received, index, attempt)
    case .held(let times):
      // A token of previous settings is written once more, so that its state file has the present settings.
      let isOfFormer = received.fallback?.isOfFormerSettings ?? false
      let isRewritten =
        tokens[index].isOfFormerSettings != isOfFormer || times.expiresAt != tokens[index].lifecycle.newest?.expiresAt
      tokens[index].isOfFormerSettings = isOfFormer
      tokens[index].known.note(received.digest, times)
      keep(times, isRewritten: isRewritten, received, index, attempt, at: now)
    case .noBetter:
      guard var times = tokens[index].lifecycle.newest else { return }
      times.refreshAt = tokens[index].plan.schedule.next(afterRepetitionAt: now, expiresAt: times.expiresAt)
      keep(times, isRewritten: false, received, index, attempt, at: now)
    case .expired:
      tokens[index].attempt = 0
      let expired = AcquisitionFailure(.tokenExpired, "the server returned an expired token again")
      let failure = received.fallback?.failure ?? expired
      let renewal = received.requestedAt + received.lifetime
      push(.returnedExpired(failure, renewal: renewal), index, attempt: attempt)
    }
  }

  private func recognize(_ received: ReceivedToken, _ index: Int, at now: BootTime) -> Recognition {
    guard let known = tokens[index].known.entry(received.digest) else { return .new }
    // Even counted from now, its lifetime can end before the known expiry: all clocks stood still, or the server
    // shortened it.
    let expiresAt = min(known.expiresAt, now + received.lifetime)
    let held = tokens[index].lifecycle.newest.flatMap { $0.expiresAt > now ? $0 : nil }
    guard expiresAt > now else { return held == nil || received.digest == tokens[index].digest ? .expired : .noBetter }
    let refreshAt = tokens[index].plan.schedule.next(afterRepetitionAt: now, expiresAt: expiresAt)
    let times = TokenTimes(requestedAt: known.requestedAt, refreshAt: refreshAt, expiresAt: expiresAt)
    guard let held else { return .former(times) }
    if received.digest == tokens[index].digest { return .held(times) }
    let isOfNewerSettings = tokens[index].isOfFormerSettings && !(received.fallback?.isOfFormerSettings ?? false)
    let isBetter = isOfNewerSettings || tokens[index].isRejected || held.expiresAt < expiresAt
    return isBetter && !known.wasRejected ? .former(times) : .noBetter
  }

  private mutating func take(_ times: TokenTimes, _ received: ReceivedToken, _ index: Int, _ attempt: UInt64) {
    tokens[index].received = received.digest
    guard !tryAtAPI(times, index, attempt) else { return tokens[index].known.note(received.digest, times) }
    tokens[index].attempt = 0
    push(.acquired(times), index, attempt: attempt)
  }

  private mutating func keep(
    _ times: TokenTimes, isRewritten: Bool, _ received: ReceivedToken, _ index: Int, _ attempt: UInt64,
    at now: BootTime
  ) {
    tokens[index].attempt = 0
    tokens[index].confirmedAt = received.requestedAt
    // The request that reports or evidence caused has brought the same token.
    if let digest = tokens[index].digest { tokens[index].reports.tokenArrived(digest, at: now) }
    if tokens[index].lifecycle.rejection != nil { tokens[index].held.requestLater(at: now) }
    push(.returnedAgain(times, isRewritten: isRewritten), index, attempt: attempt)
  }
}
