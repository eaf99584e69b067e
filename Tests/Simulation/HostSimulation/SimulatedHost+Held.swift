import Base
import Engine

/// The promises about held tokens: to applications, to servers, and to the API.
extension SimulatedHost {
  /// Checks the promises about a held token until the next event.
  func lookAtChecks(_ watch: Watch, until next: Int64) throws(BrokenPromise) {
    guard !clocks.areTimersBlind, let newest = watch.newest, newest.expiresAt > clocks.boot else { return }
    try lookAtAge(watch, newest, until: next)
    try lookAtCandidate(watch, newest, until: next)
    try lookAtIntervals(watch, newest, until: next)
    try lookAtInvalid(watch, newest, until: next)
    try lookAtRepeated(watch, until: next)
  }

  /// Checks that a new token is requested at `refresh_at` of the lifetime or after `max_age`, whichever is earlier.
  private func lookAtAge(_ watch: Watch, _ newest: IssuedToken, until next: Int64) throws(BrokenPromise) {
    guard watch.lastSend ?? .min <= max(newest.sentAt, watch.lastAnswered), watch.attempt == nil,
      watch.held.candidate == nil, watch.failures == nil
    else { return }
    let name = watch.table.name
    let by = max(watch.refreshAt, watch.ableSince, disturbedAt) + 2 * second + longestTurn(name)
    try require(next <= by, "no request of \(name) \(seconds(next - newest.sentAt)) s after the last one")
  }

  /// Checks that a new token is withheld only while the present one is better, and for a limited time.
  private func lookAtCandidate(_ watch: Watch, _ newest: IssuedToken, until next: Int64) throws(BrokenPromise) {
    guard let number = watch.held.candidate, let attempt = attempts[number], let token = attempt.token,
      let probe = attempt.probe
    else { return }
    let name = watch.table.name
    let end = max(newest.expiresAt - (newest.expiresAt - newest.sentAt) / 10, disturbedAt)
    try require(next <= end + second, "a token of \(name) is withheld \(seconds(next - end)) s too long")
    let pause = next - max(probe.last, disturbedAt)
    try require(pause <= 81 * second, "a new token of \(name) is not tried for \(seconds(pause)) s")
    let refresh = min(Int64(Double(token.lifetime - second) * attempt.table.refreshAt), attempt.table.maxAge)
    var limit = max(token.sentAt + max(second, refresh), probe.first + 10 * second, disturbedAt)
    // Such a server can have returned the token before.
    if issuers[token.issuer].repetition != .never { limit = max(limit, token.expiresAt) }
    try require(next <= limit + 2 * second, "\(name) has tried the same token since \(seconds(next - probe.first)) s")
  }

  /// Checks that key sets are read, and tokens checked, at least once in each interval.
  private func lookAtIntervals(_ watch: Watch, _ newest: IssuedToken, until next: Int64) throws(BrokenPromise) {
    let (table, held) = (watch.table, watch.held)
    let start = max(disturbedAt, held.since)
    if table.verification == .keySet, newest.issuer == table.issuer {
      // A reading whose result is lost is repeated after two minutes.
      let wait = next - max(start, lastReading[table.issuer] ?? .min, lastSuccessfulReading[table.issuer] ?? .min)
      let longest = max(table.recheckInterval, 120 * second) + 2 * issuers[table.issuer].timeout + second
      try require(wait <= longest, "the key set of \(table.name) is not read for \(seconds(wait)) s")
    }
    let longest = max(table.recheckInterval, 60 * second) + second
    if table.verification == .introspection, !held.isFormer {
      let wait = next - max(start, watch.ableSince, held.lastIntrospection ?? .min)
      try require(wait <= longest, "\(table.name) is not introspected for \(seconds(wait)) s")
    }
    if table.api != nil {
      let wait = next - max(start, watch.ableSince, held.lastProbe ?? .min)
      try require(wait <= longest, "the API is not asked about \(table.name) for \(seconds(wait)) s")
    }
  }

  /// Checks that an application has an accepted token soon, if its server was available. It must come at most an
  /// interval and one attempt after the present one is no longer accepted.
  private func lookAtInvalid(_ watch: Watch, _ newest: IssuedToken, until next: Int64) throws(BrokenPromise) {
    // A server that returns the same token has no better one.
    guard newest.issuer == watch.table.issuer, !watch.held.isFormer, issuers[newest.issuer].repetition == .never
    else { return }
    var end: Int64?
    switch watch.table.verification {
    case .keySet where !issuers[newest.issuer].keys.isBalanced:
      end = issuers[newest.issuer].keys.withdrawal(of: newest.key, at: clocks.real)
    case .introspection: end = revoked[newest.id]
    default: break
    }
    guard let end else { return }
    let (table, held, server) = (watch.table, watch.held, issuers[newest.issuer])
    let offset = clocks.real - clocks.boot
    var start = max(end - offset, watch.ableSince, disturbedAt)
    start = max(start, table.verification == .keySet ? lastFailedReading[table.issuer] ?? .min : held.lastLoss)
    if table.readsFiles { start = max(start, secretsHangUntil + 61 * second, secretsBrokenUntil) }
    start = max(start, hungUntil[table.issuer] ?? .min)
    guard start < next, let span = server.wellSpans(from: start + offset, to: next + offset).last,
      span.end == next + offset
    else { return }
    var longest = max(table.recheckInterval, 60 * second) + 65 * second + 2 * longestTurn(table.name)
    longest += 6 * server.timeout + 2 * server.documentDelay
    if watch.wasRefused || watch.wasAskedToWait { longest += 330 * second }
    // If tokens become invalid repeatedly, the next request waits longer.
    if let former = held.formerInvalid, start - former < 7200 * second { longest += 1800 * second }
    try require(
      span.end - span.start <= longest,
      "an application of \(table.name) has had a token that is not accepted for \(seconds(span.end - span.start)) s")
  }

