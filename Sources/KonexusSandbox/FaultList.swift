/// The faults in force, and how much of each is left.
struct FaultList: Sendable {
  private struct Entry: Sendable {
    var fault: Fault
    /// By the monotonic clock.
    var end: Double?
  }

  private var entries: [Entry] = []

  /// The faults in force at `now` (monotonic seconds), with what is left of each.
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

  /// The faults that hit a request to `endpoint`, each one request poorer now.
  mutating func hit(_ endpoint: SandboxEndpoint, now: Double) -> [Fault.Kind] {
    take(now: now) { fault in
      guard !fault.kind.isOfConnections else { return false }
      let endpoints = fault.endpoints.isEmpty ? fault.kind.homes : fault.endpoints
      return endpoints.isEmpty || endpoints.contains(endpoint)
    }
  }

  /// The faults that hit a new connection.
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
  /// Whether it hits connections rather than requests.
  var isOfConnections: Bool {
    switch self {
    case .resetOnAccept, .hangOnAccept: true
    default: false
    }
  }

  /// Where it belongs when no endpoint is named, so that a limited number of requests is not used up elsewhere; empty:
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
