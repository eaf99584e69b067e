/// The control of a running sandbox.
extension Sandbox {
  // MARK: Faults

  /// Adds a fault to those in effect.
  public func inject(_ fault: Fault) {
    state.withContents { $0.faults.inject(fault, now: ServerClock.monotonic) }
  }

  /// Adds a fault to those in effect.
  /// - Parameters:
  ///   - kind: The kind of fault.
  ///   - endpoints: The endpoints. Empty means everywhere, as ``Fault/endpoints`` explains.
  ///   - requests: The number of requests; nil for no limit.
  ///   - seconds: The duration in seconds; nil for no limit.
  public func inject(
    _ kind: Fault.Kind, at endpoints: Set<SandboxEndpoint> = [], requests: Int? = nil, seconds: Double? = nil
  ) {
    inject(Fault(kind, at: endpoints, requests: requests, seconds: seconds))
  }

  /// The faults in effect, with their remaining limits.
  public var faults: [Fault] { state.withContents { $0.faults.current(now: ServerClock.monotonic) } }

  /// Ends all faults. A request that a fault already affects stays as it is.
  public func clearFaults() { state.withContents { $0.faults.clear() } }

  /// Closes the listening socket, so that connections are refused, and resets the open ones.
  /// - Parameter seconds: After so many seconds the socket is opened again on the same port. With nil, only ``up()``
  ///   opens it.
  public func down(for seconds: Double? = nil) async {
    // Only a silent close can throw.
    try? await doors.close(for: seconds, silently: false)
  }

  /// From now on, attempts to connect get no answer, as from a host that is down or a firewall. Resets the open
  /// connections.
  /// - Parameter seconds: After so many seconds connections are accepted again. With nil, only after ``up()``.
  /// - Throws: `SandboxError` if this is not possible.
  public func fallSilent(for seconds: Double? = nil) async throws {
    try await doors.close(for: seconds, silently: true)
  }

  /// Accepts connections again.
  /// - Throws: If listen(2) fails.
  public func up() async throws { try await doors.open() }

  // MARK: Settings, keys, secrets

  /// The settings in effect.
  public var settings: SandboxSettings { state.settings }

  /// Changes settings: `sandbox.update { $0.lifetime = 20 }`.
  public func update(_ change: (inout SandboxSettings) -> Void) { state.withContents { change(&$0.settings) } }

  /// Signs with a new key from now on.
  /// - Parameter dropOld: Whether the old keys leave the key set at once. Otherwise the last eight stay, and the API
  ///   still accepts the tokens that they signed.
  /// - Throws: When the key cannot be made.
  public func rotateKeys(dropOld: Bool = false) async throws { try await state.keys.rotate(dropOld: dropOld) }

  /// Publishes the key that signs after the next rotation, as some servers do.
  /// - Returns: Its `kid`.
  /// - Throws: When the key cannot be made.
  @discardableResult
  public func prepareKey() async throws -> String { try await state.keys.prepare() }

  /// Removes every key from the key set, except the current one and a prepared one.
  public func dropOldKeys() { state.keys.dropRetired() }

  /// The `kid` of the key that signs.
  public var currentKeyID: String { state.keys.current.keyID }

  /// The first registered client's id.
  public var clientID: String { state.withContents { $0.clients.first?.id ?? "" } }

  /// The newest secret of the first registered client; empty if it has none.
  public var clientSecret: String { state.withContents { $0.clients.first?.secrets.last ?? "" } }

  /// The registered clients.
  public var clients: [SandboxClient] { state.withContents(\.clients) }

  /// Changes the registered clients.
  public func updateClients(_ change: (inout [SandboxClient]) -> Void) {
    state.withContents { change(&$0.clients) }
  }

  /// Gives the first client another secret, at once.
  /// - Parameters:
  ///   - secret: The secret; nil for a random one.
  ///   - keepOld: Whether the old secrets are also accepted, as during a rotation.
  /// - Returns: The secret.
  @discardableResult
  public func changeSecret(to secret: String? = nil, keepOld: Bool = false) -> String {
    state.changeSecret(to: secret, keepOld: keepOld)
  }

  // MARK: What happened

  /// The counts.
  public var counts: Counts { state.withContents(\.counts) }

  /// The requests since the start or the last ``resetCounts()``, the oldest first. At most about the last 100,000.
  public var requests: [RequestRecord] { state.withContents(\.requests) }

  /// The requests from now on. Each is reported when its head and body have arrived, so it has no status yet.
  public func arrivals() -> AsyncStream<RequestRecord> { state.arrivals() }

  /// Waits until so many requests to an endpoint have arrived since the start or the last ``resetCounts()``.
  /// - Throws: `CancellationError` if the task is cancelled before, for example by a test's time limit.
  public func waitForRequests(_ count: Int, at endpoint: SandboxEndpoint) async throws {
    // The stream starts before the counts are read, so that no request is missed in between.
    let arrivals = arrivals()
    if counts[endpoint] >= count { return }
    for await _ in arrivals where counts[endpoint] >= count { return }
    throw CancellationError()
  }

  /// The alerts that the API accepted, the oldest first, even if the client got no response. At most about the last
  /// 100,000.
  public var alerts: [AcceptedAlert] { state.withContents(\.alerts) }

  /// Sets the counts to zero and empties the log of requests.
  public func resetCounts() { state.resetCounts() }

  /// The tokens that were issued, the oldest first, also those with faults. At most about the last 100,000.
  public var issuedTokens: [String] { state.withContents { $0.issued.map(\.text) } }

  /// Why the API would refuse this token now; nil if it would accept it. Nothing is counted.
  public func refusal(of token: String) -> String? { ResourceServer(state: state).refusal(ofToken: token)?.reason }

  /// Revokes a token, as its client can do it (RFC 7009).
  public func revoke(_ token: String) { state.withContents { _ = $0.revoked.insert(token) } }

  /// Makes only the API reject a token. For the authorization server, it stays active.
  public func revokeAtAPI(_ token: String) { state.withContents { _ = $0.revokedAtAPI.insert(token) } }
}
