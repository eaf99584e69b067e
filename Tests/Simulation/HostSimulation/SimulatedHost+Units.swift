import Base
import Engine

/// The units that wait for credentials, the status, and readiness.
extension SimulatedHost {
  mutating func ask(_ name: String, earlier: Int64) {
    lastPeer += 1
    ask(lastPeer, name, since: clocks.boot - earlier)
  }

  private mutating func ask(_ peer: UInt64, _ name: String, since: Int64) {
    let now = clocks.boot
    var unit = WaitingUnit(token: name, since: since, limit: since + 60 * second)
    let isSureNow = engine.canAnswer(name, since: BootTime(nanoseconds: since), at: clocks.now.boot)
    if let watch = watches[name] {
      if let newest = watch.newest, newest.expiresAt > now {
        // A short token is sent while half of its lifetime remains, unless that is of no use.
        let left = newest.expiresAt - since
        if left >= 10 * second { unit.limit = min(unit.limit, since + left / 2) }
        if newest.expiresAt - now >= watch.table.minValidity || max(newest.sentAt, watch.confirmedAt) >= since {
          unit.limit = now
        } else if watch.attempt == nil, watch.held.candidate == nil, engine.lifecycle(of: name)?.failureStreak == nil {
          expectRequest(name, "a unit waits for a token that is valid for longer")
        }
      }
    } else {
      unit.limit = now
    }
    unit.limit = isSureNow ? now : max(unit.limit, now)
    units[peer] = unit
    post(.credentialRequested(peer: peer, token: name, since: BootTime(nanoseconds: since)))
  }

  mutating func answer(_ peer: UInt64, _ reply: CredentialReply) throws(BrokenPromise) {
    guard let unit = units.removeValue(forKey: peer) else {
      throw BrokenPromise(description: "a second answer to unit \(peer), or one that has left")
    }
    let watch = watches[unit.token]
    let valid = watch?.newest.flatMap { $0.expiresAt > clocks.boot ? $0 : nil }
    switch reply {
    case .token(let isShort):
      guard let watch, let valid else {
        throw BrokenPromise(description: "unit \(peer) gets a token of \(unit.token), which has none that is valid")
      }
      // The server may have returned the same token after the unit began to wait.
      let requestedAt = max(valid.sentAt, watch.confirmedAt)
      let isEnough = valid.expiresAt - clocks.boot >= watch.table.minValidity || requestedAt >= unit.since
      if !isShort { return try require(isEnough, "unit \(peer) gets a token that is too short") }
      try require(stop != nil || clocks.boot >= unit.limit, "unit \(peer) gets a short token before its time")
    case .timedOut:
      try require(valid == nil && clocks.boot >= unit.limit, "unit \(peer) gets no token, too early")
    case .removed: try require(watch == nil, "unit \(peer) gets no token, though \(unit.token) is managed")
    case .stopping: try require(stop != nil && valid == nil, "unit \(peer) gets no token at the stop")
    }
  }

  mutating func reconsider(_ peer: UInt64) throws(BrokenPromise) {
    guard let unit = units.removeValue(forKey: peer) else {
      throw BrokenPromise(description: "unit \(peer), which does not wait, is reconsidered")
    }
    // The new settings may not permit the unit's request.
    if !random.chance(8) { ask(peer, unit.token, since: unit.since) }
  }

  func lookAtUnits(until next: Int64) throws(BrokenPromise) {
    guard !clocks.areTimersBlind else { return }
    for (peer, unit) in units {
      try require(
        next - unit.limit <= timerRounding,
        "unit \(peer) has no answer \(next - unit.limit) ns after its time")
    }
  }

  mutating func oweStatus() { statusOwedSince = statusOwedSince ?? clocks.boot }

  mutating func hear(_ report: HostReport) throws(BrokenPromise) {
    switch report {
    case .clock: break
    case .unprovenAPI(let name, _):
      let isProven = try watch(name, "a report").held.isProven
      try require(!isProven, "the API of \(name) is doubted, though it has accepted a token")
    case .ready:
      try require(!isReady, "ready twice")
      isReady = true
      let missing = names.filter { awaited.contains($0) && !(watches[$0]?.isSettled ?? true) }
      try require(missing.isEmpty, "ready before \(missing) are published or rejected")
    case .token(let name, let report):
      _ = try watch(name, "a report")
      oweStatus()
      switch report {
      case .expired: try hearExpired(name)
      case .republished: try hearRepublished(name)
      default: break
      }
    }
  }

