import Base
import Engine
import Files
import Glibc
import Publication
import Settings

/// A listening socket that was opened for the daemon.
public struct InheritedSocket: Hashable, Sendable {
  /// The open descriptor.
  public var descriptor: Int32
  /// Whether a socket unit opened it. If not, a previous run did, and it is used only if the settings still name its
  /// path.
  public var isActivated: Bool

  /// A socket that was passed to the daemon.
  public init(descriptor: Int32, isActivated: Bool) {
    self.descriptor = descriptor
    self.isActivated = isActivated
  }
}

/// Serves tokens as systemd credentials: the sockets, and the starts of units that wait for a token.
@BrokerActor final class CredentialServer {
  /// The start of a unit that waits for a token.
  private struct Request {
    var connection: CredentialConnection
    var output: TokenOutput
  }

  private let tokens: ManagedTokens
  private let log: EventLog
  private var onListen: @Sendable (Int32?) -> Void = { _ in }
  /// The sockets that a socket unit opened.
  private var activated: [CredentialSocket] = []
  /// The socket of `credential_socket`.
  private var own: CredentialSocket?
  /// On accepted connections, by the token's name.
  private var waiting: [String: [Request]] = [:]
  private var unauthorizedPeers = UnauthorizedPeers()

  /// How long a stop waits for units that are slow to read a refusal.
  private static let dismissalLimit = Duration.milliseconds(500)

  nonisolated init(_ tokens: ManagedTokens, _ log: EventLog) {
    self.tokens = tokens
    self.log = log
  }

  // MARK: Sockets

  /// Sets the receiver of the socket that the settings name, or `nil` when it was closed.
  func connect(onListen: @escaping @Sendable (Int32?) -> Void) { self.onListen = onListen }

  /// Serves the inherited sockets, and opens that at `path` unless it is among them.
  func open(_ inherited: [InheritedSocket], at path: String?) async throws(PublicationFailure) {
    for socket in inherited {
      let serving = serve(socket.descriptor)
      if socket.isActivated {
        activated.append(serving)
      } else if let path, serving.path == path, await exists(path) {
        own = serving
      } else {
        // Units that would connect to it must fail. Otherwise they wait until their start times out.
        if let path = serving.path { remove(path) }
        onListen(nil)
      }
    }
    if own == nil { try await openOwn(at: path) }
  }

  /// Opens the socket at `path` in place of the present one; `nil`: none.
  func openOwn(at path: String?) async throws(PublicationFailure) {
    guard own?.path != path else { return }
    let descriptor: Int32?
    if let path { descriptor = try await listen(at: path) } else { descriptor = nil }
    if let former = own?.path { remove(former) }
    own = descriptor.map { serve($0) }
    onListen(descriptor)
  }

  // The configuration names the paths of sockets: their file systems may hang. Calls on one path keep their order.

  private func listen(at path: String) async throws(PublicationFailure) -> Int32? {
    let socket: Result<ListeningSocket, PublicationFailure>
    do throws(FileCalls.Overdue) {
      socket = try await FileCalls.run("socket \(path)") {
        Result { () throws(PublicationFailure) in
          try ListeningSocket(at: path, inTheWay: "remove it, or set credential_socket to another path")
        }
      }
    } catch {
      throw PublicationFailure("cannot listen at \(path): the file system does not answer")
    }
    return try socket.get().take()
  }

  /// Whether there is a socket at `path`; `true` if its file system does not answer.
  private func exists(_ path: String) async -> Bool {
    (try? await FileCalls.run("socket \(path)") { UnixSocket.isThere(path) }) ?? true
  }

  private func remove(_ path: String) {
    FileCalls.start("socket \(path)") { UnixSocket.remove(path) }
  }

  private func serve(_ descriptor: Int32) -> CredentialSocket {
    CredentialSocket(
      descriptor, queue: BrokerActor.queue,
      canAnswer: { [weak self] peer, since in
        BrokerActor.assumeIsolated { self?.canAnswer(peer, since: since) ?? false }
      }
    ) { [weak self] arrival in
      BrokerActor.assumeIsolated { self?.receive(arrival) }
    }
  }

