import Base
import CLinux
import Files
import Logging
import Publication
import Settings

/// A listening socket that somebody else opened for the daemon.
public struct InheritedSocket: Hashable, Sendable {
  /// The open descriptor.
  public var descriptor: Int32
  /// Whether a socket unit opened it. If not, a former run of this daemon did, and it is used only if the settings still name its path.
  public var isActivated: Bool

  /// A socket that was handed over.
  public init(descriptor: Int32, isActivated: Bool) {
    self.descriptor = descriptor
    self.isActivated = isActivated
  }
}

/// Who waits at the credential sockets.
struct CredentialServer {
  /// A unit's start that waits for a token.
  struct Request {
    var connection: CredentialConnection
    var output: TokenOutput
  }

  /// Those that a socket unit opened.
  var activated: [CredentialSocket] = []
  /// That of `credential_socket`.
  var own: CredentialSocket?
  /// On accepted connections, by the token's name.
  var waiting: [String: [Request]] = [:]
  /// Connections of others than root since the last line about them.
  var unauthorizedPeers = 0
  var lastComplaint: BootTime?

  var sockets: [CredentialSocket] { activated + [own].compactMap(\.self) }
}

extension TokenBroker {
  /// Serves the sockets that were handed over, and opens that of the settings unless it is among them.
  func openCredentialSockets(_ inherited: [InheritedSocket]) async throws(PublicationFailure) {
    for socket in inherited {
      let serving = serve(socket.descriptor)
      if socket.isActivated {
        credentialServer.activated.append(serving)
      } else if let path = configuration.daemon.credentialSocket, serving.path == path, await isThere(path) {
        credentialServer.own = serving
      } else {
        // Units that would connect to it must fail, and not wait for nobody.
        if let path = serving.path { removeSocket(path) }
        onListen(nil)
      }
    }
    if credentialServer.own == nil { try await openOwnSocket(configuration.daemon.credentialSocket) }
  }

  /// Opens the socket at `path` in place of the present one; `nil`: none.
  func openOwnSocket(_ path: String?) async throws(PublicationFailure) {
    guard credentialServer.own?.path != path else { return }
    let descriptor: Int32?
    if let path { descriptor = try await listen(at: path) } else { descriptor = nil }
    if let former = credentialServer.own?.path { removeSocket(former) }
    credentialServer.own = descriptor.map { serve($0) }
    onListen(descriptor)
  }

  // The paths of sockets are the configuration's: their file systems may hang. Calls on one path keep their order.

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

  /// Whether there is a socket at `path`. One whose file system does not answer is taken for granted.
  private func isThere(_ path: String) async -> Bool {
    (try? await FileCalls.run("socket \(path)") { UnixSocket.isThere(path) }) ?? true
  }

  private func removeSocket(_ path: String) {
    FileCalls.start("socket \(path)") { UnixSocket.remove(path) }
  }

  private func serve(_ descriptor: Int32) -> CredentialSocket {
    CredentialSocket(
      descriptor, queue: queue,
      canAnswer: { [weak self] peer, since in self?.assumeIsolated { $0.canAnswer(peer, since: since) } ?? false }
    ) { [weak self] arrival in
      self?.assumeIsolated { $0.receive(arrival) }
    }
  }

  private func receive(_ arrival: CredentialSocket.Arrival) {
    switch arrival {
    case .request(let connection): answer(connection)
    case .unauthorizedPeer(let userID, let process): complain(of: userID, process)
    }
  }

  /// Gives a unit its token, now or as soon as there is one that is good for long enough.
  private func answer(_ connection: CredentialConnection) {
    guard !isStopping else { return connection.refuse() }
    guard let (managed, output) = wanted(connection.peer.credential) else {
      let names = managedTokens.keys.sorted().prefix(5).map { "\($0).token" }.joined(separator: ", ")
      return refuse(
        connection, "there is no such token; the name before the colon of LoadCredential= is one of \(names)")
    }
    guard managed.settings.admits(connection.peer.unit) else {
      return refuse(
        connection, "allow_units in [token.\(managed.settings.name)] does not name that unit", of: managed)
    }
    let request = CredentialServer.Request(connection: connection, output: output)
    guard !serve(request, managed) else { return }
    let name = managed.settings.name
    credentialServer.waiting[name, default: []].append(request)
    connection.wait(until: limit(managed, since: connection.since)) { [weak self] in
      self?.assumeIsolated { $0.giveUpWaiting(name) }
    }
    refreshForWaiting(name)
  }

