import Base
import Engine
import Files
import OAuth
import Publication
import Settings

/// Starts the lifecycle of a token. It starts with the token of the previous run if that one verifies, else with a
/// request.
@BrokerActor final class TokenStarter {
  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog
  private let sender: RequestSender
  private let publisher: TokenPublisher
  private let watch: OutputWatch
  private var onTakeover: @Sendable (String) -> Void = { _ in }
  /// The status that the previous run left, and its tokens by their names.
  private var previous: (status: BrokerStatus, tokens: [String: TokenStatus])?
  /// The tokens that have not started yet.
  private var waiting: [ManagedToken] = []

  nonisolated init(
    _ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog, _ sender: RequestSender,
    _ publisher: TokenPublisher, _ watch: OutputWatch
  ) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
    self.sender = sender
    self.publisher = publisher
    self.watch = watch
  }

  /// Sets the handler that gets the state file of each token whose files the broker begins to manage.
  func connect(onTakeover: @escaping @Sendable (String) -> Void) { self.onTakeover = onTakeover }

  /// Notes that the broker manages the token's files from now on. `LeftoverWatch` must not remove them.
  func release(_ token: ManagedToken) { onTakeover(token.settings.statePath) }

  /// Sets what the previous run left, or forgets it. A token that is configured later starts a new count.
  func use(_ previous: BrokerStatus?) {
    self.previous = previous.map { status in
      (status, Dictionary(status.tokens.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first }))
    }
  }

  /// Lets a token start with the next call of `startWaiting`.
  func add(_ token: ManagedToken) { waiting.append(token) }

  /// Starts the tokens that were added. Those on disks, which can hang, do not wait for each other.
  func startWaiting() async {
    let added = waiting
    waiting = []
    guard added.contains(where: \.files.arePersistent) else {
      for token in added { await start(token) }
      return
    }
    await withTaskGroup(of: Void.self) { group in
      for token in added { group.addTask { await self.start(token) } }
    }
  }

  private func start(_ token: ManagedToken) async {
    guard isUnstarted(token) else { return }
    var restored = await restore(token)
    guard isUnstarted(token) else { return }
    if let record = token.record {
      let files = token.files
      let examined = try? await publisher.besideIfPersistent(token) {
        var files = files
        let areRight = files.restore(record)
        return (files, areRight)
      }
      guard isUnstarted(token) else { return }
      if let examined {
        token.files = examined.0
        restored?.areFilesRight = examined.1
      }
    }
    release(token)
    let past = previous?.tokens[token.name]
    if let past, past.issuer == token.settings.issuer, past.apiURL == token.settings.apiURL?.url {
      token.apiAcceptedAt = past.apiAcceptedAt
      restored?.wasAcceptedByAPI = past.apiAcceptedAt != nil
      if let times = restored { restored?.rejection = past.rejection(of: times, token.settings) }
    }
    let availability = past.flatMap { previous?.status.availability(of: $0, restored: restored, at: .now()) }
    loop.post(.restored(token.name, restored, availability))
    watch.add(token)
  }

  /// Whether the token is still managed and not started. This can change while files are read.
  private func isUnstarted(_ token: ManagedToken) -> Bool {
    tokens[token.name] === token && loop.engine.lifecycle(of: token.name)?.phase == .unstarted
  }

  /// Restores the token that the previous run published. Removes a token that does not verify.
  ///
  /// - Returns: `nil` if there is none.
  private func restore(_ token: ManagedToken) async -> RestoredToken? {
    let settings = token.settings
    do throws(PrivateFile.Unreadable) {
      let leftovers = try await publisher.besideIfPersistent(token) {
        Result { () throws(PrivateFile.Unreadable) in
          try TokenRestoration.Leftovers(of: settings)
        }
      }.get()
      let restored = try await TokenRestoration.verify(leftovers, for: settings, now: Moment.now())
      let verified = restored.verifiedToken
      token.take(
        TokenRecord(
          verifiedToken: verified, fingerprint: restored.fingerprint, policy: restored.policy,
          context: sender.encode(verified.context, of: token.server)))
      token.notification.skip(verified.requestedAt.boot)
      token.history.clientAuthentication = verified.clientAuthentication
      token.history.skew = verified.skew
      var times = RestoredToken(requestedAt: verified.requestedAt.boot, lifetime: verified.lifetime)
      // A new token is needed to repeat the introspection, or because settings or secrets have changed. The old one
      // stays published until then.
      times.digest = TokenDigest(of: verified.accessToken)
      times.needsSuccessor =
        settings.verification == .introspection || !restored.isCurrent || token.working != nil
      // The context of previous settings can belong to another server.
      if restored.isCurrent, token.working == nil { token.noteSuccess(of: nil) }
      if restored.isCurrent { await sender.server(of: token).adopt(verified.context) }
      return times
    } catch {
      guard isUnstarted(token) else { return nil }
      log.write(.debug, "no token of the previous run is reused: \(error.reason)", of: token)
      await publisher.removeFiles(of: token)
      return nil
    }
  }
}

