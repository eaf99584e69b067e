import KonexusSandbox
import Testing

@Suite("Clients prove who they are")
struct ClientAuthenticationTests {
  @Test("a wrong secret is refused, in the body and in HTTP Basic")
  func wrongSecret() async throws {
    try await withSandbox { sandbox, curl in
      let post = await curl.token(sandbox, secret: "wrong")
      #expect(post.status == 400)
      #expect(post.body == #"{"error":"invalid_client"}"#)
      #expect(post.headers["cache-control"]?.contains("no-store") == true)
      let basic = await curl(
        sandbox.issuer + "/connect/token", "--data", "grant_type=client_credentials", "--user",
        "\(sandbox.clientID):wrong")
      #expect(basic.status == 401)
      #expect(basic.headers["www-authenticate"]?.hasPrefix("Basic") == true)
      sandbox.update { $0.refusal = .forbiddenEmpty }
      let forbidden = await curl.token(sandbox, secret: "wrong")
      #expect(forbidden.status == 403 && forbidden.body.isEmpty)
      #expect(sandbox.counts.tokenRefusals == 3)
      #expect(sandbox.counts.tokensIssued == 0)
    }
  }

  @Test("HTTP Basic is read as RFC 6749 says, or as it stands")
  func basic() async throws {
    var options = SandboxOptions.quick
    options.clients = [SandboxClient(id: "gauge", secrets: ["s3cret/with+odd&chars=%"])]
    try await withSandbox(options) { sandbox, curl in
      let url = sandbox.issuer + "/connect/token"
      let raw = ["--user", "gauge:s3cret/with+odd&chars=%"]
      let encoded = ["--user", "gauge:s3cret%2Fwith%2Bodd%26chars%3D%25"]
      let grant = [url, "--data", "grant_type=client_credentials"]
      #expect(await curl.run(grant + encoded).status == 200)
      #expect(await curl.run(grant + raw).status == 401)
      sandbox.update { $0.basicEncoding = .raw }
      #expect(await curl.run(grant + encoded).status == 401)
      #expect(await curl.run(grant + raw).status == 200)
    }
  }

  @Test("what the request lacks is named as RFC 6749, section 5.2, has it")
  func errors() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/connect/token"
      let client = "client_id=\(sandbox.clientID)&client_secret=\(sandbox.clientSecret)"
      let cases = [
        ("\(client)&grant_type=password", "unsupported_grant_type"),
        ("\(client)", "unsupported_grant_type"),
        ("\(client)&grant_type=client_credentials&scope=admin", "invalid_scope"),
        ("\(client)&grant_type=client_credentials&scope=tamarack%20admin", "invalid_scope"),
        ("\(client)&grant_type=client_credentials&client_id=other", "invalid_request"),
        ("grant_type=client_credentials", "invalid_client"),
        ("grant_type=client_credentials&client_id=nobody&client_secret=x", "invalid_client"),
        ("grant_type=%zz", "invalid_request"),
      ]
      for (body, error) in cases {
        let answer = await curl(url, "--data", body)
        #expect(answer.status == 400, "\(body)")
        #expect(answer.json?["error"]?.string == error, "\(body)")
      }
      let json = await curl(url, "--data", "{}", "--header", "Content-Type: application/json")
      #expect(json.json?["error"] == "invalid_request")
      #expect(await curl(url).status == 405)
      sandbox.update { $0.invalidScopeCode = "scope_invalid" }
      #expect(
        await curl(url, "--data", "\(client)&grant_type=client_credentials&scope=admin").json?["error"]
          == "scope_invalid")
    }
  }

  @Test("while a secret is replaced both are accepted, then only the new one")
  func secretRotation() async throws {
    try await withSandbox { sandbox, curl in
      let old = sandbox.clientSecret
      let new = sandbox.changeSecret(keepOld: true)
      #expect(old != new && sandbox.clientSecret == new)
      #expect(await curl.token(sandbox, secret: old).status == 200)
      #expect(await curl.token(sandbox, secret: new).status == 200)
      sandbox.changeSecret(to: "third")
      #expect(await curl.token(sandbox, secret: old).status == 400)
      #expect(await curl.token(sandbox, secret: new).status == 400)
      #expect(await curl.token(sandbox, secret: "third").status == 200)
    }
  }
}
