import Base

/// The units that wait for a token as their credential.
struct CredentialWaits: Sendable {
  /// One unit's start.
  struct Request: Sendable {
    var peer: UInt64
    var wait: CredentialWait
    /// The latest time at which it is answered.
    var limit: BootTime
  }

  /// The units that wait, by the token's name.
  private var waiting: [String: [Request]] = [:]

  /// When the first of them must be answered.
  var firstLimit: BootTime? { waiting.values.lazy.flatMap(\.self).map(\.limit).min() }

  /// Whether a unit waits for this token.
  func isAwaited(_ token: String) -> Bool { waiting[token] != nil }

  /// Adds a unit that asked at `since`.
  mutating func add(_ peer: UInt64, for token: String, since: BootTime, newest: TokenTimes?) {
    let wait = CredentialWait(since: since)
    waiting[token, default: []].append(Request(peer: peer, wait: wait, limit: wait.limit(newest: newest)))
  }

  /// Removes and returns the units that get the token now, because `newest` ends their wait.
  mutating func served(_ token: String, newest: TokenTimes?, minValidity: Duration, at now: BootTime) -> [UInt64] {
    guard let newest, newest.expiresAt > now else { return [] }
    return take(from: token) { $0.wait.isEnded(by: newest, minValidity: minValidity, at: now) }
  }

  /// Removes and returns the units whose wait is over, with the token that they wait for.
  mutating func overdue(at now: BootTime) -> [(token: String, peer: UInt64)] {
    waiting.keys.sorted().flatMap { name in take(from: name) { $0.limit <= now }.map { (name, $0) } }
  }

  /// Removes and returns all units, in the order in which they asked.
  mutating func takeAll() -> [(token: String, peer: UInt64)] {
    defer { waiting = [:] }
    return waiting.flatMap { name, requests in requests.map { (name, $0.peer) } }.sorted { $0.peer < $1.peer }
  }

  @discardableResult
  private mutating func take(from token: String, _ isTaken: (Request) -> Bool) -> [UInt64] {
    guard let requests = waiting[token] else { return [] }
    let left = requests.filter { !isTaken($0) }
    guard left.count < requests.count else { return [] }
    waiting[token] = left.isEmpty ? nil : left
    return requests.filter(isTaken).map(\.peer)
  }
}
