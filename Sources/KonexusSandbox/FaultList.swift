/// The faults in effect, with their remaining limits.
struct FaultList: Sendable {
  private struct Entry: Sendable {
    var fault: Fault
    /// A time by the monotonic clock.
    var end: Double?
  }

  private var entries: [Entry] = []

  /// The faults in effect at `now` (monotonic seconds), with their remaining limits.
  mutating func current(now: Double) -> [Fault] {
    expire(now)
    return entries.map { entry in
      var fault = entry.fault
      fault.seconds = entry.end.map { $0 - now }
      return fault
    }
  }

  mutating func inject(_ fault: Fault, now: Double) {
    entries.append(Entry(fault: fault, end: fault.seconds.map { now + $0 }))
  }

  mutating func clear() { entries = [] }

  /// Returns the faults that affect a request to `endpoint`, and reduces the remaining requests of each by one.
  mutating func hit(_ endpoint: SandboxEndpoint, now: Double) -> [Fault.Kind] {
    take(now: now) { fault in
      guard !fault.kind.isOfConnections else { return false }
      let endpoints = fault.endpoints.isEmpty ? fault.kind.homes : fault.endpoints
      return endpoints.isEmpty || endpoints.contains(endpoint)
    }
  }

  /// The faults that affect a new connection.
  mutating func hitConnection(now: Double) -> [Fault.Kind] {
    take(now: now) { $0.kind.isOfConnections }
  }

  private mutating func take(now: Double, where isHit: (Fault) -> Bool) -> [Fault.Kind] {
    expire(now)
    var kinds: [Fault.Kind] = []
    for index in entries.indices where isHit(entries[index].fault) {
      kinds.append(entries[index].fault.kind)
      entries[index].fault.requests? -= 1
    }
    entries.removeAll { ($0.fault.requests ?? 1) <= 0 }
    return kinds
  }

  private mutating func expire(_ now: Double) {
    entries.removeAll { $0.end.map { $0 <= now } ?? false || ($0.fault.requests ?? 1) <= 0 }
  }
}

extension Fault.Kind {
  /// Whether it affects connections rather than requests.
  var isOfConnections: Bool {
    switch self {
    case .resetOnAccept, .hangOnAccept: true
    default: false
    }
  }

  /// The endpoints if none is named, so that requests to other endpoints do not count for its limit. Empty means
  /// everywhere.
  fileprivate var homes: Set<SandboxEndpoint> {
    switch self {
    case .setTokenHeader, .removeTokenHeader, .setClaims, .removeClaims, .shiftTimes, .signature, .replaceToken,
      .opaqueToken:
      [.token]
    case .setKeyMembers, .removeKeyMembers, .extraKeys: [.jwks]
    case .unsuccessful: [.api, .alertDefaults, .alertPreview, .alerts, .alertFind, .alertStatus]
    case .lostResponse: [.alerts]
    default: []
    }
  }
}
