import Base
import Engine
import HTTP
import OAuth
import Publication
import Settings

/// An authorization server and its connection settings.
struct ServerKey: Hashable {
  var issuer: String
  var locations: ServerLocations
  var transport: TransportSettings

  init(of settings: TokenSettings) {
    (issuer, locations, transport) = (settings.issuer, settings.locations, settings.transport)
  }
}

/// The history of one token's requests since the start.
struct RequestHistory {
  fileprivate(set) var requests = 0
  fileprivate(set) var tally = RequestTally()
  fileprivate(set) var lastFailure: (failure: AcquisitionFailure, at: Moment)?
  /// The server's clock minus this host's, by the last response.
  var skew: Duration?
  /// The method and secret that the server accepted last.
  var clientAuthentication: ClientAuthentication?
  /// What is unusual about the secret that was read last.
  fileprivate(set) var secretDoubt: String?
  /// What was unusual about the secrets that the server accepted last. It is no fault.
  fileprivate var acceptedDoubt: String?
  /// What is unusual about a secret that the server has not accepted yet.
  var openDoubt: String? { secretDoubt == acceptedDoubt ? nil : secretDoubt }
  /// The warnings about certificates that the last request used.
  fileprivate(set) var certificateWarnings: [String] = []

  fileprivate mutating func note(_ failure: AcquisitionFailure, sentAt: Moment, took: Duration? = nil) {
    let now = Moment.now()
    tally.count(failure, sentAt: sentAt, took: took ?? now.boot - sentAt.boot)
    lastFailure = (failure, now)
  }
}

/// Sends the token requests of the engine.
///
/// Requests run beside the broker. Their results are events.
@BrokerActor final class RequestSender {
  private struct Issuer {
    let id: ServerID
    let server: AuthorizationServer
    /// The verification context of its last token.
    var context: EncodedContext?
  }

  /// An attempt under way.
  private struct Attempt {
    /// When the reading of its secrets began, or when its request was sent.
    var began: Moment
    /// The request, if it has secrets from files.
    var request: TokenRequest?
    /// Why its secrets could not be read.
    var unreadable: AcquisitionFailure?
    /// Why the present request failed, and how long it took, if `ManagedToken.working` brought the token.
    var failure: (AcquisitionFailure, took: Duration)?
    var task: Task<Void, Never>?
    /// The token that it brought.
    var token: VerifiedToken?
  }

  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog
  private let http: HTTPClient
  private var issuers: [ServerKey: Issuer] = [:]
  private var attempts: [UInt64: Attempt] = [:]
  private var lastServer = 0
  private var onKeySet: @Sendable @BrokerActor (ServerID, KnownKeySet?) -> Void = { _, _ in }

