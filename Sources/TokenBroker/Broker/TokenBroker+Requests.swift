import OAuthClient

extension TokenBroker {
  /// The server of that name; known from its first use on.
  func access(to key: ServerKey) -> IssuerAccess {
    if let known = servers[key] { return known }
    let access = IssuerAccess(
      server: AuthorizationServer(issuer: key.issuer, transport: key.transport, http: http, executor: requests),
      queue: RequestQueue(limit: configuration.daemon.maxRequests))
    servers[key] = access
    return access
  }

  /// Puts a token's request into its issuer's queue. An attempt under way is given up.
  func enqueue(_ keeper: TokenKeeper) {
    abandon(keeper)
    _ = access(to: keeper.server)
    servers[keeper.server]?.queue.enqueue(keeper.settings.name)
    sendNext(keeper.server)
  }

  /// Gives up the attempt under way, if there is one: its result will not count.
  func abandon(_ keeper: TokenKeeper) {
    keeper.attempt += 1
    keeper.task?.cancel()
    keeper.task = nil
    if let (server, ticket) = keeper.ticket { servers[server]?.queue.end(ticket) }
    keeper.ticket = nil
  }

  private func sendNext(_ key: ServerKey) {
    guard !isStopping else { return }
    while let name = servers[key]?.queue.next() {
      // A token that was removed, or moved to another issuer, while it waited.
      guard let keeper = keepers[name], keeper.server == key else { continue }
      send(keeper, to: key)
    }
  }

  private func send(_ keeper: TokenKeeper, to key: ServerKey) {
    guard let server = servers[key]?.server else { return }
    let name = keeper.settings.name
    keeper.attempt += 1
    let attempt = keeper.attempt
    var request: TokenRequest
    do throws(AcquisitionFailure) {
      request = try keeper.request()
    } catch {
      let now = Moment.now()
      keeper.lastFailure = (error, now)
      keeper.tally.count(error, sentAt: now, took: .zero)
      return handle(.failed(error), name)
    }
    request.timeout = RetryPace.timeout(
      request.timeout, remaining: keeper.lifecycle.held.map { $0.expiresAt - Moment.now().boot })
    let ticket = RequestQueue.Ticket(token: name, attempt: attempt)
    servers[key]?.queue.begin(ticket)
    keeper.ticket = (key, ticket)
    keeper.requests += 1
    handle(.began(limit: Moment.now().boot + request.attemptLimit + Self.limitGrace), name)
    logger.debug("asking for a token", metadata: metadata(nil, of: keeper))
    let sentAt = Moment.now()
    keeper.task = Task(executorPreference: requests) { [request] in
      let result: Result<Grant, AcquisitionFailure>
      do throws(AcquisitionFailure) {
        result = .success(try await server.acquire(request))
      } catch {
        result = .failure(error)
      }
      await self.finish(name, ticket, key, sentAt, result)
    }
  }

  /// What an attempt may take beyond the limits of its exchanges, for the work between them on a busy host.
  private static let limitGrace = Duration.seconds(5)

  private func finish(
    _ name: String, _ ticket: RequestQueue.Ticket, _ key: ServerKey, _ sentAt: Moment,
    _ result: Result<Grant, AcquisitionFailure>
  ) {
    servers[key]?.queue.end(ticket)
    defer { sendNext(key) }
    guard let keeper = keepers[name], keeper.attempt == ticket.attempt, !isStopping else { return }
    keeper.task = nil
    keeper.ticket = nil
    let duration = Moment.now().boot - sentAt.boot
    switch result {
    case .success(let grant): accept(grant, keeper, took: duration)
    case .failure(let failure):
      keeper.tally.count(failure, sentAt: sentAt, took: duration)
      keeper.lastFailure = (failure, Moment.now())
      if failure.kind == .refused { pending.remove(name) }
      handle(.failed(failure), name)
    }
  }

  private func accept(_ grant: Grant, _ keeper: TokenKeeper, took duration: Duration) {
    let name = keeper.settings.name
    guard grant.lifetime >= RefreshSchedule.shortestLifetime else {
      let failure = AcquisitionFailure(
        .lifetime,
        "the token lives for \(max(0, Int(grant.lifetime.seconds))) s, which is too short to be of use to a reader")
      keeper.lastFailure = (failure, Moment.now())
      keeper.tally.count(failure, sentAt: grant.requestedAt, took: duration)
      return handle(.failed(failure), name)
    }
    keeper.tally.count(nil, sentAt: grant.requestedAt, took: duration)
    let former = keeper.kept
    keep(grant, in: keeper)
    noteSkew(grant.skew, keeper)
    noteProof(grant.proof, keeper)
    let token = keeper.plan(grant)
    handle(.acquired(token), name)
    // It ended while it was on its way: what is in the files is still the former one.
    if let held = keeper.lifecycle.held, held != token { keeper.kept = former }
    refreshForWaiting(name)
  }

  /// Makes `grant` the newest token, as it was asked for with the present settings.
  func keep(_ grant: Grant, in keeper: TokenKeeper) {
    let known = access(to: keeper.server).evidence
    let evidence = known?.evidence == grant.evidence ? known : nil
    let encoded = evidence ?? EncodedEvidence(grant.evidence)
    if evidence == nil { servers[keeper.server]?.evidence = encoded }
    keeper.kept = KeptToken(grant: grant, fingerprint: keeper.settings.requestFingerprint, evidence: encoded)
  }

  private func noteProof(_ proof: ClientProof, _ keeper: TokenKeeper) {
    let before = keeper.proof
    keeper.proof = proof
    if proof.secretIndex != before?.secretIndex ?? 0 {
      logger.notice(
        "the server took the \(proof.secretIndex == 0 ? "first" : "second") of the two client secrets and no longer the other",
        metadata: metadata(nil, of: keeper))
    }
    // Where the settings leave it open, whoever reads the log learns what to write into them.
    if keeper.settings.leavesProofOpen, proof.method != before?.method || proof.encoding != before?.encoding {
      logger.notice(
        "\(keeper.settings.name): the server takes \(proof.description)", metadata: metadata(nil, of: keeper))
    }
  }

  private func noteSkew(_ skew: Duration?, _ keeper: TokenKeeper) {
    let before = keeper.skew
    keeper.skew = skew
    guard let skew, abs(skew.seconds) >= 5, abs(skew.seconds - (before?.seconds ?? 0)) >= 5 else { return }
    logger.warning(
      "the server's clock is \(Timestamp.span(.seconds(abs(skew.seconds)))) \(skew > .zero ? "ahead of" : "behind") this host's; check this host's time synchronisation (timedatectl)",
      metadata: metadata(.clockSkew, of: keeper))
  }
}
