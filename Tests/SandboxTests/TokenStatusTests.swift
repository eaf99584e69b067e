import KonexusSandbox
import Testing

@Suite("Tokens are introspected and revoked")
struct TokenStatusTests {
  @Test("introspection tells of a good token, of nothing else", arguments: SandboxSettings.TokenForm.allCases)
  func introspection(form: SandboxSettings.TokenForm) async throws {
    var options = SandboxOptions.quick
    options.settings.tokenForm = form
    try await withSandbox(options) { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(token.contains(".") == (form == .jwt))
      let answer = await introspect(sandbox, curl, token)
      #expect(answer.status == 200)
      #expect(answer.json?["active"] == true)
      #expect(answer.json?["scope"] == "tamarack")
      #expect(answer.json?["client_id"]?.string == sandbox.clientID)
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
      #expect(await introspect(sandbox, curl, token + "x").body == #"{"active":false}"#)
      sandbox.update { $0.clockSkew = 3601 }
      #expect(await introspect(sandbox, curl, token).json == ["active": false])
      let stranger = await curl(
        sandbox.issuer + "/connect/introspect", "--data-urlencode", "token=\(token)", "--user", "x:y")
      #expect(stranger.status == 401)
    }
  }

  @Test("a revoked token is refused; what is unknown is revoked without complaint")
  func revocation() async throws {
    try await withSandbox { sandbox, curl in
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let url = sandbox.issuer + "/connect/revocation"
      let user = ["--user", "\(sandbox.clientID):\(sandbox.clientSecret)"]
      #expect(await curl.run([url, "--data-urlencode", "token=unknown"] + user).status == 200)
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
      #expect(await curl.run([url, "--data-urlencode", "token=\(token)"] + user).status == 200)
      #expect(await curl.subscriptions(sandbox, token: token).status == 401)
      #expect(sandbox.counts.apiRefusals == ["revoked": 1])
      #expect(await introspect(sandbox, curl, token).json == ["active": false])
    }
  }

  private func introspect(_ sandbox: Sandbox, _ curl: Curl, _ token: String) async -> CurlResult {
    await curl(
      sandbox.issuer + "/connect/introspect", "--data-urlencode", "token=\(token)", "--user",
      "\(sandbox.clientID):\(sandbox.clientSecret)")
  }
}