  /// Checks that a valid token that the API accepts is not replaced by one that it rejects, unless it expires soon.
  func checkReplacement(_ watch: Watch, _ number: UInt64, _ token: IssuedToken) throws(BrokenPromise) {
    let now = clocks.boot
    guard watch.table.api != nil, let present = watch.newest, present.expiresAt > now, !watch.held.isBad,
      now < present.expiresAt - (present.expiresAt - present.sentAt) / 10
    else { return }
    let name = watch.table.name
    guard let probe = attempts[number]?.probe else {
      throw BrokenPromise(description: "a valid token of \(name) is replaced by one that was not tried")
    }
    switch probe.answer {
    case .rejected:
      try require(!watch.held.isProven, "a valid token of \(name) is replaced by one that the API rejects")
    case nil:
      try require(now - probe.last >= 20 * second, "a token of \(name) is replaced before the API has answered")
    case .accepted, .unknown: break
    }
  }

  /// Checks that two alternating key sets cause a request each, and then requests at growing distances.
  mutating func noteSend(_ watch: Watch) throws(BrokenPromise) {
    let (name, held) = (watch.table.name, watch.held)
    try checkPause(watch)
    guard watch.table.api == nil, held.invalid == .keyWithdrawn, watch.failures == nil, watch.mustSend == nil,
      let newest = watch.newest, case let last = max(newest.sentAt, watch.lastAnswered),
      clocks.boot < last + (watch.refreshAt - last) / 10 * 9,
      clocks.boot - max(held.lastCause, disturbedAt) > 70 * second + longestTurn(name),
      clocks.boot - (held.lastReport ?? 0) > 1900 * second
    else { return }
    var sends = held.sends
    if let last = sends.last, clocks.boot - last >= 3600 * second { sends = [] }
    sends.append(clocks.boot)
    watches[name]?.held.sends = sends
    let server = issuers[watch.table.issuer]
    guard server.keys.isBalanced || server.repetition != .never else { return }
    // Each key set causes one request at once. A server that returned the invalid token again can have caused another.
    let free = server.keys.isBalanced ? server.repetition == .never ? 2 : 3 : 10
    guard sends.count > free else { return }
    let shortest = (0..<sends.count - free).reduce(0) { $0 + min(60 << Int64(min($1, 10)), 1800) * second }
    let span = clocks.boot - sends[0]
    try require(
      span >= shortest, "two key sets of \(name) cause \(sends.count) requests in \(seconds(span)) s")
  }

  // MARK: Reports

  /// Lets an application report a token, or request a new one.
  mutating func report(_ report: Trouble.Report, times: Int) {
    let name = if case .unknownTable = report { "other" } else { random.choose(names) ?? "" }
    let newest = watches[name]?.newest
    let digest: TokenDigest? =
      switch report {
      case .wish: nil
      case .held: newest?.digest ?? TokenDigest(bytes: [UInt8](repeating: 1, count: 32))
      case .former: TokenDigest(bytes: [UInt8](repeating: 2, count: 32))
      case .foreign, .unknownTable: TokenDigest(bytes: [UInt8](repeating: 3, count: 32))
      }
    for _ in 0..<times { post(.reported(name, rejected: digest)) }
  }

  /// A report, and what was known before it.
  struct ReportBefore {
    var name: String
    var isManaged = true
    /// Whether a request was prepared, under way, or had brought a token that was tried.
    var wasUnderWay = false
    /// Whether requests failed.
    var wasFailing = false
    /// Whether the server rejected the client.
    var wasRefused = false
    /// Whether the server sent `Retry-After`.
    var wasAskedToWait = false
    /// Whether the report is not about the newest token.
    var isOutdated = false
    /// Whether nothing was reported for an hour.
    var isFirst = false
  }

  mutating func noteReport(_ event: HostEvent) -> ReportBefore? {
    guard case .reported(let name, let digest) = event, stop == nil else { return nil }
    reply = nil
    let now = clocks.boot
    guard let watch = watches[name] else { return ReportBefore(name: name, isManaged: false) }
    let newest = watch.newest.flatMap { $0.expiresAt > now ? $0 : nil }
    let isOutdated = digest != nil && newest != nil && newest?.digest != digest
    let isFirst = watch.held.lastReport.map { now - $0 >= 3600 * second } ?? true
    if !isOutdated {
      if isFirst { watches[name]?.held.series = 0 }
      watches[name]?.held.lastReport = now
      watches[name]?.held.lastCause = now
      if digest != nil, newest != nil { watches[name]?.held.isReported = true }
    }
    return ReportBefore(
      name: name, wasUnderWay: watch.attempt != nil || watch.held.candidate != nil, wasFailing: watch.failures != nil,
      wasRefused: watch.wasRefused, wasAskedToWait: watch.wasAskedToWait, isOutdated: isOutdated, isFirst: isFirst)
  }

