import Base
import Engine
import OAuth
import Publication

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
    if keeper.settings.readsFiles { readFiles(keeper) } else { waitForTurn(keeper) }
  }

  /// Reads the secrets and keys in files, beside the broker: one that hangs keeps no other token waiting, nor a place in the issuer's queue.
  private func readFiles(_ keeper: TokenKeeper) {
    let name = keeper.settings.name
    let attempt = keeper.attempt
    let sentAt = Moment.now()
    keeper.task = Task(executorPreference: requests) { [settings = keeper.settings, proof = keeper.proof] in
      let result = await settings.requestWithFiles(preferring: proof)
      await self.finishReading(name, attempt, sentAt, result)
    }
  }

  private func finishReading(
    _ name: String, _ attempt: UInt64, _ sentAt: Moment, _ result: Result<TokenRequest, AcquisitionFailure>
  ) {
    guard let keeper = keepers[name], keeper.attempt == attempt, !isStopping else { return }
    keeper.task = nil
    switch result {
    case .success(let request):
      keeper.prepared = request
      waitForTurn(keeper)
    case .failure(let failure):
      fail(keeper, failure, sentAt: sentAt)
      handle(.failed(failure), name)
    }
  }

  private func waitForTurn(_ keeper: TokenKeeper) {
    _ = access(to: keeper.server)
    servers[keeper.server]?.queue.enqueue(keeper.settings.name)
    sendNext(keeper.server)
  }

  /// Gives up the attempt under way, if there is one: its result will not count.
  func abandon(_ keeper: TokenKeeper) {
    lastAttempt += 1
    keeper.attempt = lastAttempt
    keeper.prepared = nil
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
    var request: TokenRequest
    do throws(AcquisitionFailure) {
      // Without files there is nothing that could keep the broker waiting.
      if let prepared = keeper.prepared {
        request = prepared
      } else {
        request = try keeper.settings.request(preferring: keeper.proof)
      }
    } catch {
      fail(keeper, error, sentAt: Moment.now())
      return handle(.failed(error), name)
    }
    keeper.prepared = nil
    request.timeout = RetryPace.timeout(
      request.timeout, remaining: keeper.lifecycle.held.map { $0.expiresAt - Moment.now().boot })
    let ticket = RequestQueue.Ticket(token: name, attempt: keeper.attempt)
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
      fail(keeper, failure, sentAt: sentAt)
      if failure.kind == .refused { pending.remove(name) }
      handle(.failed(failure), name)
    }
  }

  private func fail(_ keeper: TokenKeeper, _ failure: AcquisitionFailure, sentAt: Moment) {
    let now = Moment.now()
    keeper.tally.count(failure, sentAt: sentAt, took: now.boot - sentAt.boot)
    keeper.lastFailure = (failure, now)
  }

  private func accept(_ grant: Grant, _ keeper: TokenKeeper, took duration: Duration) {
    let name = keeper.settings.name
    let token = keeper.plan(grant)
    if let failure = token.fault(at: Moment.now().boot) {
      fail(keeper, failure, sentAt: grant.requestedAt)
      return handle(.failed(failure), name)
    }
    keeper.tally.count(nil, sentAt: grant.requestedAt, took: duration)
    keep(grant, in: keeper)
    noteSkew(grant.skew, keeper)
    noteProof(grant.proof, keeper)
    handle(.acquired(token), name)
    refreshForWaiting(name)
  }

  /// Makes `grant` the newest token, as it was asked for with the present settings, or with those of a former run.
  func keep(_ grant: Grant, in keeper: TokenKeeper, adopted: Adoption.Adopted? = nil) {
    let known = access(to: keeper.server).evidence
    let evidence = known?.evidence == grant.evidence ? known : nil
    let encoded = evidence ?? EncodedEvidence(grant.evidence)
    if evidence == nil { servers[keeper.server]?.evidence = encoded }
    keeper.kept = KeptToken(
      grant: grant, fingerprint: adopted?.fingerprint ?? keeper.settings.requestFingerprint,
      policy: adopted?.policy ?? keeper.settings.policy, evidence: encoded)
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
