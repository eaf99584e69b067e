import Base
import Engine

/// The promises about servers that return an earlier token again.
extension SimulatedHost {
  /// Checks that a token never expires later because the server returned it once more.
  func checkExpiry(_ token: IssuedToken, _ watch: Watch) throws(BrokenPromise) {
    let known = watch.expiries[token.id] ?? token.expiresAt
    try require(
      token.expiresAt <= known,
      "\(watch.table.name) has a token that expires \(seconds(token.expiresAt - known)) s later than it did before")
    see(token, watch)
  }

  /// Notes that the server returned a token, and its earliest expiry.
  func see(_ token: IssuedToken, _ watch: Watch) {
    watch.expiries[token.id] = min(watch.expiries[token.id] ?? .max, token.expiresAt)
    watch.seen.insert(token.id)
  }

  /// Notes that the attempt brought the newest token again, and that its settings or its expiry changed.
  mutating func rewrite(_ token: IssuedToken, _ number: UInt64, _ watch: Watch) throws(BrokenPromise) {
    try require(
      watch.held.isFormer != (attempts[number]?.failure != nil) || token.expiresAt < watch.newest?.expiresAt ?? .min,
      "the token of \(watch.table.name) is written once more, though nothing about it has changed")
    watch.held.isFormer = attempts[number]?.failure != nil
    watch.newest = token
    try keep(watch.table.name, number)
  }

  /// Notes that the newest token and its files stay as they are.
  mutating func keepAsItIs(_ name: String, _ number: UInt64) throws(BrokenPromise) {
    let watch = try watch(name, "a token")
    try require(
      !watch.held.isFormer || attempts[number]?.failure != nil || attempts[number]?.token?.id != watch.newest?.id,
      "the token of \(name) is of the present settings now, and is not written once more")
    try keep(name, number)
  }

  /// Notes that the attempt brought the newest token again, or an earlier one that is no better.
  mutating func keep(_ name: String, _ number: UInt64) throws(BrokenPromise) {
    let watch = try watch(name, "a token")
    guard let token = attempts[number]?.token, let newest = watch.newest, newest.expiresAt > clocks.boot else {
      throw BrokenPromise(description: "\(name) keeps a token, and there is none")
    }
    try require(!abandoned.contains(number), "\(name) takes the token of an abandoned attempt")
    try require(watch.seen.contains(token.id), "\(name) does not take a new token")
    try require(
      token.id != newest.id || newest.expiresAt <= clocks.boot + token.lifetime,
      "\(name) has a token that expires later than its server says")
    watch.mustSend = nil
    watch.lastAnswered = attempts[number]?.sent?.boot ?? clocks.boot
    watch.confirmedAt = watch.lastAnswered
    watch.lastHeard = nil
    watch.ableSince = clocks.boot
    try endFailures(watch, number)
    if watch.held.invalid != nil { watch.held.setbacks += 1 }
    planAfterRepetition(watch, number)
    oweStatus()
  }

  /// Plans the next request: when a quarter of the remaining lifetime is left, or at the expiry.
  func planAfterRepetition(_ watch: Watch, _ number: UInt64) {
    guard let newest = watch.newest, let at = attempts[number]?.answeredAt else { return }
    let left = newest.expiresAt - at
    let wait = left > 10 * second ? min(left / 4 * 3, watch.table.maxAge) : left
    watch.refreshAt = at + max(second, wait)
    watch.repeated = (at, at + (left > 10 * second ? wait / 10 * 9 - 1000 : left))
  }