  /// Checks that files are not restored too often, however often another process modifies them.
  private mutating func hearRepublished(_ name: String) throws(BrokenPromise) {
    let recent = (watches[name]?.republished ?? []).filter { clocks.boot - $0 < 5 * second } + [clocks.boot]
    watches[name]?.republished = recent
    // A refresh writes them too.
    let refreshes = (watches[name]?.recentlyAccepted ?? []).filter { clocks.boot - $0 < 5 * second }.count
    try require(
      recent.count <= 7 + refreshes, "the files of \(name) are written \(recent.count) times in 5 s")
  }

  /// Checks whether a token that expired without a successor could have had one.
  private mutating func hearExpired(_ name: String) throws(BrokenPromise) {
    guard let watch = watches[name] else { return }
    var course = Watch.Course(of: watch, acceptedAt: clocks.boot)
    if let former = watch.former, former.acceptedAt == clocks.boot {
      // The successor came in the moment of the expiry: the previous course counts.
      course = former
    } else {
      watches[name]?.newest = nil
    }
    watches[name]?.wrongSince = nil
    guard let newest = course.newest, !clocks.areTimersBlind else { return }
    try require(newest.expiresAt <= clocks.boot, "the token of \(name) is said to have expired")
    let issuer = watch.table.issuer
    watch.gap = nil
    if watch.failures == nil, let renewal = issuers[issuer].renewal(of: newest.id) {
      watch.gap = (clocks.boot, renewal, issuer)
    }
    // The server rejects the present settings, and there are no previous ones at the same server.
    if watch.table.isMistyped, watch.working?.issuer != issuer { return }
    guard try checkRenewal(newest, watch.table, course) else { return }
    // If the server issues a token at least once in each half of a lifetime, no reader lacks one.
    if let heard = course.lastHeard, heard.sentAt > course.lastDiskTrouble + 11 * second {
      try require(
        clocks.boot - heard.sentAt > heard.halfLife,
        "\(name) expires \(clocks.boot - heard.sentAt) ns after the request for a good token")
    }
    // If the server is available for longer than the longest backoff, it gets a request.
    var start = max(course.ableSince, course.lastDiskTrouble + 11 * second, hungUntil[issuer] ?? .min)
    start = max(start, course.refreshAt)
    if watch.table.readsFiles { start = max(start, secretsHangUntil + 61 * second, secretsBrokenUntil) }
    guard start < newest.expiresAt else { return }
    // The offset is constant since the last pause, and a pause changes `ableSince`.
    let offset = clocks.real - clocks.boot
    let spans = issuers[issuer].wellSpans(from: start + offset, to: newest.expiresAt + offset)
    let server = issuers[issuer]
    for span in spans {
      let left = seconds(newest.expiresAt + offset - span.start)
      var silence = left > 120 ? max(60, left * 0.75 - 90) : max(1, left / 2)
      if course.wasAskedToWait { silence = max(silence, min(330, left * 0.75)) }
      if course.wasRefused { silence = max(silence, min(300, max(5, left / 2)) * 1.1) }
      // With a rejected token, the waits are those without a token.
      if course.wasInvalid { silence = max(silence, course.wasRefused || course.wasAskedToWait ? 330 : 60) }
      // The longest time to a token. A backoff began just before. A second between requests, the wait for the turn, and
      // the request add to it.
      let enough =
        Int64(silence * 1e9) + (watch.table.isMistyped ? 4 : 2) * server.timeout + server.documentDelay + server.latency
        + second + longestTurn(name)
        + 1_000_000
      try require(
        span.end - span.start <= enough,
        "\(name) expires though its server was available for \(seconds(span.end - span.start)) s of its refresh, from "
          + "\(left) s before the end")
    }
  }
}
