import KonexusSandbox
import Testing

@Suite("The sandbox takes alerts as the Konexus API does")
struct AlertTests {
  @Test("the vendor's flow: defaults, changes, preview, send, status")
  func flow() async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      let preview = await api.post("/preview", ["settings": settings])
      #expect(preview.status == 200 && preview.json?["status"]?["isSuccess"] == true)
      #expect(preview.json?["item"]?["message"]?["basic"]?["subject"] == "Flood")
      #expect(sandbox.alerts.isEmpty)

      let sent = await api.post("", ["settings": settings, "jobId": "job", "correlationKey": "key", "async": true])
      #expect(sent.status == 200)
      #expect(sent.json?["HasErrors"] == false && sent.json?["IsValid"] == true)
      let id = try #require(sent.json?["AlertId"]?.integer)
      #expect(sent.json?["SentStatus"]?["AlertStatus"] == "Queued")
      #expect(sent.json?["SentStatus"]?["Subject"] == "Flood")
      let alert = try #require(sandbox.alerts.first)
      #expect(alert.id == id && alert.subject == "Flood" && alert.message == "The river rises.")
      #expect(alert.jobID == "job" && alert.correlationKey == "key" && alert.groupIDs == [1003])
      #expect(sandbox.counts.alerts == 1)

      let status = await api.get("/\(id)/status")
      #expect(status.json?["item"]?["id"]?.integer == id)
      let unknown = await api.get("/\(id + 1)/status")
      #expect(unknown.status == 404 && unknown.json?["status"]?["errorCode"] == "NotFound")
    }
  }

  @Test("the default form is incomplete, and says what is required")
  func defaults() async throws {
    try await withAPI { _, api in
      let answer = await api.post("/defaults", nil)
      #expect(answer.status == 200 && answer.json?["hasErrors"] == false)
      let item = try #require(answer.json?["item"])
      let required = item["fields"]?.array?.filter { $0["required"] == true }.compactMap { $0["name"]?.string }
      #expect(required == ["recipients", "subject", "message"])
      #expect(item["channels"]?["email"]?["send"] == false && item["recipients"]?["groupIds"] == [])
      #expect(await api.post("/preview", ["settings": item]).status == 400)
    }
  }

  @Test(
    "preview and send reject what is incomplete, with 400 and a sentence; no alert is sent",
    arguments: ["/preview", ""],
    [
      ("Settings are required to send this message.", ["title": "Flood"]),
      ("Subject is required to send this message.", ["message": ["basic": ["subject": "", "message": "x"]]]),
      ("Message is required to send this message.", ["message": ["basic": ["subject": "x"]]]),
      ("Recipients is required to send this message.", ["recipients": ["groupIds": []]]),
      ("Channels is required to send this message.", ["channels": ["email": ["send": false]]]),
    ] as [(String, JSON)])
  func incomplete(path: String, expected: (sentence: String, change: JSON)) async throws {
    try await withAPI { sandbox, api in
      var body = expected.change
      if body["title"] == nil {
        var settings = try await api.form()
        for member in body.members ?? [] { settings[member.name] = member.value }
        body = ["settings": settings]
      }
      let answer = await api.post(path, body)
      #expect(answer.status == 400 && answer.json?[path.isEmpty ? "HasErrors" : "hasErrors"] == true)
      #expect(answer.json?["status"]?["isSuccess"] == false)
      #expect(answer.json?["status"]?["errorCode"] == "ValidationError")
      #expect(answer.json?["status"]?["errorMessage"]?.string == expected.sentence)
      #expect(sandbox.alerts.isEmpty && sandbox.counts.alerts == 0)
    }
  }

  @Test("keys of more than 100 characters and bodies that are not JSON are rejected")
  func malformed() async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      let long = JSON.string(String(repeating: "k", count: 101))
      for name in ["jobId", "correlationKey"] {
        let answer = await api.post("", .object([.init("settings", settings), .init(name, long)]))
        #expect(answer.status == 400, "\(name)")
        #expect(answer.json?["status"]?["errorMessage"]?.string == "\(name) has more than 100 characters.")
      }
      for path in ["", "/preview", "/find", "/defaults"] {
        #expect(await api.post(path, .raw("no JSON")).status == 400, "\(path)")
      }
      #expect(sandbox.alerts.isEmpty)
    }
  }

  @Test("find filters as documented: by subject, page and time; it has no filter for correlationKey")
  func find() async throws {
    try await withAPI { sandbox, api in
      for subject in ["Flood 1", "Flood 2", "Fire"] {
        let settings = try await api.form(subject: subject)
        #expect(await api.post("", ["settings": settings, "correlationKey": .string("key " + subject)]).status == 200)
      }
      func found(_ filter: JSON) async throws -> [String] {
        let answer = await api.post("/find", filter)
        #expect(answer.status == 200)
        let items = try #require(answer.json?["items"]?.array)
        // The vendor's documents name neither key among the members of an alert that was found.
        #expect(items.allSatisfy { $0["correlationKey"] == nil && $0["jobId"] == nil && $0["id"] != nil })
        return items.compactMap { $0["message"]?["basic"]?["subject"]?.string }
      }
      #expect(try await found([:]) == ["Fire", "Flood 2", "Flood 1"])
      #expect(try await found(["subject": "flood"]) == ["Flood 2", "Flood 1"])
      #expect(try await found(["subject": "Flood 1"]) == ["Flood 1"])
      #expect(try await found(["subject": "Storm"]) == [])
      #expect(try await found(["correlationKey": "key Fire"]).count == 3)
      #expect(try await found(["page": 2, "pageSize": 2]) == ["Flood 1"])
      #expect(try await found(["after": "2001-01-01T00:00:00Z"]).count == 3)
      #expect(try await found(["before": "2001-01-01T00:00:00Z"]) == [])
      #expect(await api.post("/find", ["after": "yesterday"]).status == 400)
      let answer = await api.post("/find", ["pageSize": 2])
      #expect(answer.json?["totalItemCount"] == 3 && answer.json?["pageCount"] == 2)
      #expect(answer.json?["items"]?.array?.first?["timeSent"]?.string?.hasPrefix("/Date(") == true)
      #expect(sandbox.counts[.alertFind] == 10)
    }
  }

  @Test("without a good token each call is 401 with the vendor's error, and nothing is done")
  func unauthorized() async throws {
    try await withAPI { sandbox, api in
      let body: JSON = ["settings": try await api.form()]
      for path in ["", "/defaults", "/preview", "/find"] {
        let answer = await api.run([api.url + path, "--json", body.text])
        #expect(answer.status == 401 && answer.json == ["error": "Unauthorized."], "\(path)")
      }
      #expect(await api.run([api.url + "/1/status"]).status == 401)
      #expect(await api.run([api.url, "--request", "PUT"]).status == 405)
      #expect(await api.get("/1/nothing").status == 404)
      #expect(sandbox.alerts.isEmpty)
    }
  }

  @Test("a call that is unsuccessful on request answers 200, and no alert is sent")
  func unsuccessful() async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      sandbox.inject(.unsuccessful(code: "QuotaExceeded", message: "Too many alerts."), at: [.alerts], requests: 1)
      let answer = await api.post("", ["settings": settings])
      #expect(answer.status == 200 && answer.json?["HasErrors"] == true)
      #expect(answer.json?["status"]?["isSuccess"] == false)
      #expect(answer.json?["status"]?["errorCode"] == "QuotaExceeded")
      #expect(answer.json?["status"]?["errorMessage"] == "Too many alerts.")
      // As .NET writes a response that was never filled in.
      #expect(answer.json?["AlertId"] == 0)
      sandbox.inject(.unsuccessful(code: "InternalError", message: ""), requests: 2)
      #expect(await api.post("/find", [:]).json?["items"] == [])
      #expect(await api.post("/defaults", [:]).json?["item"] == .null)
      #expect(sandbox.alerts.isEmpty && sandbox.counts.alerts == 0)
      #expect(await api.post("", ["settings": settings]).json?["HasErrors"] == false)
      #expect(sandbox.alerts.count == 1)
    }
  }

  @Test("a lost response: the alert is accepted, the client learns nothing of it")
  func lostResponse() async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      sandbox.inject(.lostResponse(), at: [.alerts], requests: 1)
      // 56: the connection was reset.
      #expect(await api.post("", ["settings": settings]).exit == 56)
      #expect(sandbox.alerts.count == 1)
      sandbox.inject(.lostResponse(status: 504), at: [.alerts], requests: 1)
      #expect(await api.post("", ["settings": settings]).status == 504)
      #expect(sandbox.alerts.count == 2 && sandbox.counts.alerts == 2)
    }
  }

  @Test(
    "an alert whose request is answered by something else than the API is not accepted",
    arguments: [.status(503), .reset, .close, .html, .empty, .body("{}")] as [Fault.Kind])
  func otherAnswers(kind: Fault.Kind) async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      sandbox.inject(kind, at: [.alerts], requests: 1)
      _ = await api.post("", ["settings": settings])
      #expect(sandbox.faults.isEmpty && sandbox.alerts.isEmpty && sandbox.counts.alerts == 0)
    }
  }

  @Test("the envelope has small or capital letters on request", arguments: SandboxSettings.Spelling.allCases)
  func spelling(_ spelling: SandboxSettings.Spelling) async throws {
    try await withAPI { sandbox, api in
      let settings = try await api.form()
      sandbox.update { $0.spelling = spelling }
      let sent = await api.post("", ["settings": settings])
      let found = await api.post("/find", [:])
      let isCapital = spelling != .small
      #expect((sent.json?["AlertId"] != nil) == isCapital && (sent.json?["alertId"] != nil) == !isCapital)
      #expect((sent.json?["HasErrors"] != nil) == isCapital && (sent.json?["hasErrors"] != nil) == !isCapital)
      #expect((found.json?["Items"] != nil) == (spelling == .capital))
      #expect((found.json?["Status"]?["IsSuccess"] == true) == (spelling == .capital))
      let item = (found.json?["Items"] ?? found.json?["items"])?.array?.first
      #expect(item?["message"]?["basic"]?["subject"] == "Flood")
    }
  }

  @Test("the control endpoint lists the alerts and sets the spelling")
  func control() async throws {
    try await withAPI { sandbox, api in
      let control = try #require(sandbox.controlURL)
      let settings = try await api.form()
      let fault = #"{"kind": "lostResponse", "at": ["alerts"], "requests": 1}"#
      #expect(await api.run([control + "/faults", "--data", fault]).status == 200)
      #expect(await api.post("", ["settings": settings, "correlationKey": "key"]).exit == 56)
      let alerts = await api.run([control + "/alerts"]).json?.array
      #expect(alerts?.count == 1 && alerts?.first?["subject"] == "Flood" && alerts?.first?["correlationKey"] == "key")
      #expect(await api.run([control + "/spelling?form=capital", "--request", "POST"]).status == 200)
      #expect(sandbox.settings.spelling == .capital)
      let wrong = await api.run([control + "/spelling?form=tiny", "--request", "POST"])
      #expect(wrong.status == 400 && wrong.body.contains("documented, small, capital"))
      let unsuccessful = #"{"kind": "unsuccessful", "at": ["alertPreview"]}"#
      #expect(await api.run([control + "/faults", "--data", unsuccessful]).status == 200)
      #expect(await api.post("/preview", ["settings": settings]).json?["Status"]?["IsSuccess"] == false)
    }
  }

  /// Starts a sandbox and gets a token for its API.
  private func withAPI(_ body: (Sandbox, AlertAPI) async throws -> Void) async throws {
    var options = SandboxOptions.quick
    options.controlPort = 0
    try await withSandbox(options) { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      try await body(sandbox, AlertAPI(curl: curl, token: token, port: sandbox.port))
    }
  }
}

/// Calls the sandbox's alert API by curl.
private struct AlertAPI {
  let curl: Curl
  let token: String
  let port: Int

  var url: String { "https://localhost:\(port)/api/v2/alerts" }

  func run(_ arguments: [String]) async -> CurlResult { await curl.run(arguments) }

  func post(_ path: String, _ body: JSON?) async -> CurlResult {
    await run([url + path, "--header", "Authorization: Bearer \(token)", "--json", body?.text ?? ""])
  }

  func get(_ path: String) async -> CurlResult {
    await run([url + path, "--header", "Authorization: Bearer \(token)"])
  }

  /// The account's default form, filled in so that it can be sent.
  func form(subject: String = "Flood") async throws -> JSON {
    var settings = try #require(await post("/defaults", [:]).json?["item"])
    settings["message"]?["basic"] = ["subject": .string(subject), "message": "The river rises."]
    settings["channels"]?["email"]?["send"] = true
    settings["recipients"]?["groupIds"] = [1003]
    return settings
  }
}
