/// What can be done to a running sandbox.
extension Sandbox {
  // MARK: Faults

  /// Adds a fault to those in force.
  public func inject(_ fault: Fault) {
    state.withContents { $0.faults.inject(fault, now: ServerClock.monotonic) }
  }

  /// Adds a fault to those in force.
  /// - Parameters:
  ///   - kind: What goes wrong.
  ///   - endpoints: Where; empty means everywhere, as ``Fault/endpoints`` explains.
  ///   - requests: For how many requests; nil: no limit.
  ///   - seconds: For how long; nil: no limit.
  public func inject(
    _ kind: Fault.Kind, at endpoints: Set<SandboxEndpoint> = [], requests: Int? = nil, seconds: Double? = nil
  ) {
    inject(Fault(kind, at: endpoints, requests: requests, seconds: seconds))
  }

  /// The faults in force, with what is left of each.
  public var faults: [Fault] { state.withContents { $0.faults.current(now: ServerClock.monotonic) } }

  /// Ends all faults. A request that already was hit by one is not helped.
  public func clearFaults() { state.withContents { $0.faults.clear() } }

  /// Closes the listening socket, so that connections are refused, and resets the open ones.
  /// - Parameter seconds: After so many seconds the socket is opened again on the same port; nil: only by ``up()``.
  public func down(for seconds: Double? = nil) async {
    // Only a silent close can throw.
    try? await doors.close(for: seconds, silently: false)
  }

  /// Leaves attempts to connect without any answer, as a dead host or a firewall does, and resets the open connections.
  /// - Parameter seconds: After so many seconds connections are accepted again; nil: only by ``up()``.
  /// - Throws: `SandboxError` when the port cannot be made silent.
  public func fallSilent(for seconds: Double? = nil) async throws {
    try await doors.close(for: seconds, silently: true)
  }

  /// Accepts connections again.
  /// - Throws: When the port cannot be listened on.
  public func up() async throws { try await doors.open() }

  // MARK: Settings, keys, secrets

  /// The settings in force.
  public var settings: SandboxSettings { state.settings }

  /// Changes settings: `sandbox.update { $0.lifetime = 20 }`.
  public func update(_ change: (inout SandboxSettings) -> Void) { state.withContents { change(&$0.settings) } }

  /// Signs with a new key from now on.
  /// - Parameter dropOld: Whether the old keys leave the key set at once; else the last eight stay, and the API goes on
  ///   accepting what they signed.
  /// - Throws: When the key cannot be made.
  public func rotateKeys(dropOld: Bool = false) async throws { try await state.keys.rotate(dropOld: dropOld) }

  /// Publishes the key that signs after the next rotation, as servers do that announce keys ahead.
  /// - Returns: Its `kid`.
  /// - Throws: When the key cannot be made.
  @discardableResult
  public func prepareKey() async throws -> String { try await state.keys.prepare() }

  /// Takes every key but the current one, and one that is prepared, out of the key set.
  public func dropOldKeys() { state.keys.dropRetired() }

  /// The `kid` of the key that signs.
  public var currentKeyID: String { state.keys.current.keyID }

  /// The first registered client's id.
  public var clientID: String { state.withContents { $0.clients.first?.id ?? "" } }

  /// The newest secret of the first registered client; empty when it has none.
  public var clientSecret: String { state.withContents { $0.clients.first?.secrets.last ?? "" } }

  /// The registered clients.
  public var clients: [SandboxClient] { state.withContents(\.clients) }

  /// Changes the registered clients.
  public func updateClients(_ change: (inout [SandboxClient]) -> Void) {
    state.withContents { change(&$0.clients) }
  }

  /// Gives the first client another secret, at once.
  /// - Parameters:
  ///   - secret: The secret; nil: a random one.
  ///   - keepOld: Whether the old secrets are accepted too, as during a rotation.
  /// - Returns: The secret.
  @discardableResult
  public func changeSecret(to secret: String? = nil, keepOld: Bool = false) -> String {
    state.changeSecret(to: secret, keepOld: keepOld)
  }

  // MARK: What happened

  /// How often things happened.
  public var counts: Counts { state.withContents(\.counts) }

  /// The requests since the start or the last ``resetCounts()``, the oldest first; at most the last 100,000 or so.
  public var requests: [RequestRecord] { state.withContents(\.requests) }

  /// The requests as they come, from now on, each as it is when its head and body have arrived: without a status yet.
  public func arrivals() -> AsyncStream<RequestRecord> { state.arrivals() }

  /// Waits until so many requests to an endpoint have arrived since the start or the last ``resetCounts()``.
  /// - Throws: `CancellationError` when the task is cancelled first, as by a test's time limit.
  public func waitForRequests(_ count: Int, at endpoint: SandboxEndpoint) async throws {
    // The stream comes before the first look at the counts, so that no request falls between.
    let arrivals = arrivals()
    if counts[endpoint] >= count { return }
    for await _ in arrivals where counts[endpoint] >= count { return }
    throw CancellationError()
  }

  /// The alerts that the API accepted, the oldest first, whatever the client learned; at most the last 100,000 or so.
  public var alerts: [AcceptedAlert] { state.withContents(\.alerts) }

  /// Sets the counts to zero and empties the log of requests.
  public func resetCounts() { state.resetCounts() }

  /// The tokens that were issued, the oldest first, whatever their fault; at most the last 100,000 or so.
  public var issuedTokens: [String] { state.withContents { $0.issued.map(\.text) } }

  /// Why the API would refuse this token now; nil: it would accept it. Nothing is counted.
  public func refusal(of token: String) -> String? { ResourceServer(state: state).refusal(ofToken: token)?.reason }

  /// Revokes a token, as its client could (RFC 7009).
  public func revoke(_ token: String) { state.withContents { _ = $0.revoked.insert(token) } }

  /// Has the API alone reject a token: the authorization server goes on calling it active.
  public func revokeAtAPI(_ token: String) { state.withContents { _ = $0.revokedAtAPI.insert(token) } }
}