  nonisolated init(_ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog, http: HTTPClient) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
    self.http = http
  }

  /// Sets the receiver of the key set that a request has read or found in memory.
  func connect(onKeySet: @escaping @Sendable @BrokerActor (ServerID, KnownKeySet?) -> Void) { self.onKeySet = onKeySet }

  // MARK: Issuers

  /// The server of a token.
  func server(of token: ManagedToken) -> AuthorizationServer { server(token.server) }

  /// The server with these connection settings.
  func server(_ key: ServerKey) -> AuthorizationServer { issuer(key).server }

  /// The engine's name of a token's server.
  func serverID(of token: ManagedToken) -> ServerID { issuer(token.server).id }

  /// The server of this name; `nil` if no token uses it any more.
  func server(_ id: ServerID) -> AuthorizationServer? { issuers.values.first { $0.id == id }?.server }

  /// The token that an attempt brought, before it is accepted.
  func token(of attempt: UInt64) -> VerifiedToken? { attempts[attempt]?.token }

  private func issuer(_ key: ServerKey) -> Issuer {
    if let known = issuers[key] { return known }
    lastServer += 1
    let issuer = Issuer(
      id: ServerID(lastServer),
      server: AuthorizationServer(
        issuer: key.issuer, locations: key.locations, transport: key.transport, http: http,
        executor: BrokerActor.requests))
    issuers[key] = issuer
    return issuer
  }

  /// Forgets the issuers that no token uses any more.
  func forgetUnused() {
    let used = Set(tokens.all.flatMap { [$0.server] + ($0.working.map { [$0.server] } ?? []) })
    issuers = issuers.filter { used.contains($0.key) }
  }

  // MARK: Attempts

  /// Reads secrets and keys beside the broker, so that a file that hangs delays no other token.
  func readSecrets(_ name: String, _ number: UInt64) {
    guard let token = tokens[name] else { return }
    attempts[number] = Attempt(began: .now())
    token.settings.requestWithFiles(preferring: token.history.clientAuthentication) { result in
      BrokerActor.async { self.finishReading(name, number, result) }
    }
  }

  private func finishReading(_ name: String, _ number: UInt64, _ result: Result<TokenRequest, AcquisitionFailure>) {
    guard attempts[number] != nil else { return }
    switch result {
    case .success(let request):
      attempts[number]?.request = request
      loop.post(.prepared(name, attempt: number, nil))
    // The previous secrets may bring a token.
    case .failure(let failure) where tokens[name]?.working != nil:
      attempts[number]?.unreadable = failure
      loop.post(.prepared(name, attempt: number, nil))
    case .failure(let failure): loop.post(.prepared(name, attempt: number, failure))
    }
  }

  /// Sends the request of an attempt.
  ///
  /// - Parameter mayFallBack: whether the request that brought the last token is sent if this one fails.
  func send(_ name: String, _ number: UInt64, timeout: Duration, mayFallBack: Bool) {
    guard let token = tokens[name] else { return }
    var attempt = attempts[number] ?? Attempt(began: .now())
    attempt.began = .now()
    let isHeld = token.hold.map { attempt.began.boot < $0.until } ?? false
    let working = mayFallBack && !isHeld ? token.working : nil
    // A server that does not answer must leave time for the other one.
    let isElsewhere = working.map { $0.server != token.server } ?? false
    let ownTimeout = isElsewhere ? min(timeout, Self.substituteTimeout) : timeout
    let request = request(of: token, attempt, timeout: ownTimeout)
    if case .failure(let failure) = request, working == nil {
      attempts[number] = attempt
      return loop.post(.finished(name, attempt: number, .failure(failure)))
    }
    log.write(.debug, "asking for a token", of: token)
    let (id, server, settings) = (serverID(of: token), server(of: token), token.settings)
    let reserve = working.map { (request: $0, server: self.server($0.server)) }
    let began = attempt.began.boot
    attempt.task = Task(executorPreference: BrokerActor.requests) {
      var outcome = Outcome(result: await server.acquire(request), began: began)
      if case .failure(let failure) = outcome.result, let reserve,
        reserve.request.canHelp(after: failure, of: try? request.get(), by: settings)
      {
        outcome.fallback = await reserve.server.acquire(reserve.request, timeout: timeout, since: began)
      }
      let keySet = await server.currentKeySet
      // Not awaited: the task would take another change of thread, only to end.
      BrokerActor.async { [outcome] in
        self.finish(name, number, outcome)
        self.onKeySet(id, keySet)
      }
    }
    attempts[number] = attempt
  }

  /// The result of an attempt.
  private struct Outcome {
    let result: Result<VerifiedToken, AcquisitionFailure>
    /// How long the present request took.
    let took: Duration
    /// The result of `ManagedToken.working`, if that was sent too.
    var fallback: Result<VerifiedToken, AcquisitionFailure>?

    init(result: Result<VerifiedToken, AcquisitionFailure>, began: BootTime) {
      self.result = result
      took = Moment.now().boot - began
    }
  }

  /// The limit of one exchange at a new server while the previous one can bring a token.
  private static let substituteTimeout = Duration.seconds(5)

  /// The request of an attempt, or why its secrets cannot be read.
  private func request(
    of token: ManagedToken, _ attempt: Attempt, timeout: Duration
  ) -> Result<TokenRequest, AcquisitionFailure> {
    if let failure = attempt.unreadable { return .failure(failure) }
    do throws(AcquisitionFailure) {
      // If the secrets are in no files, nothing can hang here.
      var request: TokenRequest
      if let prepared = attempt.request {
        request = prepared
      } else {
        request = try token.settings.request(preferring: token.history.clientAuthentication)
      }
      request.timeout = timeout
      note(doubt: request.credentials.secretDoubt, token)
      token.history.requests += 1
      note(request.certificateWarnings(unixTime: Moment.now().unix), token)
      return .success(request)
    } catch {
      return .failure(error)
    }
  }

  private func finish(_ name: String, _ number: UInt64, _ outcome: Outcome) {
    // An abandoned attempt has no result.
    guard attempts[number] != nil, let token = tokens[name] else { return }
    attempts[number]?.task = nil
    var (result, fallback) = (outcome.result, ReceivedToken.Fallback?.none)
    if let second = outcome.fallback, case .failure(let failure) = outcome.result {
      token.history.requests += 1
      switch second {
      case .success:
        let isOfFormer = token.working?.bringsOtherTokens(than: token.settings) ?? false
        (result, fallback) = (second, ReceivedToken.Fallback(failure, isOfFormerSettings: isOfFormer))
        attempts[number]?.failure = (failure, outcome.took)
      case .failure(let own): hold(token, after: own)
      }
    }
    attempts[number]?.token = try? result.get()
    let received = result.map {
      var received = ReceivedToken(
        requestedAt: $0.requestedAt.boot, lifetime: $0.lifetime, digest: TokenDigest(of: $0.accessToken))
      received.fallback = fallback
      return received
    }
    loop.post(.finished(name, attempt: number, received))
  }

  /// Sends the previous request later, because it brought no token either.
  private func hold(_ token: ManagedToken, after failure: AcquisitionFailure) {
    let now = Moment.now().boot
    let newest = loop.engine.lifecycle(of: token.name)?.newest
    token.noteFailure(ofWorking: failure, remaining: newest.map { $0.expiresAt - now }, at: now)
    log.write(
      token.hold?.failures == 1 ? .warning : .debug,
      "\(token.name): the previous settings or secrets bring no token either: \(failure.message)", of: token,
      ["failure": "\(failure.code.rawValue)"])
  }

  /// Abandons an attempt. Its result is dropped.
  func abandon(_ number: UInt64) { removeAttempt(number)?.task?.cancel() }

  /// Removes an attempt. The memory of an empty table is returned: at the start, it has an attempt for each token.
  private func removeAttempt(_ number: UInt64) -> Attempt? {
    defer { if attempts.isEmpty { attempts = [:] } }
    return attempts.removeValue(forKey: number)
  }

  /// Counts a failed attempt.
  func noteFailure(_ name: String, _ number: UInt64, _ failure: AcquisitionFailure) {
    guard let attempt = removeAttempt(number) else { return }
    tokens[name]?.history.note(failure, sentAt: attempt.token?.requestedAt ?? attempt.began)
  }

  /// Makes the token of an attempt the newest one.
  ///
  /// - Parameter times: its times. A token that the server returned before keeps the times of the first response.
  func accept(_ name: String, _ number: UInt64, _ times: TokenTimes) {
    guard let token = tokens[name], var verified = finish(number, token) else { return }
    verified.limit(to: times)
    let settings = token.hasFallenBack ? token.working?.settings ?? token.settings : token.settings
    token.take(
      TokenRecord(
        verifiedToken: verified, fingerprint: settings.requestFingerprint, policy: settings.policy,
        context: encode(verified.context, of: ServerKey(of: settings))))
  }

  /// Keeps the newest token, because an attempt brought it again, or brought an earlier one.
  func keep(_ name: String, _ number: UInt64) {
    if let token = tokens[name] { _ = finish(number, token) }
  }

  /// Counts a successful attempt; returns the token that it brought.
  private func finish(_ number: UInt64, _ token: ManagedToken) -> VerifiedToken? {
    guard let attempt = removeAttempt(number), let verified = attempt.token else { return nil }
    note(skew: verified.skew, token)
    let took = Moment.now().boot - attempt.began.boot
    if let failure = attempt.failure {
      token.history.note(failure.0, sentAt: attempt.began, took: failure.took)
      token.history.tally.count(nil, sentAt: verified.requestedAt, took: took - failure.took)
      token.noteFallback()
      return verified
    }
    token.history.tally.count(nil, sentAt: verified.requestedAt, took: took)
    token.history.acceptedDoubt = token.history.secretDoubt
    note(verified.clientAuthentication, token)
    token.noteSuccess(of: attempt.request)
    return verified
  }

  /// The verification context for the state file. It is encoded once for all tokens of an issuer.
  func encode(_ context: VerificationContext, of server: ServerKey) -> EncodedContext {
    if let known = issuer(server).context, known.context == context { return known }
    let encoded = EncodedContext(context)
    issuers[server]?.context = encoded
    return encoded
  }

  private func note(_ clientAuthentication: ClientAuthentication, _ token: ManagedToken) {
    let before = token.history.clientAuthentication
    token.history.clientAuthentication = clientAuthentication
    if clientAuthentication.secretIndex != before?.secretIndex ?? 0 {
      let secret = clientAuthentication.secretIndex == 0 ? "first" : "second"
      log.write(
        .notice, "the server took the \(secret) of the two client secrets and no longer the other", of: token)
    }
    // If the settings leave the method open, the log shows the values that can be written into them.
    if token.settings.leavesClientAuthenticationOpen,
      clientAuthentication.method != before?.method || clientAuthentication.encoding != before?.encoding
    {
      log.write(.notice, "\(token.name): the server accepts \(clientAuthentication.description)", of: token)
    }
  }

  /// Reports an unusual secret once, and before the server can reject the client.
  private func note(doubt: String?, _ token: ManagedToken) {
    let before = token.history.secretDoubt
    token.history.secretDoubt = doubt
    guard let doubt, doubt != before, token.history.openDoubt != nil else { return }
    log.write(.warning, "\(doubt); remove that if the server rejects the client", of: token)
  }

  private func note(_ certificateWarnings: [String], _ token: ManagedToken) {
    for warning in certificateWarnings where !token.history.certificateWarnings.contains(warning) {
      log.write(
        .warning,
        "\(token.name): \(warning); register a new one at the server, then replace "
          + "assertion_certificate_file and private_key_file", of: token)
    }
    token.history.certificateWarnings = certificateWarnings
  }

  private func note(skew: Duration?, _ token: ManagedToken) {
    let before = token.history.skew
    token.history.skew = skew
    guard let skew, ClockSkew.isReported(skew), ClockSkew.isReported(skew - (before ?? .zero)) else { return }
    log.write(
      .warning, "\(ClockSkew.sentence(skew)); check this host's time synchronisation (timedatectl)",
      .clockSkew, of: token)
  }
}

extension VerifiedToken {
  /// Sets the times of the first response for a token that the server returned before.
  fileprivate mutating func limit(to times: TokenTimes) {
    let age = requestedAt.boot - times.requestedAt
    guard age != .zero || requestedAt.boot + lifetime - RefreshSchedule.rounding != times.expiresAt else { return }
    requestedAt = Moment(
      boot: times.requestedAt, unix: requestedAt.unix - age.seconds, monotonic: requestedAt.monotonic - age)
    lifetime = times.expiresAt - times.requestedAt + RefreshSchedule.rounding
  }
}