  /// Whether a unit that has asked at that time would get its token, or a refusal, now. If not, a newer token is
  /// asked for.
  private func canAnswer(_ peer: CredentialPeer, since: BootTime) -> Bool {
    // The next run answers, or the kernel resets the connection.
    guard !isStopping else { return false }
    guard let (managed, _) = wanted(peer.credential), managed.settings.admits(peer.unit) else { return true }
    if hasToken(managed, since: since) || limit(managed, since: since) <= Moment.now().boot { return true }
    if managed.lifecycle.isWaiting { askForNewer(managed) }
    return false
  }

  /// When a unit that has asked at that time is answered at the latest.
  private func limit(_ managed: ManagedToken, since: BootTime) -> BootTime {
    // A token that lasts no longer is better than none: it is given while half of it is left.
    let half = managed.lifecycle.newest.map { ($0.expiresAt - since) / 2 }
    return since + min(half ?? CredentialConnection.patience, CredentialConnection.patience)
  }

  /// Whether there is a token that a unit which has asked at that time may have: good for long enough, or as new as
  /// can be.
  private func hasToken(_ managed: ManagedToken, since: BootTime) -> Bool {
    guard let left = timeLeft(managed), let newest = managed.lifecycle.newest else { return false }
    return left >= managed.settings.minValidity || newest.requestedAt >= since
  }

  /// For how long the token is good that could be given now; `nil` if there is none.
  private func timeLeft(_ managed: ManagedToken) -> Duration? {
    let now = Moment.now().boot
    guard let newest = managed.lifecycle.newest, newest.requestedAt == managed.verifiedToken?.requestedAt.boot,
      newest.expiresAt > now
    else { return nil }
    return newest.expiresAt - now
  }

  /// Asks for a newer token if a unit waits for one: when it comes, and again when a token came that had been asked
  /// for before.
  func refreshForWaiting(_ name: String) {
    if credentialServer.waiting[name] != nil, let managed = managedTokens[name] { askForNewer(managed) }
  }

  private func askForNewer(_ managed: ManagedToken) {
    // Not against the pace of a row of failures: a unit that is restarted in a loop must not lock the client out.
    let lifecycle = managed.lifecycle
    if lifecycle.newest != nil, lifecycle.failureStreak == nil { handle(.refresh, managed.settings.name) }
  }

  /// Gives the token out if it is there and good for long enough, or as new as can be, or at last.
  ///
  /// - Returns: whether it did.
  private func serve(_ request: CredentialServer.Request, _ managed: ManagedToken, atLast: Bool = false) -> Bool {
    guard atLast || hasToken(managed, since: request.connection.since), let left = timeLeft(managed),
      let verifiedToken = managed.verifiedToken
    else { return false }
    let peer = request.connection.peer
    request.connection.send(RenderedToken.content(of: verifiedToken, as: request.output))
    let shortfall = atLast ? ", which is less than min_validity, for want of a newer one" : ""
    let credential = "\(peer.credential), good for \(Timestamp.span(left))\(shortfall)"
    logger.log(
      level: atLast ? .warning : .info,
      "\(managed.settings.name): \(peer.unit) got the token as its credential \(credential)",
      metadata: metadata(.credentialServed, of: managed, ["consumer_unit": "\(peer.unit)"]))
    return true
  }

  /// Looks whether those who wait for a token can have it now.
  func serveWaiting(_ name: String) {
    guard let requests = credentialServer.waiting[name], let managed = managedTokens[name] else { return }
    let left = requests.filter { !$0.connection.isAnswered && !serve($0, managed) }
    credentialServer.waiting[name] = left.isEmpty ? nil : left
  }

