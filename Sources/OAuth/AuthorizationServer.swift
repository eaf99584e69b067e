public import Base
public import HTTP

/// One authorization server as this host sees it: its discovery document and keys, kept while they are fresh and as long as there is
/// nothing better, and the way to a verified token.
public actor AuthorizationServer {
  /// The server's name, as configured.
  public nonisolated let issuer: String

  let transport: TransportSettings
  let http: HTTPClient
  /// Told of each step of an attempt, if anybody watches.
  let observe: (@Sendable (AcquisitionStep) -> Void)?
  private let executor: (any TaskExecutor)?
  private var metadata: Cached<ServerMetadata>?
  private var keys: Cached<KeySet>?
  private var keyReloads = ReloadLimit()
  private var metadataReloads = ReloadLimit()
  /// What the server's clock shows when the boot-time clock shows zero, seconds since 1970, as its last answer told.
  private var serverTimeAtBoot: Double?
  private var readingMetadata: Reading<ServerMetadata>?
  private var readingKeys: Reading<KeySet>?

  /// A server of which nothing is known yet. `observe` is told of each step of an attempt, in order; `executor` runs what it begins itself.
  public init(
    issuer: String, transport: TransportSettings, http: HTTPClient, executor: (any TaskExecutor)? = nil,
    observe: (@Sendable (AcquisitionStep) -> Void)? = nil
  ) {
    self.issuer = issuer
    self.transport = transport
    self.http = http
    self.executor = executor
    self.observe = observe
  }

  /// Takes what a former run knew of the server, to serve until it can be read anew. Does not replace what is known already.
  public func adopt(_ context: VerificationContext) {
    let now = Moment.now().boot
    if metadata == nil { metadata = Cached(value: context.metadata, readAt: now, freshUntil: now) }
    if keys == nil, let known = context.keys { keys = Cached(value: known, readAt: now, freshUntil: now) }
  }

  /// Gets one token and verifies it: discovery, token request (RFC 6749, 4.4), keys, verification.
  ///
  /// - Throws: `AcquisitionFailure`. Nothing that it says holds a secret.
  public func acquire(_ request: TokenRequest) async throws(AcquisitionFailure) -> VerifiedToken {
    let attempt = Attempt(request, at: Moment.now().boot)
    let answer: TokenAnswer
    let metadata: ServerMetadata
    do throws(AcquisitionFailure) { (answer, metadata) = try await ask(request, attempt) } catch {
      throw error.without(request.sensitive)
    }
    do throws(AcquisitionFailure) { return try await verified(answer, request, metadata, attempt) } catch {
      throw error.without(request.sensitive + [answer.response.accessToken])
    }
  }

  private func ask(
    _ request: TokenRequest, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> (TokenAnswer, ServerMetadata) {
    let needsKeys = request.verification == .jwt
    let known = try await currentMetadata(attempt, needsKeys: needsKeys)
    // Said before a token is asked for that nobody could verify.
    if needsKeys { _ = try known.keyLocation }
    var answer: TokenAnswer
    do {
      answer = try await exchange(request, at: known, attempt)
    } catch  where error.suggestsMovedEndpoint {
      // The endpoint may have moved since its discovery document was read.
      guard let moved = await rereadMetadata(attempt), moved.asksElsewhere(than: known) else { throw error }
      answer = try await exchange(request, at: moved, attempt)
    }
    return (answer, metadata?.value ?? known)
  }

  private func verified(
    _ answer: TokenAnswer, _ request: TokenRequest, _ current: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> VerifiedToken {
    switch request.verification {
    case .jwt:
      let verified = try await verify(answer, request, current, attempt)
      return verifiedToken(
        answer, verified.claims, request, VerificationContext(metadata: verified.metadata, keys: verified.keys))
    case .introspection:
      let introspected = try await introspect(answer, request, orMoved: current, attempt)
      return verifiedToken(
        answer, introspected.claims, request, VerificationContext(metadata: introspected.metadata, keys: nil))
    case .none:
      let claims = try unverifiedClaims(answer, request)
      return verifiedToken(answer, claims, request, VerificationContext(metadata: current, keys: nil))
    }
  }

  // MARK: The server's clock

  /// The present time, seconds since 1970: by this host's clock, or by the server's if that shows another time.
  var timeAtServer: Double {
    let now = Moment.now()
    guard let serverTimeAtBoot else { return now.unix }
    let atServer = serverTimeAtBoot + (now.boot - BootTime(nanoseconds: 0)).seconds
    return abs(atServer - now.unix) < Self.noticeableSkew ? now.unix : atServer
  }

  /// Beyond the second that `Date` is cut to, and the time an answer takes.
  private static let noticeableSkew = 5.0

  func noteTime(of response: HTTPResponse) {
    let now = Moment.now()
    guard let time = ClockSkew.serverTime(of: response) else { return }
    serverTimeAtBoot = time - (now.boot - BootTime(nanoseconds: 0)).seconds
  }

  // MARK: Discovery

  private func currentMetadata(
    _ attempt: Attempt, needsKeys: Bool
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    // A document without what is needed is read anew at each attempt, however fresh it is.
    if let metadata, Moment.now().boot < metadata.freshUntil, !needsKeys || metadata.value.jwksURI != nil {
      return metadata.value
    }
    do {
      return try await readMetadata(attempt, longest: metadata == nil ? nil : Attempt.substituteTimeout)
    } catch {
      // The token endpoint is what counts: an outage of discovery alone changes nothing. A document that says something wrong does.
      guard let lastGood = metadata, error.isOutage else { throw error }
      metadata?.freshUntil = Moment.now().boot + Freshness.afterOutage
      return lastGood.value
    }
  }

  /// Reads the document again after its endpoint failed: not too often, and not if this very attempt has read it.
  private func rereadMetadata(_ attempt: Attempt) async -> ServerMetadata? {
    guard let metadata, metadata.readAt < attempt.start, metadataReloads.permits(at: Moment.now().boot) else {
      return nil
    }
    return try? await readMetadata(attempt, longest: attempt.lastResortTimeout)
  }

  private func readMetadata(
    _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    if let readingMetadata, readingMetadata.serves(issuer, at: Moment.now().boot) {
      let allowance = try attempt.allowance(at: Moment.now().boot, longest: longest)
      if let result = await readingMetadata.task.value(within: allowance, executor: executor) {
        return try result.get()
      }
      // The next attempt asks for itself: another connection may get what this one does not.
      if self.readingMetadata?.task == readingMetadata.task { self.readingMetadata = nil }
      throw readingMetadata.overdue(after: allowance)
    }
    let task = Task(executorPreference: executor) { () -> Result<ServerMetadata, AcquisitionFailure> in
      do throws(AcquisitionFailure) {
        return .success(try await self.fetchMetadata(attempt, longest: longest))
      } catch {
        return .failure(error)
      }
    }
    readingMetadata = Reading(of: issuer, limit: attempt.limit, task)
    let result = await task.value
    if readingMetadata?.task == task { readingMetadata = nil }
    return try result.get()
  }

  private func fetchMetadata(
    _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> ServerMetadata {
    var firstFailure: AcquisitionFailure?
    for location in ServerMetadata.locations(of: issuer) {
      do {
        let response = try await get(location, "discovery", attempt, longest: longest)
        let parsed = try ServerMetadata(parsing: response.body, issuer: issuer)
        let now = Moment.now().boot
        // One without keys is of use to some tokens, but is no successor of one that has them.
        if parsed.jwksURI != nil || metadata?.value.jwksURI == nil {
          metadata = Cached(value: parsed, readAt: now, freshUntil: now + Freshness.of(response))
        }
        observe?(.discovered(parsed))
        return parsed
      } catch {
        // Only a server that answers "not here" is asked at the other place; or with a page that it has for every address. What the other
        // place says counts, unless that is "not here" as well.
        let isNotHere = error.code == .documentRejected
        guard isNotHere || (firstFailure == nil && metadata == nil && error.code == .malformedAnswer) else {
          throw error
        }
        firstFailure = firstFailure ?? error
      }
    }
    throw firstFailure ?? AcquisitionFailure(.discoveryIncomplete, "\(issuer) has no discovery document")
  }

  // MARK: Keys

  private func currentKeys(_ metadata: ServerMetadata, _ attempt: Attempt) async throws(AcquisitionFailure) -> KeySet {
    if let keys, Moment.now().boot < keys.freshUntil { return keys.value }
    do {
      return try await readKeys(metadata, attempt, longest: keys == nil ? nil : Attempt.substituteTimeout)
    } catch {
      guard let lastGood = keys, error.isOutage else { throw error }
      keys?.freshUntil = Moment.now().boot + Freshness.afterOutage
      return lastGood.value
    }
  }

  private func readKeys(
    _ metadata: ServerMetadata, _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> KeySet {
    let location = try metadata.keyLocation
    if let readingKeys, readingKeys.serves(location, at: Moment.now().boot) {
      let allowance = try attempt.allowance(at: Moment.now().boot, longest: longest)
      if let result = await readingKeys.task.value(within: allowance, executor: executor) { return try result.get() }
      // The next attempt asks for itself: another connection may get what this one does not.
      if self.readingKeys?.task == readingKeys.task { self.readingKeys = nil }
      throw readingKeys.overdue(after: allowance)
    }
    let task = Task(executorPreference: executor) { () -> Result<KeySet, AcquisitionFailure> in
      do throws(AcquisitionFailure) {
        return .success(try await self.fetchKeys(metadata, attempt, longest: longest))
      } catch {
        return .failure(error)
      }
    }
    readingKeys = Reading(of: location, limit: attempt.limit, task)
    let result = await task.value
    if readingKeys?.task == task { readingKeys = nil }
    return try result.get()
  }

  private func fetchKeys(
    _ metadata: ServerMetadata, _ attempt: Attempt, longest: Duration?
  ) async throws(AcquisitionFailure) -> KeySet {
    let response = try await get(try metadata.keyLocation, "keys", attempt, longest: longest)
    let parsed: KeySet
    do {
      parsed = try KeySet(parsing: response.body)
    } catch {
      throw AcquisitionFailure(
        .malformedAnswer, "\(try metadata.keyLocation) answered with no usable key set: \(error)")
    }
    let now = Moment.now().boot
    keys = Cached(value: parsed, readAt: now, freshUntil: now + Freshness.of(response))
    observe?(.keys(count: parsed.count))
    return parsed
  }

  /// The server's keys as it publishes them now, for judging a token that was got elsewhere.
  ///
  /// - Throws: `AcquisitionFailure` if they cannot be had within `timeout` for each of the two documents.
  public func fetchKeys(timeout: Duration = .seconds(10)) async throws(AcquisitionFailure) -> KeySet {
    let attempt = Attempt(timeout: timeout, at: Moment.now().boot)
    return try await fetchKeys(try await fetchMetadata(attempt, longest: nil), attempt, longest: nil)
  }

  // MARK: Verification

  /// A token's claims, and what vouches for them.
  private struct Verified {
    var claims: AccessTokenClaims
    var metadata: ServerMetadata
    var keys: KeySet
  }

  private func verify(
    _ answer: TokenAnswer, _ request: TokenRequest, _ metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Verified {
    do throws(AcquisitionFailure) {
      return try await verify(answer, request, byKeysOf: metadata, attempt)
    } catch {
      // The keys may have moved since the discovery document was read, which may be a day ago.
      guard error.suggestsMovedKeys, let moved = await rereadMetadata(attempt), moved.jwksURI != metadata.jwksURI
      else { throw error }
      return try await verify(answer, request, byFreshKeysOf: moved, attempt)
    }
  }

  private func introspect(
    _ answer: TokenAnswer, _ request: TokenRequest, orMoved metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> (claims: AccessTokenClaims, metadata: ServerMetadata) {
    do throws(AcquisitionFailure) {
      return (try await introspect(answer, request, metadata, attempt), metadata)
    } catch {
      guard error.suggestsMovedEndpoint, let moved = await rereadMetadata(attempt),
        moved.introspectsElsewhere(than: metadata)
      else { throw error }
      return (try await introspect(answer, request, moved, attempt), moved)
    }
  }

  private func verify(
    _ answer: TokenAnswer, _ request: TokenRequest, byKeysOf metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Verified {
    let known = try await currentKeys(metadata, attempt)
    do throws(VerificationFailure) {
      return Verified(claims: try await verify(answer, request, known), metadata: metadata, keys: known)
    } catch {
      guard error.suggestsKeyReload else { throw AcquisitionFailure(error, clockSkew: answer.skew) }
      // The signing key may have been rotated since the keys were read. Another token's attempt may be reading them already.
      guard readingKeys != nil || keyReloads.permits(at: Moment.now().boot) else {
        throw AcquisitionFailure(error, clockSkew: answer.skew)
      }
    }
    return try await verify(answer, request, byFreshKeysOf: metadata, attempt)
  }

  private func verify(
    _ answer: TokenAnswer, _ request: TokenRequest, byFreshKeysOf metadata: ServerMetadata, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Verified {
    let fresh = try await readKeys(metadata, attempt, longest: nil)
    do throws(VerificationFailure) {
      return Verified(claims: try await verify(answer, request, fresh), metadata: metadata, keys: fresh)
    } catch {
      throw AcquisitionFailure(error, clockSkew: answer.skew)
    }
  }

  private func verify(
    _ answer: TokenAnswer, _ request: TokenRequest, _ keys: KeySet
  ) async throws(VerificationFailure) -> AccessTokenClaims {
    try await checked(answer, leeway: request.policy.leeway) { (unixTime) async throws(VerificationFailure) in
      try await AccessTokenVerifier.verify(
        token: answer.response.accessToken, keys: keys, policy: request.policy,
        grantedScope: answer.response.scope, unixTime: unixTime)
    }
  }

  /// What `check` makes of the present time.
  ///
  /// The token is the server's, and so is its clock: a host whose clock is wrong goes by the server's (whose `Date` came over the same TLS), and says so.
  func checked<Result: Sendable>(
    _ answer: TokenAnswer, leeway: Duration, _ check: (Double) async throws(VerificationFailure) -> Result
  ) async throws(VerificationFailure) -> Result {
    do throws(VerificationFailure) {
      return try await check(answer.receivedAt.unix)
    } catch {
      guard error.isAboutTime, let skew = answer.skew, abs(skew.seconds) > leeway.seconds else {
        throw error
      }
      return try await check(answer.receivedAt.unix + skew.seconds)
    }
  }

  private func verifiedToken(
    _ answer: TokenAnswer, _ claims: AccessTokenClaims, _ request: TokenRequest, _ context: VerificationContext
  ) -> VerifiedToken {
    VerifiedToken(
      accessToken: answer.response.accessToken, claims: claims, requestedAt: answer.sentAt,
      lifetime: .seconds(answer.lifetime(expiry: claims.expiry, issuedAt: claims.issuedAt)),
      scope: claims.scopes.isEmpty ? answer.response.scope ?? request.scope : claims.scopes,
      skew: answer.skew, clientAuthentication: answer.clientAuthentication, context: context)
  }
}