  /// Checks that no request comes earlier, unless it has another cause than the server's response.
  func checkPause(_ watch: Watch) throws(BrokenPromise) {
    guard let (at, until) = watch.repeated, clocks.boot < until, watch.lastAnswered == watch.lastSend,
      watch.failures == nil
    else { return }
    let (name, held) = (watch.table.name, watch.held)
    let cause = max(held.lastCause, disturbedAt, held.lastInvalid ?? .min)
    // A request that was due can have waited for a second, and then for its turn.
    guard cause < at, held.invalid == nil, watch.mustSend == nil,
      clocks.boot - max(held.validatedAt, 0) > second + longestTurn(name),
      clocks.boot - (held.lastReport ?? 0) > 1900 * second,
      !units.values.contains(where: { $0.token == name && $0.since > watch.confirmedAt })
    else { return }
    throw BrokenPromise(
      description: "\(name) is requested again \(seconds(until - clocks.boot)) s too early, after the same token")
  }

  /// Checks that another token is requested 1, 2, 4, ... min after the server returned a rejected one again.
  func lookAtRepeated(_ watch: Watch, until next: Int64) throws(BrokenPromise) {
    guard let (at, _) = watch.repeated, let since = watch.held.invalidSince, watch.failures == nil,
      watch.attempt == nil, watch.held.candidate == nil, watch.lastSend == watch.lastAnswered
    else { return }
    let name = watch.table.name
    let wait = min(60 << Int64(min(watch.held.setbacks, 10)), 1800) * second
    let by = max(at, since, watch.ableSince, disturbedAt) + wait + 2 * second + longestTurn(name)
    try require(next <= by, "no request of \(name) \(seconds(next - at)) s after the server returned an invalid token")
  }

  /// Checks that a token that its server returned until the expiry has a successor as soon as the server issues one.
  func lookAtGap(_ watch: Watch, until next: Int64) throws(BrokenPromise) {
    let table = watch.table
    guard let (since, renewal, issuer) = watch.gap, watch.newest == nil, issuer == table.issuer, !clocks.areTimersBlind
    else { return }
    let offset = clocks.real - clocks.boot
    var start = max(since, renewal - offset, watch.ableSince, disturbedAt, hungUntil[table.issuer] ?? .min)
    if table.readsFiles { start = max(start, secretsHangUntil + 61 * second, secretsBrokenUntil) }
    guard start < next, !watch.wasRefused, !watch.wasAskedToWait else { return }
    let server = issuers[table.issuer]
    // The server must have been available without a pause since the expiry.
    guard let span = server.wellSpans(from: since + offset, to: next + offset).last, span.start == since + offset,
      span.end == next + offset
    else { return }
    // If a server does not state the remaining lifetime, the usual waits apply.
    let backoff = (server.statesWholeLifetime ? 62 : 5) * second
    let longest = backoff + 3 * server.timeout + server.documentDelay + longestTurn(table.name)
    try require(
      next - start <= longest,
      "\(table.name) has no token \(seconds(next - start)) s after its server could issue a new one")
  }

  /// Checks that a server that issues a new token in the last part of a lifetime gets a request in that part.
  ///
  /// - Returns: whether the server issues a new token at any time.
  func checkRenewal(
    _ newest: IssuedToken, _ table: SimulatedTable, _ course: Watch.Course
  ) throws(BrokenPromise) -> Bool {
    let server = issuers[table.issuer]
    guard server.repetition != .never else { return true }
    guard case .until(let left) = server.repetition, left >= 20 * second, server.renewal(of: newest.id) != nil else {
      return false
    }
    let start = newest.expiresAt - left
    var able = max(course.ableSince, disturbedAt, course.lastDiskTrouble + 11 * second, hungUntil[table.issuer] ?? .min)
    if table.readsFiles { able = max(able, secretsHangUntil + 61 * second, secretsBrokenUntil) }
    let slack = 2 * server.timeout + server.documentDelay + server.latency + 2 * second + longestTurn(table.name)
    let offset = clocks.real - clocks.boot
    guard able < start, !course.wasRefused, !course.wasAskedToWait, slack < left / 5,
      let span = server.wellSpans(from: start + offset, to: newest.expiresAt + offset).last,
      span.end - span.start == left
    else { return false }
    throw BrokenPromise(
      description: "\(table.name) expires, and its server could issue a new token \(seconds(left)) s before")
  }
}