extension RestoredToken {
  fileprivate var expiresAt: BootTime { requestedAt + lifetime - RefreshSchedule.rounding }
}

extension TokenStatus {
  /// Why this token is not accepted any more, by this status of the previous run.
  ///
  /// The text is made anew, because the text of the previous run is not trusted.
  fileprivate func rejection(of token: RestoredToken, _ settings: TokenSettings) -> AcquisitionFailure? {
    guard let rejection, expiresAtBoot == token.expiresAt.nanoseconds else { return nil }
    switch FailureCode(rawValue: rejection.code) {
    case .keyWithdrawn?:
      return AcquisitionFailure(
        .keyWithdrawn, "the keys of \(issuer) no longer verify the published token, as the previous run found")
    case .tokenRevoked?: return .tokenRevoked(issuer: issuer)
    case .apiProbe?: return apiURL.map { .apiRejection(of: $0, error: nil, transport: settings.transport) }
    default: return nil
    }
  }
}

/// Verifies the token in the file of the previous run, with the data in its state file.
enum TokenRestoration {
  /// The bytes of the previous run's files.
  struct Leftovers: Sendable {
    let state: Secret
    let file: Secret

    /// Reads them.
    init(of settings: TokenSettings) throws(PrivateFile.Unreadable) {
      guard let output = settings.outputs.first else { throw .init(reason: "there is no output") }
      state = try PrivateFile.read(settings.statePath, maximum: TokenState.sizeLimit)
      file = try PrivateFile.read(output.path, maximum: 1 << 18)
    }
  }

  /// A token that is restored, with the settings that it was requested with.
  struct Restored {
    var verifiedToken: VerifiedToken
    /// `TokenSettings.requestFingerprint` at that time.
    var fingerprint: String
    /// `TokenSettings.policy` at that time.
    var policy: AccessTokenPolicy
    /// Whether the present settings request the same.
    var isCurrent: Bool
  }

  /// Finds the token of the file in the state file and verifies it again.
  ///
  /// - Throws: why the token is not restored, for a line at debug level.
  static func verify(
    _ leftovers: Leftovers, for settings: TokenSettings, now: Moment
  ) async throws(PrivateFile.Unreadable) -> Restored {
    let stored = leftovers.state
    guard let state = TokenState.decode(stored) else {
      throw .init(reason: "the state file is of another version, or has values that no daemon writes")
    }
    guard !state.bootID.isEmpty, state.bootID == BootID.current else {
      throw .init(reason: "it is from before this boot")
    }
    // The first output holds the token and nothing else.
    let token = leftovers.file
    let digest = TokenState.digest(token)
    guard let known = state.tokens.first(where: { $0.digest == digest }) else {
      throw .init(reason: "the file does not hold a token that was put there")
    }
    guard var context = EncodedContext.decode(known.context) else {
      throw .init(reason: "the state file does not say how it was verified")
    }
    let age = now.boot - known.requestedAt
    guard age >= .zero, age < known.lifetime - RefreshSchedule.rounding else {
      throw .init(reason: "it has expired")
    }
    // As at a reload, a token of previous settings stays until the next token comes. It must be what those settings
    // requested.
    let isCurrent = known.fingerprint == settings.requestFingerprint
    let policy = isCurrent ? settings.policy : known.policy
    let verification = isCurrent ? settings.verification : known.claims == nil ? .jwt : .none
    let claims = try claims(
      of: token, known, context, verification, policy, unixTime: known.serverTime + age.seconds)
    // These keys did not verify the token, whatever the file says.
    if verification != .jwt { context.keys = nil }
    var requestedAt = now
    requestedAt.boot = known.requestedAt
    requestedAt.unix -= age.seconds
    let verifiedToken = VerifiedToken(
      accessToken: token, claims: claims, requestedAt: requestedAt, lifetime: known.lifetime,
      scope: known.grantedScope, skew: .seconds(known.serverTime + age.seconds - now.unix),
      clientAuthentication: known.clientAuthentication, context: context)
    return Restored(verifiedToken: verifiedToken, fingerprint: known.fingerprint, policy: policy, isCurrent: isCurrent)
  }

  /// The token's claims. A JWT is verified again, by the keys that it was verified with.
  ///
  /// Of any other token, only the digest is known here. The server knows more. The digest shows that this token was
  /// published, and the state file belongs to this user.
  private static func claims(
    of token: Secret, _ known: TokenState.Token, _ context: VerificationContext, _ verification: TokenVerification,
    _ policy: AccessTokenPolicy, unixTime: Double
  ) throws(PrivateFile.Unreadable) -> AccessTokenClaims {
    guard verification == .jwt else {
      guard let claims = known.claims else { throw .init(reason: "the state file lacks its claims") }
      return claims
    }
    guard let keys = context.keys else { throw .init(reason: "there are no keys to verify it with") }
    do {
      return try AccessTokenVerifier.verify(
        token: token, keys: keys, policy: policy, grantedScope: known.grantedScope, unixTime: unixTime)
    } catch {
      throw .init(reason: "it does not verify: \(error.message)")
    }
  }
}