  private func receive(_ arrival: CredentialSocket.Arrival) {
    switch arrival {
    case .request(let connection): answer(connection)
    case .unauthorizedPeer(let userID, let process): reportUnauthorizedPeer(userID, process)
    }
  }

  // MARK: Requests

  /// Sends a unit its token, now or as soon as there is one that is valid for long enough.
  private func answer(_ connection: CredentialConnection) {
    guard !tokens.isStopping else { return connection.refuse() }
    guard let (token, output) = requested(connection.peer.credential) else {
      let names = tokens.names.sorted().prefix(5).map { "\($0).token" }.joined(separator: ", ")
      return refuse(
        connection, "there is no such token; the name before the colon of LoadCredential= is one of \(names)")
    }
    guard token.settings.admits(connection.peer.unit) else {
      return refuse(connection, "allow_units in [token.\(token.name)] does not name that unit", of: token)
    }
    let request = Request(connection: connection, output: output)
    guard !serve(request, token) else { return }
    let name = token.name
    waiting[name, default: []].append(request)
    let wait = CredentialWait(since: connection.since)
    connection.wait(until: wait.limit(newest: token.lifecycle.newest)) { [weak self] in
      BrokerActor.assumeIsolated { self?.giveUp(name) }
    }
    refreshForWaiting(name)
  }

  /// Whether a unit that has asked at that time would get its token, or a refusal, now. If not, a newer token is
  /// requested.
  private func canAnswer(_ peer: CredentialPeer, since: BootTime) -> Bool {
    // The next run answers, or the kernel resets the connection.
    guard !tokens.isStopping else { return false }
    guard let (token, _) = requested(peer.credential), token.settings.admits(peer.unit) else { return true }
    let now = Moment.now().boot
    if hasToken(token, since: since) || CredentialWait(since: since).limit(newest: token.lifecycle.newest) <= now {
      return true
    }
    if token.lifecycle.isWaiting { requestNewer(token) }
    return false
  }

  /// Whether there is a token for a unit that has asked at that time.
  private func hasToken(_ token: ManagedToken, since: BootTime) -> Bool {
    guard let newest = available(token) else { return false }
    return CredentialWait(since: since).isEnded(
      by: newest, minValidity: token.settings.minValidity, at: Moment.now().boot)
  }

  /// The token that could be sent now; `nil` if there is none.
  private func available(_ token: ManagedToken) -> TokenTimes? {
    guard let newest = token.lifecycle.newest, newest.requestedAt == token.verifiedToken?.requestedAt.boot,
      newest.expiresAt > Moment.now().boot
    else { return nil }
    return newest
  }

  /// Requests a newer token if a unit waits for one: when the unit asks, and when a token came that had been requested
  /// before.
  func refreshForWaiting(_ name: String) {
    if waiting[name] != nil, let token = tokens[name] { requestNewer(token) }
  }

  private func requestNewer(_ token: ManagedToken) {
    // The backoff holds here too: a unit that restarts in a loop must not lock the client out.
    let lifecycle = token.lifecycle
    if lifecycle.newest != nil, lifecycle.failureStreak == nil { tokens.handle(.refresh, token.name) }
  }

  /// Sends the token if it ends the wait, or in any case `atLast`.
  ///
  /// - Returns: whether it was sent.
  private func serve(_ request: Request, _ token: ManagedToken, atLast: Bool = false) -> Bool {
    guard atLast || hasToken(token, since: request.connection.since), let newest = available(token),
      let verifiedToken = token.verifiedToken
    else { return false }
    let left = newest.expiresAt - Moment.now().boot
    let peer = request.connection.peer
    request.connection.send(RenderedToken.content(of: verifiedToken, as: request.output))
    let shortfall = atLast ? ", which is less than min_validity, for want of a newer one" : ""
    let credential = "\(peer.credential), good for \(Timestamp.span(left))\(shortfall)"
    log.write(
      atLast ? .warning : .info, "\(token.name): \(peer.unit) got the token as its credential \(credential)",
      .credentialServed, of: token, ["consumer_unit": "\(peer.unit)"])
    return true
  }

  /// Serves the units that wait for this token, if they can have it now.
  func serveWaiting(_ name: String) {
    guard let requests = waiting[name], let token = tokens[name] else { return }
    let left = requests.filter { !$0.connection.isAnswered && !serve($0, token) }
    waiting[name] = left.isEmpty ? nil : left
  }