  mutating func checkReply(_ before: ReportBefore) throws(BrokenPromise) {
    let name = before.name
    guard let reply else { throw BrokenPromise(description: "a report of \(name) gets no reply") }
    guard before.isManaged else {
      return try require(reply == .unknownToken, "a report of a table that does not exist gets \(reply)")
    }
    guard !before.isOutdated else {
      return try require(reply == .newerInPlace, "a report of a former token of \(name) gets \(reply)")
    }
    if let watch = watches[name] { try countReports(watch) }
    switch reply {
    case .unknownToken, .newerInPlace:
      throw BrokenPromise(description: "a report of the token of \(name) gets \(reply)")
    case .requested:
      if watches[name]?.attempt == nil, !before.wasUnderWay { expectRequest(name, "a report") }
    case .rateLimited(let wait):
      let series = watches[name]?.held.series ?? 0
      let afterSeries = min(1 << max(0, series - 1), 1800)
      // The wait after a failure can be longer, above all while the present token counts as accepted.
      let isReported = watches[name]?.held.isReported ?? false
      let afterFailure = !isReported ? 1100 : before.wasAskedToWait ? 330 : 66
      let longest = before.wasFailing ? max(afterSeries, afterFailure) : afterSeries
      try require(
        wait > .zero && wait <= .seconds(longest), "a report of \(name) waits \(wait.seconds) s, not \(longest) s")
      try require(!before.isFirst || before.wasAskedToWait, "the first report of \(name) for an hour has to wait")
      // A request that was under way for another reason counts for the report too.
      if !before.wasUnderWay {
        expectRequest(name, "a report that had to wait", after: wait.nanoseconds)
      }
    case .rejectedByServer(let wait, _):
      try require(before.wasRefused, "a report of \(name) is kept back by no server")
      try require(wait > .zero && wait <= .seconds(331), "a report of \(name) is kept back for \(wait.seconds) s")
      expectRequest(name, "a report that the server keeps back", after: wait.nanoseconds)
    }
  }

  /// Checks that the requests that reports cause wait longer each time.
  private func countReports(_ watch: Watch) throws(BrokenPromise) {
    let name = watch.table.name
    guard let requested = engine.reports(of: name)?.requested, requested != watch.held.requested else { return }
    let held = watch.held
    try require(requested == held.requested + 1, "reports of \(name) cause several requests at once")
    if let last = held.lastRequested, held.series > 0 {
      let shortest = min(1 << Int64(min(held.series - 1, 20)), 1800) * second
      try require(
        clocks.boot - last >= shortest,
        "reports of \(name) cause request \(held.series + 1) after \(seconds(clocks.boot - last)) s")
    }
    watch.held.requested = requested
    watch.held.lastRequested = clocks.boot
    watch.held.series += 1
  }

  // MARK: After each event

  mutating func checkHeld(_ watch: Watch, _ life: TokenLifecycle) throws(BrokenPromise) {
    let name = watch.table.name
    try require(
      life.rejection?.code == watch.held.invalid,
      "the status says \(life.rejection?.code.rawValue ?? "nothing") of \(name), "
        + "and \(watch.held.invalid?.rawValue ?? "nothing") is known")
    if watch.held.candidate != nil {
      try require(watch.newest != nil, "a token of \(name) is withheld, and there is no other one")
      try require(!watch.held.isBad, "a token of \(name) is withheld, and the present one is not accepted")
      if let number = watch.held.candidate, let answer = attempts[number]?.probe?.answer {
        try require(answer == .rejected, "a token of \(name) is withheld, and the API has not rejected it")
      }
    }
    try countReports(watch)
    try checkAvailability(watch, hasToken: life.published != nil && watch.held.invalid == nil)
  }

  private func checkAvailability(_ watch: Watch, hasToken: Bool) throws(BrokenPromise) {
    let name = watch.table.name
    guard let totals = engine.availability(of: name)?.totals(at: BootTime(nanoseconds: clocks.mono)) else {
      throw BrokenPromise(description: "the availability of \(name) is not counted")
    }
    var count = watch.held.availability ?? (0, 0, hasToken, clocks.mono)
    let passed = clocks.mono - count.since
    if count.hasToken { count.available += passed } else { count.unavailable += passed }
    (count.hasToken, count.since) = (hasToken, clocks.mono)
    watch.held.availability = count
    try require(
      totals.available.nanoseconds == count.available && totals.unavailable.nanoseconds == count.unavailable,
      "\(name) was available for \(seconds(count.available)) s of \(seconds(count.available + count.unavailable)) s, "
        + "not \(totals.available.seconds) s of \(totals.elapsed.seconds) s")
  }
}
