import Base

/// What is known of a token since it arrived, and when it is checked again.
///
/// Evidence that the API does not accept it any more causes a request at once. The same evidence against its successor
/// can come from a load balancer that alternates between two key sets. Then requests wait longer each time.
///
///     a key set, or an API, that invalidates a token for the first time   at once
///     one that did so before, or a server that returns the same token     1, 2, 4, ... min, up to 30 min
///
/// An hour without an invalid token resets the waits.
struct HeldToken: Sendable {
  /// What can invalidate a token.
  enum Evidence: Hashable, Sendable {
    case keySet(String)
    case introspection
    case api
  }

  /// The shortest time between two probes of the API.
  static let shortestProbeInterval = Duration.seconds(60)
  static let firstWait = Duration.seconds(60)
  static let longestWait = Duration.seconds(1800)
  static let quietTime = Duration.seconds(3600)
  /// How many different evidences cause a request at once: a server can have another key set at each reading.
  static let memory = 8

  /// When the introspection, or the probe of the API, is repeated; `nil` for never.
  private(set) var checkAt: BootTime?
  /// When a new token is requested, as the present one is invalid again.
  private(set) var requestAt: BootTime?
  /// Whether an application reported that the API rejects it.
  var isReported = false
  private var lastProbe: BootTime?
  private var known: [Evidence] = []
  private var repetitions = 0
  private var lastInvalid: BootTime?

  /// When something is due.
  var deadline: BootTime? { earlier(checkAt, requestAt) }

  /// Notes that a new token is in place. It is checked after `wait`; `nil` for never.
  mutating func replace(checkAfter wait: Duration?, at now: BootTime) {
    requestAt = nil
    isReported = false
    checkAt = wait.map { max(now + $0, mayProbeAt(now)) }
  }

  /// Notes that no token is held any more.
  mutating func end() {
    (checkAt, requestAt) = (nil, nil)
    isReported = false
  }

  /// Plans the next check.
  mutating func check(after wait: Duration, at now: BootTime) { checkAt = now + wait }

  /// Plans a check within `wait`, as new settings require; `nil` for none.
  mutating func check(within wait: Duration?, at now: BootTime) {
    checkAt = wait.map {
      let time = max(now + $0, mayProbeAt(now))
      return min(checkAt ?? time, time)
    }
  }

  /// Plans a check as soon as the API can be probed again.
  mutating func checkSoon(at now: BootTime) {
    let soon = mayProbeAt(now)
    checkAt = min(checkAt ?? soon, soon)
  }

  /// When the API can be probed again.
  private func mayProbeAt(_ now: BootTime) -> BootTime {
    max(now, lastProbe.map { $0 + Self.shortestProbeInterval } ?? now)
  }

  /// Takes the check that is due; returns whether there is one.
  mutating func takeCheck(at now: BootTime) -> Bool {
    guard let checkAt, checkAt <= now else { return false }
    self.checkAt = nil
    lastProbe = now
    return true
  }

  /// Takes the request that is due; returns whether there is one.
  mutating func takeRequest(at now: BootTime) -> Bool {
    guard let requestAt, requestAt <= now else { return false }
    self.requestAt = nil
    return true
  }

  /// Notes that the token is invalid by this evidence. Returns whether another one is requested at once.
  mutating func invalidate(by evidence: Evidence, at now: BootTime) -> Bool {
    if let lastInvalid, now - lastInvalid >= Self.quietTime {
      repetitions = 0
      known = []
    }
    lastInvalid = now
    if !known.contains(evidence), known.count < Self.memory {
      known.append(evidence)
      return true
    }
    if requestAt == nil { requestLater(at: now) }
    return false
  }

  /// Plans another request. The one before brought the same token, or one that is invalid by the same evidence.
  mutating func requestLater(at now: BootTime) {
    lastInvalid = now
    requestAt = now + min(Self.firstWait * (1 << min(repetitions, 10)), Self.longestWait)
    repetitions += 1
  }

  /// Notes that the token is valid after all.
  mutating func validate() { requestAt = nil }
}

/// A new token that is tried at the API before it replaces a valid one.
///
/// It is published when the API accepts it, or when the API's answer proves nothing. At `publishAt` it is published in
/// any case, because only a tenth of the present token's lifetime is left. At `limit` another one is requested instead.
struct CandidateToken: Sendable {
  static let firstWait = Duration.seconds(1)
  static let longestWait = Duration.seconds(60)
  /// The limit of one probe.
  static let timeout = Duration.seconds(10)

  /// The times of the new token.
  let times: TokenTimes
  /// When it is published in any case.
  let publishAt: BootTime
  /// When its attempt must have ended. Another token is requested when this one would be refreshed. The API may reject
  /// this one because of its key or its remaining lifetime.
  let limit: BootTime
  private var rejections = 0
  /// When the next probe is due; `nil` while one is under way.
  private(set) var retryAt: BootTime?
  /// When the probe under way counts as lost.
  private(set) var lostAt: BootTime

  /// A candidate that is to replace `present`, with a probe under way.
  init(_ times: TokenTimes, replacing present: TokenTimes, at now: BootTime) {
    self.times = times
    publishAt = present.expiresAt - (present.expiresAt - present.requestedAt) / 10
    limit = min(publishAt + Self.timeout * 2, times.expiresAt, max(times.refreshAt, now + Self.timeout))
    lostAt = now + Self.timeout * 2
  }

  /// When something is due.
  var deadline: BootTime { min(retryAt ?? lostAt, publishAt) }

  /// Whether it is published now, though the API has not accepted it: `publishAt` has come, or there was no answer.
  func isDue(at now: BootTime) -> Bool { publishAt <= now || retryAt == nil && lostAt <= now }

  /// Notes that the API rejected it, and plans the next probe.
  mutating func reject(at now: BootTime) {
    retryAt = now + min(Self.firstWait * (1 << min(rejections, 10)), Self.longestWait)
    rejections += 1
  }

  /// Takes the probe that is due; returns whether there is one.
  mutating func takeRetry(at now: BootTime) -> Bool {
    guard let retryAt, retryAt <= now else { return false }
    self.retryAt = nil
    lostAt = now + Self.timeout * 2
    return true
  }
}
