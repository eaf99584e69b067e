/// The Konexus Platform API as far as the sandbox has it: subscriptions to read, alerts to send.
struct ResourceServer {
  let state: ServerState

  func answer(_ request: Incoming, path: String) -> Answer {
    let items: JSON
    switch (request.method, path) {
    case ("GET", "/api/v2/settings/subscriptions"): items = Self.subscriptions
    case ("POST", "/api/v2/alerts"): items = []
    case (_, "/api/v2/settings/subscriptions"): return Answer(status: 405, headers: [("Allow", "GET")])
    case (_, "/api/v2/alerts"): return Answer(status: 405, headers: [("Allow", "POST")])
    default: return Answer(status: 404)
    }
    if let refused = refusal(of: request) { return refused }
    if request.method == "POST" { return alert(request) }
    state.withContents { $0.counts.apiAccepted += 1 }
    return .json(Self.envelope(items: items))
  }

  /// The answer for a request without a good token (RFC 6750, section 3); nil for one with a good token.
  private func refusal(of request: Incoming) -> Answer? {
    let parts = request.authorization?.split(separator: " ", maxSplits: 1) ?? []
    guard parts.count == 2, parts[0].lowercased() == "bearer" else {
      return refused(status: 401, challenge: "Bearer", because: "noToken")
    }
    guard let (status, reason) = refusal(ofToken: String(parts[1])) else { return nil }
    let challenge =
      status == 403
      ? "Bearer error=\"insufficient_scope\", scope=\"\(state.settings.requiredScope)\""
      : "Bearer error=\"invalid_token\""
    return refused(status: status, challenge: challenge, because: reason)
  }

  /// Why a token is refused, and with which status; nil when it is good.
  func refusal(ofToken token: String) -> (status: Int, reason: String)? {
    let settings = state.settings
    do {
      let claims = try TokenJudge(state: state).claims(of: token)
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
    return Answer(status: status, headers: [("WWW-Authenticate", challenge)], refusal: reason)
  }

  private func alert(_ request: Incoming) -> Answer {
    guard let alert = try? JSON(parsing: request.body), alert.members != nil else {
      return .json(Self.envelope(items: [], failures: ["The body is not a JSON object."]), status: 400)
    }
    state.withContents { contents in
      contents.counts.apiAccepted += 1
      contents.counts.alerts += 1
    }
    return .json(Self.envelope(items: [alert]))
  }

  private static let subscriptions: JSON = [
    [
      "id": 1, "name": "River level", "description": "Flood warnings for the river gauges", "isActive": true,
    ],
    [
      "id": 2, "name": "Water supply", "description": "Boil-water notices and outages", "isActive": true,
    ],
  ]

  static func envelope(items: JSON, failures: JSON = []) -> JSON {
    let count = Int64(items.array?.count ?? 0)
    let isSuccess = failures.array?.isEmpty ?? true
    return [
      "totalItemCount": .integer(count), "pageCount": 1, "page": 1, "pageSize": 25, "items": items,
      "status": [
        "isSuccess": .bool(isSuccess), "errorCode": isSuccess ? "None" : "ValidationFailed",
        "validationFailures": failures, "messages": [],
      ],
      "hasErrors": .bool(!isSuccess), "isValid": .bool(isSuccess),
    ]
  }
}
