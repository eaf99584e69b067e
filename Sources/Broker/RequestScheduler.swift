import Base
import Engine
import HTTP
import OAuth
import Publication
import Settings

/// An authorization server and the way to it.
struct ServerKey: Hashable {
  var issuer: String
  var transport: TransportSettings
}

/// One token's attempt under way.
struct RequestAttempt {
  /// An identifier that never repeats within a process: a result that carries another one is dropped.
  fileprivate var number: UInt64 = 0
  /// The request that waits in its issuer's queue, if its secrets are in files.
  fileprivate var prepared: TokenRequest?
  fileprivate var task: Task<Void, Never>?
  fileprivate var permit: (server: ServerKey, permit: RequestQueue.Permit)?
}

/// The course of one token's requests since the start.
struct RequestHistory {
  fileprivate(set) var requests = 0
  fileprivate(set) var tally = RequestTally()
  fileprivate(set) var lastFailure: (failure: AcquisitionFailure, at: Moment)?
  /// The server's clock minus this host's, by the last response.
  var skew: Duration?
  /// The method and secret that the server accepted last.
  var clientAuthentication: ClientAuthentication?

  fileprivate mutating func note(_ failure: AcquisitionFailure, sentAt: Moment) {
    let now = Moment.now()
    tally.count(failure, sentAt: sentAt, took: now.boot - sentAt.boot)
    lastFailure = (failure, now)
  }
}

/// Sends the token requests: one queue for each issuer, with at most `max_requests` under way.
///
/// Requests run beside the broker. Their results come back to its queue.
@BrokerActor final class RequestScheduler {
  private struct Issuer {
    var server: AuthorizationServer
    var queue: RequestQueue
    /// The verification context of its last token.
    var context: EncodedContext?
  }

  private let tokens: ManagedTokens
  private let log: EventLog
  private let reporter: StatusReporter
  private let http: HTTPClient
  private var issuers: [ServerKey: Issuer] = [:]
  private var lastAttempt: UInt64 = 0

  nonisolated init(_ tokens: ManagedTokens, _ log: EventLog, _ reporter: StatusReporter, http: HTTPClient) {
    self.tokens = tokens
    self.log = log
    self.reporter = reporter
    self.http = http
  }

  /// How many requests one issuer gets at once.
  private var limit: Int { reporter.configuration.settings.daemon.maxRequests }

  /// The server of a token.
  func server(of token: ManagedToken) -> AuthorizationServer { issuer(token.server).server }

  private func issuer(_ key: ServerKey) -> Issuer {
    if let known = issuers[key] { return known }
    let issuer = Issuer(
      server: AuthorizationServer(
        issuer: key.issuer, transport: key.transport, http: http, executor: BrokerActor.requests),
      queue: RequestQueue(limit: limit))
    issuers[key] = issuer
    return issuer
  }

  /// Applies the limit of new settings.
  func applyLimit() {
    for key in issuers.keys { issuers[key]?.queue.limit = limit }
  }

  /// Forgets the issuers that no token uses any more.
  func forgetUnused() {
    let used = Set(tokens.all.map(\.server))
    issuers = issuers.filter { used.contains($0.key) }
  }

  /// Puts a token's request into its issuer's queue. An attempt under way is abandoned.
  func enqueue(_ token: ManagedToken) {
    abandon(token)
    if token.settings.readsFiles { readFiles(token) } else { waitInQueue(token) }
  }

  /// Abandons the attempt under way, if there is one: its result is dropped.
  private func abandon(_ token: ManagedToken) {
    lastAttempt += 1
    token.attempt.number = lastAttempt
    token.attempt.prepared = nil
    token.attempt.task?.cancel()
    token.attempt.task = nil
    if let (server, permit) = token.attempt.permit { issuers[server]?.queue.end(permit) }
    token.attempt.permit = nil
  }

  /// Abandons the attempt of a token that is not managed any more, and takes it out of its queue.
  func forget(_ token: ManagedToken) {
    abandon(token)
    issuers[token.server]?.queue.forget(token.name)
  }

  /// Cancels the requests under way: the process is about to end.
  func stop() {
    for token in tokens.all { token.attempt.task?.cancel() }
  }

  /// Reads secrets and keys beside the broker. A file that hangs delays no other token and takes no place in the queue.
  private func readFiles(_ token: ManagedToken) {
    let name = token.name
    let number = token.attempt.number
    let sentAt = Moment.now()
    token.attempt.task = Task(executorPreference: BrokerActor.requests) {
      [settings = token.settings, clientAuthentication = token.history.clientAuthentication] in
      let result = await settings.requestWithFiles(preferring: clientAuthentication)
      await self.finishReading(name, number, sentAt, result)
    }
  }

