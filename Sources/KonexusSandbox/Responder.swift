import HTTPTypes
import HummingbirdCore
import NIOCore
import NIOSSL

/// Passes each request to its endpoint, and applies the faults to the answer.
struct Responder: Sendable {
  let state: ServerState

  /// The longest request body that is read, in bytes.
  static let longestBody = 1 << 20

  func respond(_ request: Request, writer: consuming ResponseWriter, channel: any Channel) async throws {
    let incoming = try await incoming(request, channel: channel)
    let (endpoint, path) = route(incoming.path)
    var record = RequestRecord(
      endpoint: endpoint, method: incoming.method, path: incoming.path, time: ServerClock.monotonic)
    record.parameters = incoming.form?.withoutSecrets ?? [:]
    record.showsCertificate = incoming.certificate != nil
    record.assertion = incoming.form?["client_assertion"].flatMap(CompactJWT.init).map(ClientAssertion.summary)
    let (number, faults) = state.admit(record)
    let answer = try await answer(incoming, endpoint: endpoint, path: path, faults: faults)
    let now = state.now
    let bent = FaultyAnswer(answer, faults: faults, now: now)
    state.conclude(number, status: bent.status, answer: answer)
    try await AnswerDelivery(answer: bent, channel: channel, now: now).send(writer, isHead: request.method == .head)
  }

  private func incoming(_ request: Request, channel: any Channel) async throws -> Incoming {
    var body: [UInt8] = []
    for try await part in request.body {
      body += part.readableBytesView
      guard body.count <= Self.longestBody else { throw SandboxError("the request body is longer than 1 MiB") }
    }
    let target = request.head.path ?? "/"
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    return Incoming(
      method: request.method == .head ? "GET" : request.method.rawValue, path: parts[0],
      query: parts.count == 2 ? parts[1] : nil, authorization: request.headers[.authorization],
      contentType: request.headers[.contentType], ifNoneMatch: request.headers[.ifNoneMatch], body: body,
      certificate: try await Self.clientCertificate(of: channel))
  }

  /// The endpoint of a path, and the path without that of the issuer.
  private func route(_ path: String) -> (endpoint: SandboxEndpoint, path: String) {
    let settings = state.settings
    if let discovery = settings.discoveryPath {
      let usual = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
      if path == discovery { return (.discovery, path) }
      if path.hasPrefix(usual[0]) || path.hasSuffix(usual[1]) { return (.other, path) }
    }
    let base = state.issuerPath.hasSuffix("/") ? String(state.issuerPath.dropLast()) : state.issuerPath
    // RFC 8414, section 3.1: the well-known part comes before the issuer's path.
    if path == "/.well-known/oauth-authorization-server" + base { return (.discovery, path) }
    if path.hasPrefix("/api/") { return (ResourceServer.endpoint(of: path), path) }
    guard path.hasPrefix(base) else { return (.other, path) }
    let local = String(path.dropFirst(base.count))
    switch local {
    case "/.well-known/openid-configuration": return (.discovery, local)
    case settings.keySetPath: return (.jwks, local)
    case settings.tokenPath: return (.token, local)
    case settings.introspectionPath: return (.introspection, local)
    case "/connect/revocation": return (.revocation, local)
    default: return (.other, local)
    }
  }

  private func answer(
    _ request: Incoming, endpoint: SandboxEndpoint, path: String, faults: [Fault.Kind]
  ) async throws -> Answer {
    switch endpoint {
    case .discovery, .jwks:
      guard request.method == "GET" else { return Answer(status: 405, headers: [("Allow", "GET")]) }
      let discovery = Discovery(state: state)
      return endpoint == .jwks ? try await discovery.keySet(request) : discovery.document()
    case .token: return try await TokenEndpoint(state: state).answer(request, faults: faults)
    case .introspection: return TokenStatus(state: state).introspection(request)
    case .revocation: return TokenStatus(state: state).revocation(request)
    case .api, .alertDefaults, .alertPreview, .alerts, .alertFind, .alertStatus:
      return ResourceServer(state: state).answer(request, at: endpoint, path: path, faults: faults)
    case .other:
      // There is no login here. A real server would show its login page.
      return Answer(status: path == "/connect/authorize" ? 400 : 404)
    }
  }

  /// The client certificate of a TLS connection, in DER; nil without one.
  private static func clientCertificate(of channel: any Channel) async throws -> [UInt8]? {
    try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: NIOSSLServerHandler.self).peerCertificate?.toDERBytes()
    }.get()
  }
}
