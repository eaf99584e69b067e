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
  func enqueue(_ managed: ManagedToken) {
    abandon(managed)
    if managed.settings.readsFiles { readFiles(managed) } else { waitForTurn(managed) }
  }

  /// Reads the secrets and keys in files, beside the broker: one that hangs keeps no other token waiting, nor a place in the issuer's queue.
  private func readFiles(_ managed: ManagedToken) {
    let name = managed.settings.name
    let attempt = managed.attempt
    let sentAt = Moment.now()
    managed.task = Task(executorPreference: requests) {
      [settings = managed.settings, clientAuthentication = managed.clientAuthentication] in
      let result = await settings.requestWithFiles(preferring: clientAuthentication)
      await self.finishReading(name, attempt, sentAt, result)
    }
  }

  private func finishReading(
    _ name: String, _ attempt: UInt64, _ sentAt: Moment, _ result: Result<TokenRequest, AcquisitionFailure>
  ) {
    guard let managed = managedTokens[name], managed.attempt == attempt, !isStopping else { return }
    managed.task = nil
    switch result {
    case .success(let request):
      managed.prepared = request
      waitForTurn(managed)
    case .failure(let failure):
      fail(managed, failure, sentAt: sentAt)
      handle(.failed(failure), name)
    }
  }

  private func waitForTurn(_ managed: ManagedToken) {
    _ = access(to: managed.server)
    servers[managed.server]?.queue.enqueue(managed.settings.name)
    sendNext(managed.server)
  }

  /// Gives up the attempt under way, if there is one: its result will not count.
  func abandon(_ managed: ManagedToken) {
    lastAttempt += 1
    managed.attempt = lastAttempt
    managed.prepared = nil
    managed.task?.cancel()
    managed.task = nil
    if let (server, permit) = managed.permit { servers[server]?.queue.end(permit) }
    managed.permit = nil
  }

  private func sendNext(_ key: ServerKey) {
    guard !isStopping else { return }
    while let name = servers[key]?.queue.next() {
      // A token that was removed, or moved to another issuer, while it waited.
      guard let managed = managedTokens[name], managed.server == key else { continue }
      send(managed, to: key)
    }
  }

  private func send(_ managed: ManagedToken, to key: ServerKey) {
    guard let server = servers[key]?.server else { return }
    let name = managed.settings.name
    var request: TokenRequest
    do throws(AcquisitionFailure) {
      // Without files there is nothing that could keep the broker waiting.
      if let prepared = managed.prepared {
        request = prepared
      } else {
        request = try managed.settings.request(preferring: managed.clientAuthentication)
      }
    } catch {
      fail(managed, error, sentAt: Moment.now())
      return handle(.failed(error), name)
    }
    managed.prepared = nil
    request.timeout = RetryBackoff.timeout(
      request.timeout, remaining: managed.lifecycle.newest.map { $0.expiresAt - Moment.now().boot })
    let permit = RequestQueue.Permit(token: name, attempt: managed.attempt)
    servers[key]?.queue.begin(permit)
    managed.permit = (key, permit)
    managed.requests += 1
    handle(.began(limit: Moment.now().boot + request.attemptLimit + Self.limitGrace), name)
    logger.debug("asking for a token", metadata: metadata(nil, of: managed))
    let sentAt = Moment.now()
    managed.task = Task(executorPreference: requests) { [request] in
      let result: Result<VerifiedToken, AcquisitionFailure>
      do throws(AcquisitionFailure) {
        result = .success(try await server.acquire(request))
      } catch {
        result = .failure(error)
      }
      await self.finish(name, permit, key, sentAt, result)
    }
  }

  /// What an attempt may take beyond the limits of its exchanges, for the work between them on a busy host.
  private static let limitGrace = Duration.seconds(5)

  private func finish(
    _ name: String, _ permit: RequestQueue.Permit, _ key: ServerKey, _ sentAt: Moment,
    _ result: Result<VerifiedToken, AcquisitionFailure>
  ) {
    servers[key]?.queue.end(permit)
    defer { sendNext(key) }
    guard let managed = managedTokens[name], managed.attempt == permit.attempt, !isStopping else { return }
    managed.task = nil
    managed.permit = nil
    let duration = Moment.now().boot - sentAt.boot
    switch result {
    case .success(let verifiedToken): accept(verifiedToken, managed, took: duration)
    case .failure(let failure):
      fail(managed, failure, sentAt: sentAt)
      if failure.kind == .refused { pending.remove(name) }
      handle(.failed(failure), name)
    }
  }

  private func fail(_ managed: ManagedToken, _ failure: AcquisitionFailure, sentAt: Moment) {
    let now = Moment.now()
    managed.tally.count(failure, sentAt: sentAt, took: now.boot - sentAt.boot)
    managed.lastFailure = (failure, now)
  }

  private func accept(_ verifiedToken: VerifiedToken, _ managed: ManagedToken, took duration: Duration) {
    let name = managed.settings.name
    let token = managed.plan(verifiedToken)
    if let failure = token.fault(at: Moment.now().boot) {
      fail(managed, failure, sentAt: verifiedToken.requestedAt)
      return handle(.failed(failure), name)
    }
    managed.tally.count(nil, sentAt: verifiedToken.requestedAt, took: duration)
    keep(verifiedToken, in: managed)
    noteSkew(verifiedToken.skew, managed)
    noteClientAuthentication(verifiedToken.clientAuthentication, managed)
    handle(.acquired(token), name)
    refreshForWaiting(name)
  }

  /// Makes `verifiedToken` the newest token, as it was asked for with the present settings, or with those of a former run.
  func keep(_ verifiedToken: VerifiedToken, in managed: ManagedToken, restored: TokenRestoration.Restored? = nil) {
    let known = access(to: managed.server).context
    let context = known?.context == verifiedToken.context ? known : nil
    let encoded = context ?? EncodedContext(verifiedToken.context)
    if context == nil { servers[managed.server]?.context = encoded }
    managed.kept = TokenRecord(
      verifiedToken: verifiedToken, fingerprint: restored?.fingerprint ?? managed.settings.requestFingerprint,
      policy: restored?.policy ?? managed.settings.policy, context: encoded)
  }

  private func noteClientAuthentication(_ clientAuthentication: ClientAuthentication, _ managed: ManagedToken) {
    let before = managed.clientAuthentication
    managed.clientAuthentication = clientAuthentication
    if clientAuthentication.secretIndex != before?.secretIndex ?? 0 {
      logger.notice(
        "the server took the \(clientAuthentication.secretIndex == 0 ? "first" : "second") of the two client secrets and no longer the other",
        metadata: metadata(nil, of: managed))
    }
    // Where the settings leave it open, whoever reads the log learns what to write into them.
    if managed.settings.leavesClientAuthenticationOpen,
      clientAuthentication.method != before?.method || clientAuthentication.encoding != before?.encoding
    {
      logger.notice(
        "\(managed.settings.name): the server takes \(clientAuthentication.description)",
        metadata: metadata(nil, of: managed))
    }
  }

  private func noteSkew(_ skew: Duration?, _ managed: ManagedToken) {
    let before = managed.skew
    managed.skew = skew
    guard let skew, abs(skew.seconds) >= 5, abs(skew.seconds - (before?.seconds ?? 0)) >= 5 else { return }
    logger.warning(
      "the server's clock is \(Timestamp.span(.seconds(abs(skew.seconds)))) \(skew > .zero ? "ahead of" : "behind") this host's; check this host's time synchronisation (timedatectl)",
      metadata: metadata(.clockSkew, of: managed))
  }
}
