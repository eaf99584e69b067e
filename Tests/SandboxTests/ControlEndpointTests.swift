import KonexusSandbox
import Testing

@Suite("The control endpoint does what it says")
struct ControlEndpointTests {
  private func withControl(_ body: (Sandbox, Curl, String) async throws -> Void) async throws {
    var options = SandboxOptions.quick
    options.controlPort = 0
    try await withSandbox(options) { sandbox, curl in
      try await body(sandbox, curl, try #require(sandbox.controlURL))
    }
  }

  @Test("faults are set, listed and ended; a wrong one is explained")
  func faults() async throws {
    try await withControl { sandbox, curl, control in
      let fault = #"{"kind": "status", "status": 503, "at": ["token"], "requests": 2}"#
      #expect(await curl(control + "/faults", "--data", fault).status == 200)
      #expect(sandbox.faults == [Fault(.status(503), at: [.token], requests: 2)])
      #expect(await curl(control + "/faults", "--request", "PUT", "--data", #"[{"kind": "hang"}]"#).status == 200)
      #expect(sandbox.faults == [Fault(.hang)])
      #expect(await curl(control + "/faults").body == "[{\"kind\":\"hang\"}]\n")
      #expect(await curl(control + "/faults", "--request", "DELETE").status == 200)
      #expect(sandbox.faults.isEmpty)
      for (wrong, message) in [
        (#"{"kind": "hangs"}"#, "no fault is called 'hangs'; there are: resetOnAccept,"),
        (#"{"kind": "status"}"#, "the fault lacks 'status'"),
        (#"{"kind": "delay", "delay": "long"}"#, "delay: "),
        (#"{"kind": "#, "not valid JSON"),
      ] {
        let answer = await curl(control + "/faults", "--data", wrong)
        #expect(answer.status == 400)
        #expect(answer.body.contains(message), "\(answer.body)")
      }
      #expect(sandbox.faults.isEmpty)
    }
  }

  @Test("each response of a server in practice that the help has comes on request")
  func helpHasFaults() async throws {
    try await withControl { sandbox, curl, control in
      let help = await curl(control + "/").body
      let faults = help.split(separator: "\n").map { $0.drop { $0 == " " } }.filter { $0.hasPrefix("{\"kind\"") }
      #expect(faults.count == 9)
      for fault in faults {
        #expect(await curl(control + "/faults", "--data", String(fault)).status == 200, "\(fault)")
      }
      #expect(sandbox.faults.count == faults.count && sandbox.faults.allSatisfy { $0.requests == 1 })
      // They are written as they are read.
      let written = await curl(control + "/faults").body
      #expect(await curl(control + "/faults", "--request", "PUT", "--data", written).status == 200)
      #expect(await curl(control + "/faults").body == written)
    }
  }

  @Test("counts, requests and tokens are told, and reset")
  func counts() async throws {
    try await withControl { sandbox, curl, control in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      _ = await curl.subscriptions(sandbox, token: token)
      let counts = await curl(control + "/counts").json
      #expect(counts?["tokensIssued"] == 1 && counts?["apiAccepted"] == 1)
      #expect(counts?["requests"] == ["api": 1, "token": 1])
      let requests = try #require(await curl(control + "/requests").json?.array)
      #expect(requests.map { $0["endpoint"]?.string } == ["token", "api"])
      #expect(requests[0]["parameters"]?["scope"] == ["tamarack"])
      #expect(requests[0]["authentication"] == "client_secret_post")
      #expect(!(await curl(control + "/requests").body.contains(sandbox.clientSecret)))
      #expect(await curl(control + "/tokens").json == [.string(token)])
      #expect(await curl(control + "/counts", "--request", "DELETE").status == 200)
      #expect(sandbox.requests.isEmpty && sandbox.counts == Counts())
    }
  }

  @Test("keys, secret, lifetime, clock, token path and revocation change at once")
  func settings() async throws {
    try await withControl { sandbox, curl, control in
      let key = sandbox.currentKeyID
      #expect(await curl(control + "/rotate-keys?drop=true", "--request", "POST").status == 200)
      #expect(sandbox.currentKeyID != key)
      let keys = await curl(sandbox.issuer + "/.well-known/openid-configuration/jwks").json?["keys"]?.array
      #expect(keys?.map { $0["kid"]?.string } == [sandbox.currentKeyID])
      let old = sandbox.clientSecret
      #expect(await curl(control + "/secret?keep=true", "--data", "the new one").body == "the new one\n")
      #expect(await curl.token(sandbox, secret: old).status == 200)
      #expect(await curl.token(sandbox, secret: "the new one").status == 200)
      #expect(await curl(control + "/lifetime?seconds=20", "--request", "POST").status == 200)
      #expect(await curl.token(sandbox).json?["expires_in"] == 20)
      #expect(await curl(control + "/lifetime?seconds=soon", "--request", "POST").status == 400)
      #expect(await curl(control + "/skew?seconds=-600", "--request", "POST").status == 200)
      #expect(sandbox.settings.clockSkew == -600)
      #expect(await curl(control + "/token-path?path=/moved", "--request", "POST").status == 200)
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(sandbox.requests.last?.path == "/moved")
      #expect(await curl(control + "/revoke", "--data", token).status == 200)
      #expect(sandbox.refusal(of: token) == "revoked")
      let unknown = await curl(control + "/nothing")
      #expect(unknown.status == 400 && unknown.body.contains("GET    /counts"))
      #expect(await curl(control + "/").body.contains("POST   /down?seconds=5"))
    }
  }

  @Test("keys and revocations are controlled")
  func keys() async throws {
    try await withControl { sandbox, curl, control in
      func post(_ path: String, _ body: String = "") async -> CurlResult { await curl(control + path, "--data", body) }
      let prepared = await post("/prepare-key").body.dropLast().split(separator: " ").last.map(String.init)
      #expect(await post("/rotate-keys").status == 200 && sandbox.currentKeyID == prepared)
      #expect(await post("/alternate-keys?on=true").status == 200 && sandbox.settings.alternatesKeySets)
      #expect(await post("/alternate-keys?on=false").status == 200 && !sandbox.settings.alternatesKeySets)
      #expect(await post("/alternate-keys").body == "give ?on=true or ?on=false\n")
      #expect(await post("/reissue?way=wholeLifetime").status == 200 && sandbox.settings.reissue == .wholeLifetime)
      #expect(await post("/reissue").status == 400)
      #expect(await post("/reissue?way=never").status == 200)
      #expect(await post("/key-set-etag?on=true").status == 200 && sandbox.settings.keySetHasETag)
      #expect(await post("/api-keys?cache=rejection").status == 200)
      #expect(sandbox.settings.apiKeyCache == .learnsFromRejection)
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
      try await sandbox.rotateKeys()
      let next = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await curl.subscriptions(sandbox, token: next).status == 401)
      #expect(await post("/api-keys?seconds=5").status == 200 && sandbox.settings.apiKeyCache == .seconds(5))
      #expect(await post("/api-keys?cache=none").status == 200 && sandbox.settings.apiKeyCache == .none)
      #expect(await post("/api-keys?cache=all").status == 400)
      #expect(await post("/revoke?at=api", next).status == 200 && sandbox.refusal(of: next) == "revokedAtAPI")
      #expect(await post("/revoke", token).status == 200 && sandbox.refusal(of: token) == "revoked")
    }
  }

  @Test("down, silent and up")
  func outages() async throws {
    try await withControl { sandbox, curl, control in
      #expect(await curl(control + "/down", "--request", "POST").status == 200)
      #expect(await curl(sandbox.issuer + "/").exit == 7)
      #expect(await curl(control + "/up", "--request", "POST").status == 200)
      #expect(await curl(sandbox.issuer + "/").status == 404)
      #expect(await curl(control + "/silent", "--request", "POST").status == 200)
      // 28: the time for connecting is over.
      #expect(await curl("https://127.0.0.1:\(sandbox.port)/", "--connect-timeout", "1").exit == 28)
      #expect(await curl(control + "/up", "--request", "POST").status == 200)
      #expect(await curl(sandbox.issuer + "/").status == 404)
    }
  }

  @Test(
    "each fault has a form that can be read again",
    arguments: FaultTests.cases.map(\.kind) + ForgedTokenTests.cases.map(\.kind) + [
      .unsuccessful(code: "A", message: "B"), .lostResponse(), .lostResponse(status: 504),
    ])
  func roundTrip(kind: Fault.Kind) async throws {
    try await withControl { sandbox, curl, control in
      let fault = Fault(kind, at: [.api], requests: 7)
      sandbox.inject(fault)
      let form = await curl(control + "/faults")
      #expect(form.status == 200)
      sandbox.clearFaults()
      #expect(await curl(control + "/faults", "--request", "PUT", "--data-raw", form.body).status == 200)
      #expect(sandbox.faults == [fault])
    }
  }
}
