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
  /// Whether a socket unit opened it. If not, a previous run opened it. Then it is used only if the settings still name
  /// its path.
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
    var token: String
    var output: TokenOutput
  }

  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let log: EventLog
  private var onListen: @Sendable (Int32?) -> Void = { _ in }
  /// The sockets that a socket unit opened.
  private var activated: [CredentialSocket] = []
  /// The socket of `credential_socket`.
  private var own: CredentialSocket?
  /// The units that wait on accepted connections, by a number that never repeats.
  private var waiting: [UInt64: Request] = [:]
  private var lastPeer: UInt64 = 0
  private var unauthorizedPeers = UnauthorizedPeers()

  /// How long a stop waits for units that are slow to read a refusal.
  private static let dismissalLimit = Duration.milliseconds(500)

  nonisolated init(_ tokens: ManagedTokens, _ loop: EngineLoop, _ log: EventLog) {
    self.tokens = tokens
    self.loop = loop
    self.log = log
  }

  // MARK: Sockets

  /// Sets the receiver of the socket that the settings name. It gets `nil` when the socket was closed.
  func connect(onListen: @escaping @Sendable (Int32?) -> Void) { self.onListen = onListen }

  /// Serves the inherited sockets. Opens the socket at `path` unless it is among them.
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

  /// Opens the socket at `path` in place of the present one. With `nil`, there is none afterwards.
  func openOwn(at path: String?) async throws(PublicationFailure) {
    guard own?.path != path else { return }
    let descriptor: Int32?
    if let path { descriptor = try await listen(at: path) } else { descriptor = nil }
    if let former = own?.path { remove(former) }
    own = descriptor.map { serve($0) }
    onListen(descriptor)
  }

  // The configuration names the paths of sockets, so their file systems can hang. Calls on one path keep their order.

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

  /// Sends a unit its token, now or as soon as a token exists that is valid for long enough.
  private func answer(_ connection: CredentialConnection) {
    guard !loop.engine.isStopping else { return connection.refuse() }
    guard let (token, output) = requested(connection.peer.credential) else {
      let names = tokens.names.sorted().prefix(5).map { "\($0).token" }.joined(separator: ", ")
      return refuse(
        connection, "there is no such token; the name before the colon of LoadCredential= is one of \(names)")
    }
    guard token.settings.admits(connection.peer.unit) else {
      return refuse(connection, "allow_units in [token.\(token.name)] does not name that unit", of: token)
    }
    lastPeer += 1
    waiting[lastPeer] = Request(connection: connection, token: token.name, output: output)
    loop.post(.credentialRequested(peer: lastPeer, token: token.name, since: connection.since))
  }

  /// Whether a unit that sent its request at that time would get its token or a refusal now. If not, a newer token is
  /// requested.
  private func canAnswer(_ peer: CredentialPeer, since: BootTime) -> Bool {
    guard !loop.engine.isStopping, let (token, _) = requested(peer.credential), token.settings.admits(peer.unit) else {
      // At a stop, the next run answers, or the kernel resets the connection.
      return !loop.engine.isStopping
    }
    if loop.engine.canAnswer(token.name, since: since, at: Moment.now().boot) { return true }
    loop.post(.credentialAwaited(token: token.name))
    return false
  }

  /// Sends the engine's decision to a waiting unit.
  func answer(_ peer: UInt64, _ reply: CredentialReply) {
    guard let request = waiting.removeValue(forKey: peer) else { return }
    let token = tokens[request.token]
    switch reply {
    case .token(let isShort): send(request, token, isShort: isShort)
    case .timedOut:
      let cause = loop.engine.lifecycle(of: request.token)?.failureStreak.map { ": \($0.failure.message)" } ?? ""
      let limit = Timestamp.span(CredentialWait.maximum)
      refuse(request.connection, "there was no token within \(limit)\(cause)", of: token)
    case .removed: refuse(request.connection, "the token was removed from the settings")
    case .stopping: request.connection.refuse()
    }
  }

  /// Decides again about a waiting unit, because the settings have changed.
  func reconsider(_ peer: UInt64) {
    guard let request = waiting.removeValue(forKey: peer) else { return }
    answer(request.connection)
  }

  private func send(_ request: Request, _ token: ManagedToken?, isShort: Bool) {
    guard let token, let verifiedToken = token.verifiedToken else { return request.connection.refuse() }
    if let fault = RenderedToken.fault(of: verifiedToken.accessToken, as: request.output) {
      return refuse(request.connection, fault, of: token)
    }
    request.connection.send(RenderedToken.content(of: verifiedToken, as: request.output))
    let left = loop.engine.lifecycle(of: token.name)?.newest.map { $0.expiresAt - Moment.now().boot } ?? .zero
    let peer = request.connection.peer
    let shortfall = isShort ? ", less than min_validity, because there is no newer one" : ""
    let credential = "\(peer.credential), valid for \(Timestamp.span(left))\(shortfall)"
    log.write(
      isShort ? .warning : .info, "\(token.name): \(peer.unit) got the token as its credential \(credential)",
      .credentialServed, of: token, ["consumer_unit": "\(peer.unit)"])
  }

  /// Refuses all connected units, and sends the rest of unfinished answers, because the daemon stops. If a connection
  /// ends without data, systemd treats this as an empty credential.
  func dismissAll() {
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

  /// The token and the form that a credential's name requests. `NAME` and `NAME.token` mean the token alone. The other
  /// forms are `NAME.header`, `NAME.json`, `NAME.env` and `NAME.conf`. Names of tokens contain no dots. A template must
  /// be in the settings. If there are several, the first one is used.
  private func requested(_ credential: String) -> (ManagedToken, TokenOutput)? {
    let parts = credential.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let token = tokens[String(parts[0])] else { return nil }
    guard parts.count == 2 else { return (token, TokenOutput(path: "", format: .raw)) }
    guard let format = TokenOutput.Format.allCases.first(where: { $0.fileExtension == parts[1] }) else { return nil }
    if let output = token.settings.outputs.first(where: { $0.format == format }) { return (token, output) }
    guard format != .template else { return nil }
    let variable = format == .env ? ConfigurationReader.defaultVariable(token.name) : nil
    return (token, TokenOutput(path: "", format: format, variable: variable))
  }
}

/// Limits the log lines about connections of users other than root. The first line is written at once, then one per 10
/// s.
///
/// A local user cannot flood the log.
struct UnauthorizedPeers {
  private var unreported = 0
  private var lastReport: BootTime?

  /// Counts a connection. Returns the number that a line reports now; `nil` for no line.
  mutating func count(at now: BootTime) -> Int? {
    unreported += 1
    if let lastReport, now < lastReport + .seconds(10) { return nil }
    defer { unreported = 0 }
    lastReport = now
    return unreported
  }
}

extension TokenSettings {
  /// Whether `allow_units` names the unit, by fnmatch(3). A backslash has no special meaning, because names of units
  /// contain it.
  func admits(_ unit: String) -> Bool {
    allowUnits.contains { fnmatch($0, unit, FNM_NOESCAPE) == 0 }
  }
}
