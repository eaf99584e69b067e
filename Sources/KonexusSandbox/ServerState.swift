import Synchronization

/// The whole state of a running sandbox, behind one lock.
final class ServerState: Sendable {
  struct Contents: Sendable {
    var settings: SandboxSettings
    var clients: [SandboxClient]
    var faults = FaultList()
    var counts = Counts()
    var requests: [RequestRecord] = []
    /// The index of the first record since the counts were reset. An answer needs it to find its record.
    var firstRequest = 0
    var issued: [IssuedToken] = []
    /// The alerts that the API accepted, the oldest first.
    var alerts: [AcceptedAlert] = []
    var alertsEver = 0
    var revoked: Set<String> = []
    /// Tokens that only the API rejects. The authorization server calls them active.
    var revokedAtAPI: Set<String> = []
    /// The keys that the API has, and since when by the monotonic clock; nil if it uses the published ones.
    var apiKeys: (keys: [SigningKey], since: Double)?
    /// The `jti` of client assertions that were used, with their expiry (RFC 7523, section 3).
    var usedAssertions: [String: Double] = [:]
    /// The receivers of each request as it comes.
    var listeners: [Int: AsyncStream<RequestRecord>.Continuation] = [:]
    var listenersEver = 0
  }

  /// A token as the token endpoint issued it.
  struct IssuedToken: Sendable {
    var text: String
    var claims: JSON
    var clientID: String
  }

  /// How many tokens, requests and alerts are stored.
  static let memory = 200_000

  let issuer: String
  let issuerPath: String
  /// The same with the port that requires client certificates (RFC 8705, section 5); nil if there is none.
  let mutualTLSIssuer: String?
  let keys: KeyRing
  let authority: CertificateAuthority
  private let contents: Mutex<Contents>

  init(
    issuer: String, issuerPath: String, mutualTLSIssuer: String?, keys: KeyRing, authority: CertificateAuthority,
    settings: SandboxSettings, clients: [SandboxClient]
  ) {
    self.issuer = issuer
    self.issuerPath = issuerPath
    self.mutualTLSIssuer = mutualTLSIssuer
    self.keys = keys
    self.authority = authority
    contents = Mutex(Contents(settings: settings, clients: clients))
  }

  func withContents<Result: Sendable>(_ body: (inout Contents) throws -> Result) rethrows -> Result {
    try contents.withLock { try body(&$0) }
  }

  var settings: SandboxSettings { withContents(\.settings) }

  /// Unix time by the server's clock.
  var now: Double { ServerClock.unixTime + settings.clockSkew }

  /// Records a request. Returns its number and the faults that affect it.
  func admit(_ record: RequestRecord) -> (number: Int, faults: [Fault.Kind]) {
    withContents { contents in
      contents.counts.requests[record.endpoint, default: 0] += 1
      if contents.requests.count >= Self.memory {
        contents.requests.removeFirst(Self.memory / 2)
        contents.firstRequest += Self.memory / 2
      }
      contents.requests.append(record)
      for listener in contents.listeners.values { listener.yield(record) }
      let number = contents.firstRequest + contents.requests.count - 1
      return (number, contents.faults.hit(record.endpoint, now: record.time))
    }
  }

  /// The keys that the API uses for a token whose key is `keyID`.
  ///
  /// - Parameter isLook: whether the state stays as it is.
  func apiKeys(for keyID: String?, isLook: Bool) -> [SigningKey] {
    let published = keys.published
    return withContents { contents in
      let now = ServerClock.monotonic
      switch contents.settings.apiKeyCache {
      case .none:
        contents.apiKeys = nil
        return published
      case .learnsFromRejection:
        let known = contents.apiKeys?.keys ?? published
        let isKnown = known.contains { $0.keyID == keyID }
        if contents.apiKeys == nil || !(isKnown || isLook) { contents.apiKeys = (published, now) }
        return known
      case .seconds(let seconds):
        if let known = contents.apiKeys, now < known.since + seconds { return known.keys }
        contents.apiKeys = (published, now)
        return published
      }
    }
  }

  /// Records the answer to a request.
  func conclude(_ number: Int, status: Int, answer: Answer) {
    withContents { contents in
      let place = number - contents.firstRequest
      guard contents.requests.indices.contains(place) else { return }
      contents.requests[place].status = status
      contents.requests[place].refusal = answer.refusal
      contents.requests[place].authentication = answer.authentication
    }
  }

  /// The requests from now on, as they come.
  func arrivals() -> AsyncStream<RequestRecord> {
    let (stream, continuation) = AsyncStream<RequestRecord>.makeStream()
    let number = withContents { contents in
      contents.listenersEver += 1
      contents.listeners[contents.listenersEver] = continuation
      return contents.listenersEver
    }
    continuation.onTermination = { _ in self.withContents { _ = $0.listeners.removeValue(forKey: number) } }
    return stream
  }

  func resetCounts() {
    withContents { contents in
      contents.counts = Counts()
      contents.firstRequest += contents.requests.count
      contents.requests = []
    }
  }

  /// Counts a connection. Returns the fault that affects it.
  @Sendable func admitConnection() -> Fault.Kind? {
    withContents { contents in
      contents.counts.connections += 1
      return contents.faults.hitConnection(now: ServerClock.monotonic).first
    }
  }

  /// Gives the first client another secret.
  func changeSecret(to secret: String?, keepOld: Bool) -> String {
    let secret = secret ?? TokenMint.random(bytes: 32)
    withContents { contents in
      guard !contents.clients.isEmpty else { return }
      contents.clients[0].secrets = keepOld ? contents.clients[0].secrets + [secret] : [secret]
    }
    return secret
  }
}
