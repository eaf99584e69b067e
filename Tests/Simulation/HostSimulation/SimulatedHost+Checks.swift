import Base
import Engine

/// The checks of held tokens, as a shell performs them, and their results.
extension SimulatedHost {
  /// Begins to read the key set of an issuer.
  mutating func readKeySet(_ issuer: Int) throws(BrokenPromise) {
    if let last = lastReading[issuer] {
      try require(
        clocks.boot - last >= 60 * second, "the key set of issuer \(issuer) is read twice in \(clocks.boot - last) ns")
    }
    let isUsed = watches.values.contains {
      $0.table.issuer == issuer && $0.table.verification == .keySet && $0.newest != nil
    }
    try require(isUsed, "the key set of issuer \(issuer) is read, and no token is held")
    lastReading[issuer] = clocks.boot
    guard !isLost() else { return lastFailedReading[issuer] = clocks.boot + 120 * second }
    later(duration(issuer), .keySet(issuer, isShared: false))
  }

  mutating func introspect(_ name: String) throws(BrokenPromise) {
    let watch = try watch(name, "an introspection")
    guard let newest = watch.newest, watch.table.verification == .introspection, !watch.held.isFormer
    else {
      throw BrokenPromise(description: "\(name) is introspected, which has no such token")
    }
    if let last = watch.held.lastIntrospection {
      try require(clocks.boot - last >= 60 * second, "\(name) is introspected twice in \(clocks.boot - last) ns")
    }
    watches[name]?.held.lastIntrospection = clocks.boot
    if isLost() {
      watches[name]?.held.lastLoss = clocks.boot
    } else {
      later(duration(watch.table.issuer), .introspected(name, newest))
    }
  }

  mutating func probe(_ name: String) throws(BrokenPromise) {
    let watch = try watch(name, "a probe")
    guard let newest = watch.newest, watch.table.api != nil else {
      throw BrokenPromise(description: "\(name) is tried at an API that it does not have")
    }
    if let last = watch.held.lastProbe {
      try require(clocks.boot - last >= 60 * second, "the API gets \(name) twice in \(clocks.boot - last) ns")
    }
    watches[name]?.held.lastProbe = clocks.boot
    if !isLost() { later(random.draw(3 * second), .probed(name, newest)) }
  }

  mutating func probe(_ name: String, _ number: UInt64, _ timeout: Int64) throws(BrokenPromise) {
    let watch = try watch(name, "a probe")
    guard watch.table.api != nil, let attempt = attempts[number], attempt.token != nil, !abandoned.contains(number)
    else { throw BrokenPromise(description: "\(name) tries a token at an API, and has none") }
    try require(timeout > 0 && timeout <= 10 * second, "a probe of \(name) may take \(timeout) ns")
    if let last = attempt.probe?.last {
      try require(clocks.boot - last >= second, "the API gets a new \(name) twice in \(clocks.boot - last) ns")
    }
    if let token = attempt.token, !watch.seen.contains(token.id) { see(token, watch) }
    watches[name]?.held.candidate = number
    attempts[number]?.probe = (attempt.probe?.first ?? clocks.boot, clocks.boot, nil)
    if !isLost() { later(random.draw(min(timeout, 3 * second)), .candidateProbed(name, number)) }
  }

  /// Whether the result of the next check never comes.
  private mutating func isLost() -> Bool { random.chance(40) }

  private mutating func duration(_ issuer: Int) -> Int64 {
    let server = issuers[issuer]
    return server.isWell(at: clocks.real) ? server.latency : random.draw(server.timeout)
  }

  // MARK: Results

  mutating func endCheck(_ job: Job) {
    switch job {
    case .keySet(let issuer, let isShared): endReading(issuer, isShared)
    case .introspected(let name, let token): endIntrospection(name, token)
    case .probed(let name, let token):
      guard let api = watches[name]?.table.api else { return }
      let verdict = judge(token, api)
      post(.checked(name, requestedAt: BootTime(nanoseconds: token.sentAt), .api(verdict)))
    case .candidateProbed(let name, let number):
      guard let api = watches[name]?.table.api, let token = attempts[number]?.token else { return }
      post(.probed(name, attempt: number, judge(token, api)))
    default: break
    }
  }

  private mutating func judge(_ token: IssuedToken, _ api: Int) -> ProbeVerdict {
    let isGood =
      token.expiresAt > clocks.boot && revoked[token.id] == nil
      && issuers[token.issuer].keys.published(at: clocks.real).contains(token.key)
    return switch apis[api].judge(key: token.issuer * 1000 + token.key, isGood: isGood, at: clocks.real) {
    case .accepted: .accepted
    case .rejected: .rejected(AcquisitionFailure(.apiProbe, "401"))
    case .unknown: .unknown
    }
  }

