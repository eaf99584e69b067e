import FoundationEssentials

/// The Alerting module of the Konexus API: `/api/v2/alerts` and the paths below it.
///
/// The caller has checked the token and the method.
struct AlertEndpoints {
  let state: ServerState
  let faults: [Fault.Kind]

  /// The longest `jobId` and `correlationKey`, in characters.
  private static let longestKey = 100

  func answer(_ request: Incoming, at endpoint: SandboxEndpoint, path: String) -> Answer {
    if endpoint == .alertStatus { return status(path) }
    // The vendor's `defaults` and `find` can be called without a body.
    let isOptional = endpoint == .alertDefaults || endpoint == .alertFind
    let body = request.body.isEmpty && isOptional ? [:] : try? JSON(parsing: request.body)
    guard let body, body.members != nil else { return Self.invalid("The body is not a JSON object.") }
    switch endpoint {
    case .alertDefaults: return .json(Envelope.item(AlertForm.defaults).json)
    case .alertPreview: return preview(body)
    case .alertFind: return find(body)
    default: return send(body)
    }
  }

  private func preview(_ body: JSON) -> Answer {
    let form = AlertForm(settings: body["settings"] ?? .null)
    return form.fault.map(Self.invalid) ?? .json(Envelope.item(form.settings).json)
  }

  private func send(_ body: JSON) -> Answer {
    let form = AlertForm(settings: body["settings"] ?? .null)
    if let fault = form.fault { return Self.invalid(fault) }
    for name in ["jobId", "correlationKey"] where (body[name]?.string?.count ?? 0) > Self.longestKey {
      return Self.invalid("\(name) has more than \(Self.longestKey) characters.")
    }
    // The response is replaced later. In this case the request must not have an effect.
    if faults.contains(where: \.isAnsweredElsewhere) { return Answer() }
    let time = state.now
    let id = state.withContents { contents in
      contents.counts.alerts += 1
      contents.alertsEver += 1
      let id = Int64(1115 + contents.alertsEver)
      contents.alerts.append(
        AcceptedAlert(
          id: id, time: time, subject: form.subject, message: form.message, groupIDs: form.groupIDs,
          jobID: body["jobId"]?.string, correlationKey: body["correlationKey"]?.string, settings: form.settings))
      if contents.alerts.count > ServerState.memory { contents.alerts.removeFirst(ServerState.memory / 2) }
      return id
    }
    let sentStatus: JSON = [
      "AlertId": .integer(id), "AlertType": 0, "AlertStatus": "Queued", "DateSent": Self.date(time),
      "Subject": .string(form.subject), "Message": .string(form.message), "Cancelled": false, "Sent": false,
      "Errors": [],
    ]
    let contents = [JSON.Member("alertId", .integer(id)), JSON.Member("sentStatus", sentStatus)]
    return .json(Envelope(contents: contents).json)
  }

  /// Lists alerts, the newest first, by the documented filters `subject`, `after`, `before`, `page` and `pageSize`.
  ///
  /// As documented, neither the filters nor the items have `jobId` or `correlationKey`. An unknown filter is ignored.
  private func find(_ filter: JSON) -> Answer {
    var alerts = Array(state.withContents(\.alerts).reversed())
    if let subject = filter["subject"]?.string?.lowercased(), !subject.isEmpty {
      alerts.removeAll { !$0.subject.lowercased().contains(subject) }
    }
    for name in ["after", "before"] {
      guard let text = filter[name]?.string else { continue }
      guard let limit = try? Date(text, strategy: .iso8601).timeIntervalSince1970 else {
        return Self.invalid("\(name) is not a date.")
      }
      alerts.removeAll { name == "after" ? $0.time <= limit : $0.time >= limit }
    }
    let page = filter["page"]?.integer ?? 1
    let pageSize = filter["pageSize"]?.integer ?? 25
    guard (1...100_000).contains(page), (1...1000).contains(pageSize) else {
      return Self.invalid("page or pageSize is out of range.")
    }
    let items = alerts.map { alert in
      var item = alert.settings
      item["fields"] = nil
      item["id"] = .integer(alert.id)
      item["timeSent"] = Self.date(alert.time)
      return item
    }
    return .json(Envelope.list(items, page: Int(page), pageSize: Int(pageSize)).json)
  }

  private func status(_ path: String) -> Answer {
    let id = path.split(separator: "/").dropLast().last.flatMap { Int64($0) }
    guard let alert = state.withContents({ contents in contents.alerts.last { $0.id == id } }) else {
      return .json(Envelope.failure("NotFound", "The item cannot be found.").json, status: 404)
    }
    // Here, the delivery of an alert takes a second.
    let status: JSON = state.now - alert.time < 1 ? "Queued" : "Sent"
    return .json(Envelope.item(["id": .integer(alert.id), "status": status]).json)
  }

  private static func invalid(_ sentence: String) -> Answer {
    .json(Envelope.failure("ValidationError", sentence).json, status: 400)
  }

  /// A date as the API writes it.
  private static func date(_ time: Double) -> JSON { .string("/Date(\(Int64(time * 1000)))/") }
}
