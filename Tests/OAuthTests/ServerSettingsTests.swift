import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

/// Servers whose discovery document is elsewhere, incomplete, or names another issuer for tokens; and servers that
/// require other credentials for introspection.
@Suite(.timeLimit(.minutes(1))) struct ServerSettingsTests {
  private let issuer: TestIssuer

  init() throws {
    issuer = try TestIssuer()
    try issuer.answerKeys([.p256])
    try issuer.issue(by: .p256)
    issuer.answer("/introspect", #"{"active":true}"#)
  }

  private func client(_ change: (inout ServerLocations) -> Void = { _ in }) -> AuthorizationServer {
    var locations = ServerLocations()
    change(&locations)
    return AuthorizationServer(
      issuer: issuer.url, locations: locations, transport: TransportSettings(), http: HTTPClient())
  }

  private func failure(
    _ client: AuthorizationServer, _ request: TokenRequest? = nil
  ) async throws -> AcquisitionFailure {
    let failure = await #expect(throws: AcquisitionFailure.self) {
      try await client.acquire(request ?? issuer.request())
    }
    let unwrapped = try #require(failure)
    #expect(!unwrapped.message.contains(TestIssuer.secret), "\(unwrapped)")
    return unwrapped
  }

  /// Sets the discovery document at `path`. A member with nil is left out.
  private func publish(_ changes: [String: String?], at path: String = "/.well-known/openid-configuration") {
    var members = [
      "issuer": "\"\(issuer.url)\"", "token_endpoint": "\"\(issuer.url)/token\"", "jwks_uri": "\"\(issuer.url)/keys\"",
    ]
    for (name, value) in changes { members[name] = value }
    issuer.answer(path, json(members))
  }

  // MARK: S6, access_token_issuer

  private static let trust = "http://adfs.example/adfs/services/trust"

  private func issueForeign(_ name: String = trust) throws {
    let token = String(decoding: try issuer.token(of: .p256, claims: ["iss": "\"\(name)\""]), as: UTF8.self)
    issuer.answer("/token", #"{"access_token":"\#(token)","token_type":"Bearer","expires_in":3600}"#)
  }

  private func request(accessTokenIssuer: String?) -> TokenRequest {
    var request = issuer.request()
    request.policy.accessTokenIssuer = accessTokenIssuer
    return request
  }

  @Test("access_token_issuer: the document's value alone is not accepted, and the message names the setting")
  func announcedIssuer() async throws {
    publish(["access_token_issuer": "\"\(Self.trust)\""])
    try issueForeign()
    let failure = try await failure(client())
    #expect(failure.code == .wrongIssuer)
    #expect(failure.message.hasSuffix("set access_token_issuer = \"\(Self.trust)\""), "\(failure)")
    let token = try await client().acquire(request(accessTokenIssuer: Self.trust))
    #expect(token.claims.issuer == Self.trust)
    // The setting is enough: older servers do not announce it.
    publish([:])
    #expect(try await client().acquire(request(accessTokenIssuer: Self.trust)).claims.issuer == Self.trust)
  }

  @Test(
    "access_token_issuer: no other issuer is accepted",
    arguments: [trust + "/", "https://adfs.example/adfs/services/trust", trust.uppercased(), "", "OWN"])
  func otherIssuer(_ name: String) async throws {
    publish(["access_token_issuer": "\"\(name)\""])
    try issueForeign(name == "OWN" ? issuer.url : name)
    let failure = try await failure(client(), request(accessTokenIssuer: Self.trust))
    #expect(failure.code == .wrongIssuer && failure.message.contains("`access_token_issuer`"), "\(failure)")
  }

  @Test(
    "no advice about access_token_issuer unless the document announces the token's issuer, in plain characters",
    arguments: ["null", "7", #""https://another.example""#, #""\#(trust)/""#])
  func noAdvice(_ announced: String) async throws {
    publish(["access_token_issuer": announced])
    try issueForeign()
    let failure = try await failure(client())
    #expect(failure.code == .wrongIssuer && !failure.message.contains("access_token_issuer"), "\(failure)")
    publish(["access_token_issuer": #""a\u001b[2Jb""#])
    try issueForeign(#"a\u001b[2Jb"#)
    #expect(try await !self.failure(client()).message.contains("access_token_issuer"))
  }

  @Test("access_token_issuer counts for introspection too")
  func introspectedIssuer() async throws {
    issuer.answer("/introspect", #"{"active":true,"iss":"\#(Self.trust)"}"#)
    var request = issuer.request(.introspection)
    #expect(try await failure(client(), request).code == .wrongIssuer)
    request.policy.accessTokenIssuer = Self.trust
    _ = try await client().acquire(request)
  }

  // MARK: S10, the client that introspects

  private static let secret = "secret-of-the-api-itself"

  private func introspectedByAPI() -> TokenRequest {
    var request = issuer.request(.introspection)
    request.introspectionClient = AuthenticatedClient(
      id: "tamarack-api", credentials: ClientCredentials(method: .auto, secrets: [Secret(Self.secret)]))
    return request
  }

  @Test("introspection by another client: at no other endpoint, and never by the client's own secret")
  func introspectionClient() async throws {
    let secret = Self.secret
    issuer.answer("/introspect") { request in
      let form = String(decoding: request.body, as: UTF8.self)
      guard form.contains("client_id=tamarack-api"), form.contains("client_secret=\(secret)") else {
        return .init(status: "401 Unauthorized")
      }
      return .init(body: #"{"active":true}"#)
    }
    let rejected = try await failure(client(), issuer.request(.introspection))
    #expect(rejected.code == .rejected && rejected.message.contains("set [token.NAME.introspection]"), "\(rejected)")
    let before = issuer.requests("/introspect").count
    let client = client()
    let held = try await client.acquire(introspectedByAPI())
    _ = try await client.recheckByIntrospection(of: held, as: introspectedByAPI(), timeout: .seconds(10))
    for request in issuer.requests("/introspect").dropFirst(before) {
      let text = String(decoding: request.body, as: UTF8.self) + (request.header("Authorization") ?? "")
      #expect(!text.contains(TestIssuer.secret) && !text.contains("ext-1741-sample-client"), "\(text)")
    }
    for request in issuer.requests("/token") {
      #expect(!String(decoding: request.body, as: UTF8.self).contains(Self.secret))
    }
  }

  @Test("no message shows the secret of the client that introspects", arguments: [secret, String(secret.suffix(18))])
  func quotedSecret(_ quoted: String) async throws {
    issuer.answer(
      "/introspect", #"{"error":"invalid_client","error_description":"no \#(quoted)"}"#, status: "401 Unauthorized")
    let failure = try await failure(client(), introspectedByAPI())
    #expect(failure.code == .invalidClient && !failure.message.contains(quoted), "\(failure)")
    #expect(!failure.message.contains("[token.NAME.introspection]"), "it is set already")
  }

  @Test("a new token that is called inactive: the client may lack the permission")
  func inactive() async throws {
    issuer.answer("/introspect", #"{"active":false}"#)
    let own = try await failure(client(), issuer.request(.introspection))
    #expect(own.code == .tokenInactive && own.message.contains("[token.NAME.introspection]"))
    let other = try await failure(client(), introspectedByAPI())
    #expect(other.code == .tokenInactive && !other.message.contains("[token.NAME.introspection]"))
  }

  // MARK: S11, discovery_url

  @Test("discovery_url: the document is read there alone, and its issuer is compared")
  func discoveryElsewhere() async throws {
    publish([:], at: "/metadata?tenant=1")
    issuer.answer("/.well-known/openid-configuration", "", status: "404 Not Found")
    let missing = try await failure(client())
    #expect(missing.code == .documentRejected && missing.message.contains("set discovery_url"), "\(missing)")
    let before = issuer.requests("/.well-known/openid-configuration").count
    let elsewhere = client { $0.discovery = issuer.url + "/metadata?tenant=1" }
    _ = try await elsewhere.acquire(issuer.request())
    #expect(issuer.requests("/.well-known/openid-configuration").count == before)
    for name in [issuer.url + "/", "https://other.example", "\(issuer.url)/metadata"] {
      publish(["issuer": "\"\(name)\""], at: "/metadata?tenant=1")
      let failure = try await failure(client { $0.discovery = issuer.url + "/metadata?tenant=1" })
      #expect(failure.code == .issuerMismatch && failure.message.contains(Printable.quoted(issuer.url)), "\(failure)")
    }
  }

  @Test("a document that names another issuer: the message has both settings; a name that is no URL is not advised")
  func otherName() async throws {
    publish(["issuer": #""https://public.example/realms/a""#])
    let location = "\(issuer.url)/.well-known/openid-configuration"
    let named = try await failure(client())
    #expect(
      named.message.contains(
        "set issuer = \"https://public.example/realms/a\" and discovery_url = \"\(location)\""), "\(named)")
    // The same document would be found by that name too.
    publish(["issuer": "\"\(issuer.url)/\""])
    let slash = try await failure(client())
    #expect(slash.message.hasSuffix("set issuer = \"\(issuer.url)/\""), "\(slash)")
    for name in ["gauge", "http://public.example", "https://a.example/?b", #"https://a.example/\"x"#, "ftp://a"] {
      publish(["issuer": "\"\(name)\""])
      let failure = try await failure(client())
      #expect(failure.code == .issuerMismatch && !failure.message.contains("set issuer"), "\(failure)")
    }
  }

  // MARK: S12, endpoints

  @Test(
    "an endpoint that the document lacks is given by the setting that the message names",
    arguments: ["token_endpoint", "jwks_uri", "introspection_endpoint"])
  func missingEndpoint(_ name: String) async throws {
    let request = issuer.request(name == "introspection_endpoint" ? .introspection : .jwt)
    publish([name: nil as String?])
    let missing = try await failure(client(), request)
    #expect(missing.code == .discoveryIncomplete)
    #expect(missing.message.hasSuffix("lacks \(name); if the server has one, set \(name)"), "\(missing)")
    let server = client { locations in
      switch name {
      case "token_endpoint": locations.tokenEndpoint = issuer.url + "/token"
      case "jwks_uri": locations.jwksURI = issuer.url + "/keys"
      default: locations.introspectionEndpoint = issuer.url + "/introspect"
      }
    }
    _ = try await server.acquire(request)
  }

  @Test("a setting replaces the document's address and its alias, even where the document's is unusable")
  func replaces() throws {
    let document = #"""
      {"issuer":"https://auth.example","token_endpoint":"http://10.0.0.1/t","jwks_uri":"ftp://x",
      "introspection_endpoint":"https://auth.example/i","revocation_endpoint":"https://auth.example/r",
      "mtls_endpoint_aliases":{"token_endpoint":"https://m.example/t","introspection_endpoint":"https://m.example/i",
      "revocation_endpoint":"https://m.example/r"}}
      """#
    func parse(_ locations: ServerLocations) throws -> ServerMetadata {
      try ServerMetadata(parsing: Array(document.utf8), issuer: "https://auth.example", locations: locations)
    }
    #expect(throws: AcquisitionFailure.self) { try parse(ServerLocations()) }
    var locations = ServerLocations()
    locations.tokenEndpoint = "https://s.example/t"
    locations.jwksURI = "https://s.example/k"
    let some = try parse(locations)
    #expect(some.tokenEndpoint(byCertificate: true) == "https://s.example/t" && some.jwksURI == "https://s.example/k")
    #expect(some.introspectionEndpoint(byCertificate: true) == "https://m.example/i")
    locations.introspectionEndpoint = "https://s.example/i"
    locations.revocationEndpoint = "https://s.example/r"
    let all = try parse(locations)
    for byCertificate in [true, false] {
      #expect(all.introspectionEndpoint(byCertificate: byCertificate) == "https://s.example/i")
      #expect(all.revocationEndpoint(byCertificate: byCertificate) == "https://s.example/r")
    }
    // For a remote issuer, no secret is sent to this host without TLS, even if a setting names the endpoint.
    locations.tokenEndpoint = "http://localhost/t"
    #expect(throws: AcquisitionFailure.self) { try parse(locations) }
  }

  // MARK: S9, x5t

  @Test("a rejected assertion without x5t: the message names the setting")
  func withoutThumbprint() async throws {
    issuer.answer("/token", #"{"error":"invalid_client"}"#, status: "401 Unauthorized")
    var request = issuer.request()
    #expect(try await !failure(client(), request).message.contains("assertion_certificate_file"))
    request.credentials = ClientCredentials(
      method: .privateKeyJWT, key: try ClientAssertionKey(pem: Secret(ClientAssertionKeyTests.keys[2].pem)))
    let failure = try await failure(client(), request)
    #expect(failure.code == .invalidClient && failure.message.contains("set assertion_certificate_file"), "\(failure)")
  }
}
