/// The parts of the Konexus Platform API that the sandbox has: it lists subscriptions and sends alerts.
struct ResourceServer {
  let state: ServerState

  private static let alertsPath = "/api/v2/alerts"

  /// The endpoint of a path under `/api/`.
  static func endpoint(of path: String) -> SandboxEndpoint {
    switch path {
    case alertsPath: .alerts
    case alertsPath + "/defaults": .alertDefaults
    case alertsPath + "/preview": .alertPreview
    case alertsPath + "/find": .alertFind
    case _ where path.hasPrefix(alertsPath + "/") && path.hasSuffix("/status"): .alertStatus
    default: .api
    }
  }

  func answer(_ request: Incoming, at endpoint: SandboxEndpoint, path: String, faults: [Fault.Kind]) -> Answer {
    if endpoint == .api && path != "/api/v2/settings/subscriptions" { return Answer(status: 404) }
    let method = endpoint == .api || endpoint == .alertStatus ? "GET" : "POST"
    guard request.method == method else { return Answer(status: 405, headers: [("Allow", method)]) }
    if let refused = refusal(of: request) { return refused }
    state.withContents { $0.counts.apiAccepted += 1 }
    var answer: Answer
    if let failure = faults.lazy.compactMap({ $0.failure(at: endpoint) }).first {
      answer = .json(failure.json)
    } else if endpoint == .api {
      answer = .json(Envelope.list(Self.subscriptions).json)
    } else {
      answer = AlertEndpoints(state: state, faults: faults).answer(request, at: endpoint, path: path)
    }
    if case .json(let envelope) = answer.content {
      answer.content = .json(envelope.spelled(state.settings.spelling, isSend: endpoint == .alerts))
    }
    return answer
  }

  /// The answer to a request without a valid token (RFC 6750, section 3); nil if the token is valid.
  private func refusal(of request: Incoming) -> Answer? {
    let parts = request.authorization?.split(separator: " ", maxSplits: 1) ?? []
    guard parts.count == 2, parts[0].lowercased() == "bearer" else {
      return refused(status: 401, challenge: "Bearer", because: "noToken")
    }
    guard let (status, reason) = refusal(ofToken: String(parts[1]), isLook: false) else { return nil }
    let challenge =
      status == 403
      ? "Bearer error=\"insufficient_scope\", scope=\"\(state.settings.requiredScope)\""
      : "Bearer error=\"invalid_token\""
    return refused(status: status, challenge: challenge, because: reason)
  }

  /// Why a token is refused, and with which status; nil if it is valid.
  ///
  /// - Parameter isLook: whether the state of the API stays as it is.
  func refusal(ofToken token: String, isLook: Bool = true) -> (status: Int, reason: String)? {
    let settings = state.settings
    if state.withContents({ $0.revokedAtAPI.contains(token) }) { return (401, "revokedAtAPI") }
    let keys = state.apiKeys(for: CompactJWT(token)?.header["kid"]?.string, isLook: isLook)
    do {
      let claims = try TokenJudge(state: state, keys: keys).claims(of: token)
      guard CompactJWT.audiences(of: claims).contains(where: settings.audience.contains) else {
        return (401, "audience")
      }
      guard CompactJWT.scopes(of: claims).contains(settings.requiredScope) else { return (403, "scope") }
      return nil
    } catch {
      return (401, error.reason)
    }
  }

  private func refused(status: Int, challenge: String, because reason: String) -> Answer {
    state.withContents { contents in
      contents.counts.apiRefused += 1
      contents.counts.apiRefusals[reason, default: 0] += 1
    }
    var answer = Answer(status: status, headers: [("WWW-Authenticate", challenge)], refusal: reason)
    // The vendor documents this body for 401 alone.
    if status == 401 { answer.content = .json(["error": "Unauthorized."]) }
    return answer
  }

  private static let subscriptions: [JSON] = [
    [
      "id": 1, "name": "River level", "description": "Flood warnings for the river gauges", "isActive": true,
    ],
    [
      "id": 2, "name": "Water supply", "description": "Boil-water notices and outages", "isActive": true,
    ],
  ]
}

extension Fault.Kind {
  /// The failure that a fault makes the API report; nil for other faults.
  ///
  /// It has the members of a success, with the default values of .NET.
  fileprivate func failure(at endpoint: SandboxEndpoint) -> Envelope? {
    guard case .unsuccessful(let code, let message) = self else { return nil }
    var envelope = Envelope.failure(code, message)
    switch endpoint {
    case .alerts: envelope.contents = [.init("alertId", 0), .init("sentStatus", .null)]
    case .alertFind, .api: envelope.contents = Envelope.list([]).contents
    default: envelope.contents = [.init("item", .null)]
    }
    return envelope
  }
}