  /// Looks at all waiting units again: the settings have changed.
  func reviewWaiting() {
    let requests = waiting.values.joined()
    waiting = [:]
    for request in requests where !request.connection.isAnswered { answer(request.connection) }
  }

  /// Answers the units whose wait is over.
  private func giveUp(_ name: String) {
    let now = Moment.now().boot
    let requests = waiting[name] ?? []
    let isOver = { (request: Request) in request.connection.limit <= now }
    let left = requests.filter { !$0.connection.isAnswered && !isOver($0) }
    waiting[name] = left.isEmpty ? nil : left
    for request in requests where !request.connection.isAnswered && isOver(request) {
      guard let token = tokens[name] else {
        refuse(request.connection, "the token was removed from the settings")
        continue
      }
      if serve(request, token, atLast: true) { continue }
      let cause = token.lifecycle.failureStreak.map { ": \($0.failure.message)" } ?? ""
      refuse(
        request.connection, "there was no token within \(Timestamp.span(CredentialWait.maximum))\(cause)", of: token)
    }
  }

  /// Answers the units that wait on accepted connections, as the daemon stops: with a token that is valid, however
  /// briefly, or with a refusal. systemd takes a connection that just ends for an empty credential.
  func dismissWaiting() {
    for (name, requests) in waiting {
      guard let token = tokens[name] else { continue }
      for request in requests where !request.connection.isAnswered { _ = serve(request, token, atLast: true) }
    }
    waiting = [:]
    let end = Moment.now().boot + Self.dismissalLimit
    for socket in activated + [own].compactMap(\.self) { socket.dismiss(until: end) }
  }

  private func refuse(_ connection: CredentialConnection, _ reason: String, of token: ManagedToken? = nil) {
    connection.refuse()
    let peer = connection.peer
    log.write(
      .warning, "\(peer.unit) does not get its credential \(peer.credential), so that its start fails: \(reason)",
      .credentialRefused, of: token, ["consumer_unit": "\(peer.unit)"])
  }

  private func reportUnauthorizedPeer(_ userID: UInt32, _ process: Int32) {
    guard let number = unauthorizedPeers.count(at: Moment.now().boot) else { return }
    let count = number > 1 ? " (\(number) such since the last line)" : ""
    log.write(
      .warning,
      "the credential socket is for systemd: a connection of user \(userID), process \(process), was closed\(count)",
      .credentialRefused)
  }

  /// The token and the form that a credential's name requests: `NAME` or `NAME.token` for the token alone, and
  /// `NAME.header`, `NAME.json` and `NAME.env` for the other forms. Names of tokens contain no dots.
  private func requested(_ credential: String) -> (ManagedToken, TokenOutput)? {
    let parts = credential.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let token = tokens[String(parts[0])] else { return nil }
    guard parts.count == 2 else { return (token, TokenOutput(path: "", format: .raw)) }
    guard let format = TokenOutput.Format.allCases.first(where: { $0.fileExtension == parts[1] }) else { return nil }
    if let output = token.settings.outputs.first(where: { $0.format == format }) { return (token, output) }
    let variable = format == .env ? ConfigurationReader.defaultVariable(token.name) : nil
    return (token, TokenOutput(path: "", format: format, variable: variable))
  }
}

/// Limits the log lines about connections of users other than root: the first at once, then one per 10 s.
///
/// A local user cannot flood the log.
struct UnauthorizedPeers {
  private var unreported = 0
  private var lastReport: BootTime?

  /// Counts one; returns how many a line is to report now, or `nil` if there is to be none.
  mutating func count(at now: BootTime) -> Int? {
    unreported += 1
    if let lastReport, now < lastReport + .seconds(10) { return nil }
    defer { unreported = 0 }
    lastReport = now
    return unreported
  }
}

extension TokenSettings {
  /// Whether `allow_units` names the unit: by fnmatch(3), in which a backslash stands for itself as in names of units.
  func admits(_ unit: String) -> Bool {
    allowUnits.contains { fnmatch($0, unit, FNM_NOESCAPE) == 0 }
  }
}
