import Base
import Engine

/// The checks of held tokens: by key set, by introspection, by the API, and by applications.
extension SimulatedHost {
  mutating func readKeySet(_ issuer: Int) {
    later(random.draw(5 * second), .keySet(issuer))
  }

  mutating func endKeySet(_ issuer: Int) {
    let server = issuers[issuer]
    guard server.isReadable(at: clocks.real) else {
      return post(.keySetRead(ServerID(issuer), .failure(AcquisitionFailure(.connection, "down"))))
    }
    let keySet = server.keySet(at: clocks.real)
    var reading = KeySetReading(keySet: keySet, freshness: random.chance(2) ? .seconds(random.draw(600)) : nil)
    for name in names {
      guard let watch = watches[name], watch.table.verification == .keySet, watch.table.issuer == issuer,
        let newest = watch.newest, newest.issuer == issuer
      else { continue }
      let requestedAt = BootTime(nanoseconds: newest.sentAt)
      if server.accepts(newest.issuedAt, at: clocks.real) {
        reading.valid.append((name, requestedAt))
      } else {
        reading.withdrawn.append((name, requestedAt, AcquisitionFailure(.keyWithdrawn, "the key is withdrawn")))
        expectReplacement(name, "keys \(issuer) \(keySet)")
      }
    }
    post(.keySetRead(ServerID(issuer), .success(reading)))
  }

  /// The first time that a key set does not verify a held token, another one is requested at once, unless requests are
  /// rejected or the server asked to wait.
  private mutating func expectReplacement(_ name: String, _ evidence: String) {
    guard let life = engine.lifecycle(of: name), life.isWaiting, life.failureStreak == nil else { return }
    guard watches[name]?.evidence.insert(evidence).inserted ?? false else { return }
    expectRequest(name, "its key was withdrawn")
  }

  mutating func check(_ name: String, isProbe: Bool) throws(BrokenPromise) {
    let watch = try watch(name, "a check")
    guard let newest = watch.newest else { throw BrokenPromise(description: "\(name) is checked without a token") }
    try require(
      isProbe ? watch.table.probesAPI : watch.table.verification == .introspection,
      "\(name) is checked against its settings")
    later(random.draw(5 * second), .check(name, newest, isProbe: isProbe))
  }

  mutating func endCheck(_ name: String, _ token: IssuedToken, _ isProbe: Bool) {
    let verdict: HeldTokenVerdict
    if isProbe {
      verdict = .api(api(token))
    } else if !issuers[token.issuer].isReadable(at: clocks.real) {
      verdict = .unknown
    } else if issuers[token.issuer].accepts(token.issuedAt, at: clocks.real) {
      verdict = .active
    } else {
      verdict = .inactive(AcquisitionFailure(.tokenRevoked, "inactive"))
    }
    post(.checked(name, requestedAt: BootTime(nanoseconds: token.sentAt), verdict))
  }

  mutating func probe(_ name: String, _ number: UInt64, _ timeout: Int64) throws(BrokenPromise) {
    let watch = try watch(name, "a probe")
    try require(watch.table.probesAPI, "the API is asked about \(name), against its settings")
    try require(
      attempts[number]?.token != nil && !abandoned.contains(number), "the API is asked about a token that did not come")
    try require(timeout > 0 && timeout <= 10 * second, "a probe may take \(seconds(timeout)) s")
    later(random.draw(timeout), .probe(name, number))
  }

  mutating func endProbe(_ name: String, _ number: UInt64) {
    guard let token = attempts[number]?.token else { return }
    post(.probed(name, attempt: number, api(token)))
  }

  private mutating func api(_ token: IssuedToken) -> ProbeVerdict {
    if random.chance(10) { return .unknown }
    // Now and then it has not loaded a new key yet.
    if issuers[token.issuer].accepts(token.issuedAt, at: clocks.real), !random.chance(10) { return .accepted }
    return .rejected(AcquisitionFailure(.apiProbe, "401"))
  }

  mutating func hearReply() throws(BrokenPromise) {
    unanswered -= 1
    try require(unanswered >= 0, "an answer without a report")
  }
}
