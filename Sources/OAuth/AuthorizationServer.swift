public import Base
public import HTTP

/// One authorization server as this host sees it: its discovery document, its keys, and the steps to a verified token.
///
/// A document is used while it is fresh. While the server cannot be reached, the document is used for a day after it
/// was read.
public actor AuthorizationServer {
  /// The server's issuer identifier, as configured.
  public nonisolated let issuer: String

  private let locations: ServerLocations
  private let server: ServerConnection
  private let executor: (any TaskExecutor)?
  private let metadata = DocumentCache<ServerMetadata>()
  let keys = DocumentCache<FetchedKeys>()

  nonisolated var endpoint: TokenEndpoint { TokenEndpoint(server: server) }

  /// Makes a server without cached documents.
  ///
  /// - Parameters:
  ///   - locations: The addresses that replace those of the discovery document.
  ///   - executor: Runs the tasks that the server starts itself.
  ///   - observe: Receives each step of an attempt, in order.
  public init(
    issuer: String, locations: ServerLocations = ServerLocations(), transport: TransportSettings, http: HTTPClient,
    executor: (any TaskExecutor)? = nil, observe: (@Sendable (AcquisitionStep) -> Void)? = nil
  ) {
    self.issuer = issuer
    self.locations = locations
    self.executor = executor
    server = ServerConnection(issuer: issuer, transport: transport, http: http, observe: observe)
  }

  /// Uses the documents of a previous run until they can be read again. Does not replace documents that it has already.
  public func adopt(_ context: VerificationContext) {
    let now = Moment.now().boot
    let readAt = min(context.readAt ?? now, now)
    if metadata.cached == nil { metadata.cached = Cached(value: context.metadata, readAt: readAt, freshUntil: now) }
    if keys.cached == nil, let known = context.keys {
      keys.cached = Cached(value: FetchedKeys(keys: known, readAt: readAt), readAt: readAt, freshUntil: now)
    }
  }

  /// Gets one token and verifies it: discovery, token request (RFC 6749, 4.4), keys, verification.
  ///
  /// - Throws: `AcquisitionFailure`. Its message holds no secret.
  public func acquire(_ request: TokenRequest) async throws(AcquisitionFailure) -> VerifiedToken {
    let attempt = Attempt(request, at: Moment.now().boot)
    let answer: TokenAnswer
    let metadata: ServerMetadata
    do throws(AcquisitionFailure) { (answer, metadata) = try await requestToken(request, attempt) } catch {
      throw server.located(error).without(request.sensitive)
    }
    do throws(AcquisitionFailure) {
      var token =
        switch request.verification {
        case .jwt: try await verifyBySignature(answer, request, metadata, attempt)
        case .introspection: try await verifyByIntrospection(answer, request, metadata, attempt)
        case .none: answer.verifiedToken(try answer.unverifiedClaims(request), request, metadata: metadata)
        }
      token.context.readAt = documentsReadAt
      return token
    } catch {
      let token = answer.response.accessToken
      let advice =
        error.code == .wrongIssuer ? SettingAdvice.accessTokenIssuer(of: token, announcedBy: metadata) : nil
      throw server.located(error.adding(advice)).without(request.sensitive + [token])
    }
  }

  /// The time at which the older of both documents was read.
  private var documentsReadAt: BootTime? { [metadata.cached?.readAt, keys.cached?.readAt].compactMap(\.self).min() }

  /// Revokes a token (RFC 7009), as the client to which it was issued.
  ///
  /// - Parameters:
  ///   - verifiedToken: The token, with the metadata of its server.
  ///   - request: The request that would bring a token now.
  ///   - timeout: The limit for the whole revocation.
  /// - Throws: `AcquisitionFailure` unless the server confirms it.
  public func revoke(
    _ verifiedToken: VerifiedToken, as request: TokenRequest, timeout: Duration
  ) async throws(AcquisitionFailure) {
    try await endpoint.revoke(verifiedToken, as: request, timeout: timeout)
  }

  /// Reads the server's keys as they are now, to verify a token of another source.
  ///
  /// - Parameter timeout: The limit for each of the two documents.
  /// - Throws: `AcquisitionFailure` if they cannot be read in time.
  public func fetchKeys(timeout: Duration = .seconds(10)) async throws(AcquisitionFailure) -> KeySet {
    let attempt = Attempt(timeout: timeout, at: Moment.now().boot)
    do throws(AcquisitionFailure) {
      return try await fetchKeys(try await fetchMetadata(attempt, longest: nil), attempt, longest: nil).keys
    } catch {
      throw server.located(error)
    }
  }

  /// Requests a token, if necessary at an endpoint that has moved.
  private func requestToken(
    _ request: TokenRequest, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> (TokenAnswer, ServerMetadata) {
    let needsKeys = request.verification == .jwt
    let known = try await currentMetadata(attempt, needsKeys: needsKeys)
    // Fail before requesting a token that could not be verified.
    if needsKeys { _ = try known.keyLocation }
    let answer: TokenAnswer
    do throws(AcquisitionFailure) {
      answer = try await endpoint.requestToken(request, at: known, attempt)
    } catch {
      guard error.suggestsMovedEndpoint, let moved = await rereadMetadata(attempt), moved.asksElsewhere(than: known)
      else { throw error }
      answer = try await endpoint.requestToken(request, at: moved, attempt)
    }
    return (answer, metadata.cached?.value ?? known)
  }

  // MARK: Documents

  func currentMetadata(
    _ attempt: Attempt, needsKeys: Bool
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    // A document that lacks a member is read again at each attempt, even if it is fresh.
    if let cached = metadata.cached, Moment.now().boot < cached.freshUntil, !needsKeys || cached.value.jwksURI != nil {
      return cached.value
    }
    do {
      return try await readMetadata(attempt, longest: substituteTimeout(metadata))
    } catch {
      // An outage of discovery alone has no effect while the token endpoint works. A wrong document is a failure.
      guard let lastGood = metadata.substitute(after: error, at: Moment.now().boot) else { throw error }
      return lastGood
    }
  }

  /// The limit for reading a document that has a substitute; nil if there is none.
  private func substituteTimeout<Value>(_ cache: DocumentCache<Value>) -> Duration? {
    cache.hasSubstitute(at: Moment.now().boot) ? Attempt.substituteTimeout : nil
  }

  /// Reads the document again after a failure of its endpoint. Returns nil if this attempt has read it already, or if
  /// it was read too often.
  func rereadMetadata(_ attempt: Attempt) async -> ServerMetadata? {
    guard let cached = metadata.cached, cached.readAt < attempt.start,
      metadata.reloads.permits(at: Moment.now().boot)
    else { return nil }
    return try? await readMetadata(attempt, longest: attempt.lastResortTimeout)
  }

  private func readMetadata(
    _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    try await read(issuer, into: metadata, attempt, longest: longest) { () async throws(AcquisitionFailure) in
      try await self.fetchMetadata(attempt, longest: longest)
    }
  }

  private func fetchMetadata(
    _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    var firstFailure: AcquisitionFailure?
    for location in locations.discovery.map({ [$0] }) ?? ServerMetadata.locations(of: issuer) {
      do {
        let response = try await server.get(
          location, "discovery", timeout: try attempt.allowance(at: Moment.now().boot, longest: longest),
          collectsCertificates: server.observe != nil)
        let parsed = try ServerMetadata(
          parsing: response.body, issuer: issuer, locations: locations, at: location)
        let now = Moment.now().boot
        // A document without keys is enough for some tokens, but it must not replace one with keys.
        if parsed.jwksURI != nil || metadata.cached?.value.jwksURI == nil {
          let freshness = Freshness.bounded(Freshness.stated(by: response))
          metadata.cached = Cached(value: parsed, readAt: now, freshUntil: now + freshness)
        }
        server.observe?(.discovered(parsed))
        return parsed
      } catch {
        // The second location is tried only if the first has no document, or a page that the server has everywhere. The
        // failure of the second location is reported, unless it has no document either.
        let isNotHere = error.code == .documentRejected
        guard isNotHere || (firstFailure == nil && metadata.cached == nil && error.code == .malformedAnswer) else {
          throw error
        }
        firstFailure = firstFailure ?? error
      }
    }
    let failure = firstFailure ?? AcquisitionFailure(.discoveryIncomplete, "\(issuer) has no discovery document")
    throw failure.adding(
      locations.discovery == nil && failure.code == .documentRejected ? SettingAdvice.discovery : nil)
  }

  private func currentKeys(_ metadata: ServerMetadata, _ attempt: Attempt) async throws(AcquisitionFailure) -> KeySet {
    if let cached = keys.cached, Moment.now().boot < cached.freshUntil { return cached.value.keys }
    do {
      return try await readKeys(metadata, attempt, longest: substituteTimeout(keys)).keys
    } catch {
      guard let lastGood = keys.substitute(after: error, at: Moment.now().boot) else { throw error }
      return lastGood.keys
    }
  }

  func readKeys(
    _ metadata: ServerMetadata, _ attempt: Attempt, longest: Duration?, isConditional: Bool = true
  ) async throws(AcquisitionFailure) -> FetchedKeys {
    try await read(try metadata.keyLocation, into: keys, attempt, longest: longest) {
      () async throws(AcquisitionFailure) in
      try await self.fetchKeys(metadata, attempt, longest: longest, isConditional: isConditional)
    }
  }

  /// Reads the key set.
  ///
  /// - Parameter isConditional: Whether the server may answer that the cached one of the same location is current.
  private func fetchKeys(
    _ metadata: ServerMetadata, _ attempt: Attempt, longest: Duration?, isConditional: Bool = true
  ) async throws(AcquisitionFailure) -> FetchedKeys {
    let location = try metadata.keyLocation
    let known = keys.cached.flatMap { isConditional && $0.value.location == location ? $0.value : nil }
    let sentAt = Moment.now().boot
    let response: HTTPResponse
    do throws(AcquisitionFailure) {
      response = try await server.get(
        location, "keys", timeout: try attempt.allowance(at: sentAt, longest: longest),
        conditions: known?.validators?.conditions ?? [])
    } catch {
      // A proxy on the way can reject the condition rather than the request.
      if error.code == .documentRejected { keys.cached?.value.validators = nil }
      throw error
    }
    let fetched: FetchedKeys
    if response.status == 304 {
      guard let confirmed = known?.confirmed(by: response, readAt: sentAt) else {
        return try await fetchKeys(metadata, attempt, longest: longest, isConditional: false)
      }
      fetched = confirmed
    } else {
      fetched = try FetchedKeys(parsing: response, from: location, readAt: sentAt)
    }
    // The response to a later request can arrive earlier.
    if sentAt >= keys.cached?.readAt ?? sentAt {
      let freshUntil = Moment.now().boot + Freshness.bounded(fetched.freshness)
      keys.cached = Cached(value: fetched, readAt: sentAt, freshUntil: freshUntil)
    }
    server.observe?(.keys(count: fetched.keys.count))
    return fetched
  }

  /// Waits for the reading of `url` that is under way, or starts one by `fetch`.
  private func read<Value>(
    _ url: String, into cache: DocumentCache<Value>, _ attempt: Attempt, longest: Duration?,
    fetch: @escaping @Sendable () async throws(AcquisitionFailure) -> Value
  ) async throws(AcquisitionFailure) -> Value {
    if let reading = cache.reading, reading.serves(url, at: Moment.now().boot) {
      let allowance = try attempt.allowance(at: Moment.now().boot, longest: longest)
      if let result = await reading.task.value(within: allowance, executor: executor) { return try result.get() }
      // The next attempt sends its own request: another connection can succeed.
      if cache.reading?.task == reading.task { cache.reading = nil }
      throw reading.overdue(after: allowance)
    }
    let task = Task(executorPreference: executor) { () -> Result<Value, AcquisitionFailure> in
      do throws(AcquisitionFailure) { return .success(try await fetch()) } catch { return .failure(error) }
    }
    cache.reading = Reading(of: url, limit: attempt.limit, task)
    let result = await task.value
    if cache.reading?.task == task { cache.reading = nil }
    return try result.get()
  }

  // MARK: Verification

  /// Introspects the token, if necessary at an endpoint that has moved.
  private func verifyByIntrospection(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> VerifiedToken {
    do throws(AcquisitionFailure) {
      let claims = try await endpoint.introspect(answer, request, metadata, attempt)
      return answer.verifiedToken(claims, request, metadata: metadata)
    } catch {
      guard error.suggestsMovedEndpoint, let moved = await rereadMetadata(attempt),
        moved.introspectsElsewhere(than: metadata)
      else { throw error }
      let claims = try await endpoint.introspect(answer, request, moved, attempt)
      return answer.verifiedToken(claims, request, metadata: moved)
    }
  }

  /// Verifies the token by the server's keys, if necessary at a location that has moved.
  private func verifyBySignature(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> VerifiedToken {
    do throws(AcquisitionFailure) {
      return try await verifyByCurrentKeys(answer, request, metadata, attempt)
    } catch {
      // The discovery document can be a day old.
      guard error.suggestsMovedKeys, let moved = await rereadMetadata(attempt), moved.jwksURI != metadata.jwksURI
      else { throw error }
      return try await verifyByFreshKeys(answer, request, moved, attempt)
    }
  }

  private func verifyByCurrentKeys(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> VerifiedToken {
    let known = try await currentKeys(metadata, attempt)
    do throws(VerificationFailure) {
      let claims = try claims(of: answer, request, known)
      return answer.verifiedToken(claims, request, metadata: metadata, keys: known)
    } catch {
      // The signing key can be newer than the cached keys. An attempt of another token can already be reading them.
      guard error.suggestsKeyReload, keys.reading != nil || keys.reloads.permits(at: Moment.now().boot) else {
        throw AcquisitionFailure(error, clockSkew: answer.skew)
      }
    }
    return try await verifyByFreshKeys(answer, request, metadata, attempt)
  }

  private func verifyByFreshKeys(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> VerifiedToken {
    // Some servers change their keys and keep the ETag.
    let fresh = try await readKeys(metadata, attempt, longest: nil, isConditional: false).keys
    do throws(VerificationFailure) {
      let claims = try claims(of: answer, request, fresh)
      return answer.verifiedToken(claims, request, metadata: metadata, keys: fresh)
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  private func claims(
    of answer: TokenAnswer, _ request: TokenRequest, _ keys: KeySet
  ) throws(VerificationFailure) -> AccessTokenClaims {
    try answer.checkingTime(leeway: request.policy.leeway) { (unixTime) throws(VerificationFailure) in
      try AccessTokenVerifier.verify(
        token: answer.response.accessToken, keys: keys, policy: request.policy,
        grantedScope: answer.response.scope, unixTime: unixTime)
    }
  }
}