  /// Looks at all who wait once more: the settings have changed.
  func reviewWaiting() {
    let requests = credentialServer.waiting.values.joined()
    credentialServer.waiting = [:]
    for request in requests where !request.connection.isAnswered { answer(request.connection) }
  }

  /// Answers those who have waited for as long as a start may.
  private func giveUpWaiting(_ name: String) {
    let now = Moment.now().boot
    let requests = credentialServer.waiting[name] ?? []
    let isOver = { (request: CredentialServer.Request) in request.connection.limit <= now }
    let left = requests.filter { !$0.connection.isAnswered && !isOver($0) }
    credentialServer.waiting[name] = left.isEmpty ? nil : left
    for request in requests where !request.connection.isAnswered && isOver(request) {
      guard let managed = managedTokens[name] else {
        refuse(request.connection, "the token was removed from the settings")
        continue
      }
      if serve(request, managed, atLast: true) { continue }
      let cause = managed.lifecycle.failureStreak.map { ": \($0.failure.message)" } ?? ""
      refuse(
        request.connection,
        "there was no token within \(Timestamp.span(CredentialConnection.patience))\(cause)", of: managed)
    }
  }

  /// Answers the units that wait on accepted connections, as the daemon stops: with a token that is valid, however
  /// shortly, or with a refusal. A connection that just ended would pass for an empty credential.
  func dismissWaiting() {
    for (name, requests) in credentialServer.waiting {
      guard let managed = managedTokens[name] else { continue }
      for request in requests where !request.connection.isAnswered { _ = serve(request, managed, atLast: true) }
    }
    credentialServer.waiting = [:]
    let end = Moment.now().boot + Self.longestDismissal
    for socket in credentialServer.sockets { socket.dismiss(until: end) }
  }

  /// How long a stop waits for units that are slow to read a refusal.
  private static let longestDismissal = Duration.milliseconds(500)

  private func refuse(_ connection: CredentialConnection, _ reason: String, of managed: ManagedToken? = nil) {
    connection.refuse()
    let peer = connection.peer
    logger.warning(
      "\(peer.unit) does not get its credential \(peer.credential), so that its start fails: \(reason)",
      metadata: metadata(.credentialRefused, of: managed, ["consumer_unit": "\(peer.unit)"]))
  }

  /// Once at once, then at most every ten seconds: whoever knocks on purpose must not fill the log.
  private func complain(of userID: UInt32, _ process: Int32) {
    credentialServer.unauthorizedPeers += 1
    let now = Moment.now().boot
    if let last = credentialServer.lastComplaint, now < last + .seconds(10) { return }
    let count =
      credentialServer.unauthorizedPeers > 1 ? " (\(credentialServer.unauthorizedPeers) such since the last line)" : ""
    logger.warning(
      "the credential socket is for systemd: a connection of user \(userID), process \(process), was closed\(count)",
      metadata: metadata(.credentialRefused))
    credentialServer.unauthorizedPeers = 0
    credentialServer.lastComplaint = now
  }

  /// The token and the form that a credential's name asks for: `NAME` or `NAME.token` for the token alone, and `NAME.header`, `NAME.json`
  /// and `NAME.env` for the other forms. Names of tokens have no dots.
  private func wanted(_ credential: String) -> (ManagedToken, TokenOutput)? {
    let parts = credential.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let managed = managedTokens[String(parts[0])] else { return nil }
    guard parts.count == 2 else { return (managed, TokenOutput(path: "", format: .raw)) }
    guard let format = TokenOutput.Format.allCases.first(where: { $0.fileExtension == parts[1] }) else { return nil }
    if let output = managed.settings.outputs.first(where: { $0.format == format }) { return (managed, output) }
    let variable = format == .env ? ConfigurationReader.defaultVariable(managed.settings.name) : nil
    return (managed, TokenOutput(path: "", format: format, variable: variable))
  }
}

extension TokenSettings {
  /// Whether `allow_units` names the unit: by fnmatch(3), a backslash standing for itself as in units' names.
  func admits(_ unit: String) -> Bool {
    allowUnits.contains { fnmatch($0, unit, FNM_NOESCAPE) == 0 }
  }
}