  /// Ends the reading of a key set, with its verdicts about the tokens that are held now.
  private mutating func endReading(_ issuer: Int, _ isShared: Bool) {
    let server = ServerID(issuer)
    if !isShared, !issuers[issuer].isWell(at: clocks.real), random.chance(2) {
      lastFailedReading[issuer] = clocks.boot
      return post(.keySetRead(server, .failure(AcquisitionFailure(.connection, "down"))))
    }
    lastSuccessfulReading[issuer] = clocks.boot
    let keys = issuers[issuer].keys.read(at: clocks.real, &random)
    var reading = KeySetReading(
      keySet: "\(issuer): \(keys.sorted())", freshness: issuers[issuer].freshness.map { .nanoseconds($0) })
    for name in names {
      guard let watch = watches[name], watch.table.issuer == issuer, watch.table.verification == .keySet,
        let newest = watch.newest, newest.issuer == issuer, newest.expiresAt > clocks.boot
      else { continue }
      let sentAt = BootTime(nanoseconds: newest.sentAt)
      if keys.contains(newest.key) {
        reading.valid.append((name, sentAt))
      } else {
        reading.withdrawn.append((name, sentAt, AcquisitionFailure(.keyWithdrawn, "withdrawn")))
      }
    }
    post(.keySetRead(server, .success(reading)))
  }

  private mutating func endIntrospection(_ name: String, _ token: IssuedToken) {
    var verdict = HeldTokenVerdict.unknown
    if issuers[token.issuer].isWell(at: clocks.real) {
      verdict = revoked[token.id] == nil ? .active : .inactive(AcquisitionFailure(.tokenRevoked, "revoked"))
    } else {
      watches[name]?.held.lastLoss = clocks.boot
    }
    post(.checked(name, requestedAt: BootTime(nanoseconds: token.sentAt), verdict))
  }

  // MARK: What is known

  /// Notes what the daemon knows of a token after a check.
  mutating func learn(_ event: HostEvent) {
    guard stop == nil else { return }
    switch event {
    case .keySetRead(let server, .success(let reading)):
      let isUsed = watches.values.contains {
        $0.table.issuer == server.number && $0.table.verification == .keySet
      }
      guard isUsed else { return }
      for (name, sentAt) in reading.valid { validate(name, sentAt, .keyWithdrawn) }
      for (name, sentAt, _) in reading.withdrawn { invalidate(name, sentAt, .keyWithdrawn) }
    case .checked(let name, let sentAt, let verdict):
      switch verdict {
      case .active: validate(name, sentAt, .tokenRevoked)
      case .inactive: invalidate(name, sentAt, .tokenRevoked)
      case .api(.accepted):
        guard watches[name]?.newest?.sentAt == sentAt.nanoseconds else { return }
        prove(name)
        validate(name, sentAt, .apiProbe)
        watches[name]?.held.isReported = false
      case .api(.rejected): if watches[name]?.held.isProven ?? false { invalidate(name, sentAt, .apiProbe) }
      case .api(.unknown), .unknown: break
      }
    case .probed(let name, let number, let verdict):
      guard watches[name]?.held.candidate == number else { return }
      switch verdict {
      case .accepted:
        attempts[number]?.probe?.answer = .accepted
        prove(name)
      case .rejected: attempts[number]?.probe?.answer = .rejected
      case .unknown: attempts[number]?.probe?.answer = .unknown
      }
    default: break
    }
  }

  private mutating func prove(_ name: String) {
    watches[name]?.held.isProven = true
    proven[name] = watches[name]?.table.api
  }

  private mutating func validate(_ name: String, _ sentAt: BootTime, _ code: FailureCode) {
    guard let watch = watches[name], watch.newest?.sentAt == sentAt.nanoseconds, watch.held.invalid == code
    else { return }
    watches[name]?.held.invalid = nil
    watches[name]?.held.validatedAt = clocks.boot
  }

  private mutating func invalidate(_ name: String, _ sentAt: BootTime, _ code: FailureCode) {
    guard let newest = watches[name]?.newest, newest.sentAt == sentAt.nanoseconds else { return }
    watches[name]?.held.lastInvalid = clocks.boot
    watches[name]?.held.setbacks += 1
    if code != .apiProbe, watches[name]?.held.isFormer ?? false { return }
    // The newest token can expire in this moment.
    guard newest.expiresAt > clocks.boot else { return }
    watches[name]?.held.invalid = code
    watches[name]?.held.invalidSince = watches[name]?.held.invalidSince ?? clocks.boot
  }
}
