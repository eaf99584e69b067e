import KonexusSandbox
import Testing

@Suite("The sandbox behaves like other servers on request")
struct OtherServersTests {
  private func withControl(
    _ body: (Sandbox, Curl, (_ path: String, _ body: String) async -> CurlResult) async throws -> Void
  ) async throws {
    var options = SandboxOptions.quick
    options.controlPort = 0
    try await withSandbox(options) { sandbox, curl in
      let control = try #require(sandbox.controlURL)
      let help = await curl(control + "/").body
      try await body(sandbox, curl) { path, body in
        #expect(help.contains("POST   \(path.prefix { $0 != "?" })"))
        return await curl(control + path, "--data-binary", body)
      }
    }
  }

  private func document(_ sandbox: Sandbox, _ curl: Curl) async -> JSON? {
    await curl(sandbox.issuer + "/.well-known/openid-configuration").json
  }

  @Test("AD FS: tokens have another issuer, which the document announces")
  func accessTokenIssuer() async throws {
    try await withControl { sandbox, curl, post in
      #expect(await post("/access-token-issuer?name=http://adfs/trust", "").status == 200)
      #expect(await document(sandbox, curl)?["access_token_issuer"] == "http://adfs/trust")
      #expect(await document(sandbox, curl)?["issuer"]?.string == sandbox.issuer)
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let user = "\(sandbox.clientID):\(sandbox.clientSecret)"
      let report = await curl(sandbox.issuer + "/connect/introspect", "--data", "token=\(token)", "--user", user)
      #expect(report.json?["iss"] == "http://adfs/trust")
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
      #expect(await post("/access-token-issuer", "").status == 200)
      #expect(await document(sandbox, curl)?["access_token_issuer"] == nil)
      #expect(await curl.subscriptions(sandbox, token: token).status == 401)
    }
  }

  @Test("the discovery document is elsewhere, or lacks members")
  func discovery() async throws {
    try await withControl { sandbox, curl, post in
      let names = ["introspection_endpoint", "revocation_endpoint"]
      #expect(await post("/hidden-metadata?names=\(names.joined(separator: ","))", "").status == 200)
      let document = try #require(await document(sandbox, curl))
      #expect(names.allSatisfy { document[$0] == nil } && document["token_endpoint"] != nil)
      let user = "\(sandbox.clientID):\(sandbox.clientSecret)"
      #expect(await curl(sandbox.issuer + "/connect/introspect", "--data", "token=x", "--user", user).status == 200)
      #expect(await post("/discovery-path?path=metadata", "").status == 400)
      #expect(await post("/discovery-path?path=/metadata", "").status == 200)
      for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        #expect(await curl(sandbox.issuer + path).status == 404)
      }
      #expect(await curl(sandbox.issuer + "/metadata").json?["issuer"]?.string == sandbox.issuer)
      #expect(await curl(sandbox.issuer + "/.well-known/openid-configuration/jwks").status == 200)
      #expect(await post("/discovery-path", "").status == 200)
      #expect(await curl(sandbox.issuer + "/metadata").status == 404)
    }
  }

  @Test("one client alone can introspect")
  func introspectionClient() async throws {
    try await withControl { sandbox, curl, post in
      let url = sandbox.issuer + "/connect/introspect"
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(await post("/introspection-client?id=api", "secret of the api\n").status == 200)
      let own = await curl(url, "--data", "token=\(token)", "--user", "\(sandbox.clientID):\(sandbox.clientSecret)")
      #expect(own.status == 401 && own.body == "")
      let other = await curl(url, "--data", "token=\(token)", "--user", "api:secret+of+the+api")
      #expect(other.json?["active"] == true)
      #expect(await post("/introspection-client", "").status == 200 && sandbox.settings.introspectionClient == nil)
    }
  }

  @Test("a client assertion must name a certificate")
  func thumbprint() async throws {
    try await withControl { sandbox, curl, post in
      let certificate = try Sandbox.makeSelfSignedCertificate(name: "gauge").certificatePEM
      #expect(await post("/x5t?on=true", certificate).status == 200)
      #expect(sandbox.settings.requiresCertificateThumbprint)
      #expect(sandbox.clients.first?.certificates == [certificate] && sandbox.clients.first?.publicKeys.count == 1)
      #expect(await post("/x5t?on=true", "no certificate").status == 400)
      #expect(await post("/x5t?on=false", "").status == 200 && !sandbox.settings.requiresCertificateThumbprint)
    }
  }
}