  private func finishReading(
    _ name: String, _ number: UInt64, _ sentAt: Moment, _ result: Result<TokenRequest, AcquisitionFailure>
  ) {
    guard let token = tokens[name], token.attempt.number == number, !tokens.isStopping else { return }
    token.attempt.task = nil
    switch result {
    case .success(let request):
      token.attempt.prepared = request
      waitInQueue(token)
    case .failure(let failure):
      token.history.note(failure, sentAt: sentAt)
      tokens.handle(.failed(failure), name)
    }
  }

  private func waitInQueue(_ token: ManagedToken) {
    _ = issuer(token.server)
    issuers[token.server]?.queue.enqueue(token.name)
    sendNext(token.server)
  }

  private func sendNext(_ key: ServerKey) {
    guard !tokens.isStopping else { return }
    while let name = issuers[key]?.queue.next() {
      // A token can be removed, or moved to another issuer, while it waits.
      guard let token = tokens[name], token.server == key else { continue }
      send(token, to: key)
    }
  }

  private func send(_ token: ManagedToken, to key: ServerKey) {
    guard let server = issuers[key]?.server else { return }
    let name = token.name
    var request: TokenRequest
    do throws(AcquisitionFailure) {
      // If the secrets are in no files, nothing can hang here.
      if let prepared = token.attempt.prepared {
        request = prepared
      } else {
        request = try token.settings.request(preferring: token.history.clientAuthentication)
      }
    } catch {
      token.history.note(error, sentAt: Moment.now())
      return tokens.handle(.failed(error), name)
    }
    token.attempt.prepared = nil
    request.timeout = AttemptLimits.timeout(
      request.timeout, remaining: token.lifecycle.newest.map { $0.expiresAt - Moment.now().boot })
    let permit = RequestQueue.Permit(token: name, attempt: token.attempt.number)
    issuers[key]?.queue.begin(permit)
    token.attempt.permit = (key, permit)
    token.history.requests += 1
    tokens.handle(.began(limit: AttemptLimits.limit(from: Moment.now().boot, exchanges: request.attemptLimit)), name)
    log.write(.debug, "asking for a token", of: token)
    let sentAt = Moment.now()
    token.attempt.task = Task(executorPreference: BrokerActor.requests) { [request] in
      let result: Result<VerifiedToken, AcquisitionFailure>
      do throws(AcquisitionFailure) {
        result = .success(try await server.acquire(request))
      } catch {
        result = .failure(error)
      }
      await self.finish(name, permit, key, sentAt, result)
    }
  }

  private func finish(
    _ name: String, _ permit: RequestQueue.Permit, _ key: ServerKey, _ sentAt: Moment,
    _ result: Result<VerifiedToken, AcquisitionFailure>
  ) {
    issuers[key]?.queue.end(permit)
    defer { sendNext(key) }
    guard let token = tokens[name], token.attempt.number == permit.attempt, !tokens.isStopping else { return }
    token.attempt.task = nil
    token.attempt.permit = nil
    switch result {
    case .success(let verified): accept(verified, token, took: Moment.now().boot - sentAt.boot)
    case .failure(let failure):
      token.history.note(failure, sentAt: sentAt)
      if failure.kind == .refused { reporter.settle(name) }
      tokens.handle(.failed(failure), name)
    }
  }

  private func accept(_ verified: VerifiedToken, _ token: ManagedToken, took duration: Duration) {
    let times = token.times(of: verified)
    if let failure = times.fault(at: Moment.now().boot) {
      token.history.note(failure, sentAt: verified.requestedAt)
      return tokens.handle(.failed(failure), token.name)
    }
    token.history.tally.count(nil, sentAt: verified.requestedAt, took: duration)
    token.take(
      TokenRecord(
        verifiedToken: verified, fingerprint: token.settings.requestFingerprint, policy: token.settings.policy,
        context: encode(verified.context, for: token)))
    note(skew: verified.skew, token)
    note(verified.clientAuthentication, token)
    tokens.handle(.acquired(times), token.name)
  }

  /// The verification context as the state file holds it: encoded once for all tokens of an issuer.
  func encode(_ context: VerificationContext, for token: ManagedToken) -> EncodedContext {
    if let known = issuer(token.server).context, known.context == context { return known }
    let encoded = EncodedContext(context)
    issuers[token.server]?.context = encoded
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
    // If the settings leave the method open, the log shows what can be written into them.
    if token.settings.leavesClientAuthenticationOpen,
      clientAuthentication.method != before?.method || clientAuthentication.encoding != before?.encoding
    {
      log.write(.notice, "\(token.name): the server takes \(clientAuthentication.description)", of: token)
    }
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
