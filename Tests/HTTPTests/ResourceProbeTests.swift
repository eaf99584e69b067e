import NIOSSL
import TestSupport
import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

/// What the API's response to a token means, and that the token goes nowhere else.
@Suite(.timeLimit(.minutes(1))) struct ResourceProbeTests {
  private static let token = "eyJhbGciOiJSUzI1NiJ9.eyJ0ZW5hbnRJZCI6IjE3NDEifQ.c2lnbmF0dXJl"

  private func probe(
    _ url: String, _ transport: TransportSettings = TransportSettings(), timeout: Duration = .seconds(30),
    token: String = token
  ) async -> ResourceProbe.Outcome {
    let outcome = await ResourceProbe(url: url, transport: transport, http: HTTPClient())
      .send(Secret(token), timeout: timeout)
    #expect(!"\(outcome)".contains(token.prefix(16)))
    return outcome
  }

  private func reason(_ outcome: ResourceProbe.Outcome) -> String {
    guard case .unknown(let reason) = outcome else {
      Issue.record("\(outcome)")
      return ""
    }
    #expect(reason.utf8.allSatisfy { (0x20..<0x7f).contains($0) })
    return reason
  }

  /// A server that gives each request this status and these header fields.
  private func server(_ status: String, _ headers: [String] = []) throws -> RawServer {
    try RawServer { connection in
      while connection.readRequest() != nil { connection.answer("", status: status, headers: headers) }
    }
  }

  // MARK: Responses

  @Test(arguments: ["200 OK", "204 No Content", "206 Partial Content", "299 Odd", "403 Forbidden"])
  func accepted(_ status: String) async throws {
    let challenge = #"WWW-Authenticate: Bearer error="insufficient_scope""#
    let outcome = await probe(try server(status, [challenge]).url)
    #expect(outcome == .accepted(status: Int(status.prefix(3)) ?? 0))
  }

  @Test(
    arguments: [
      (
        [#"WWW-Authenticate: Bearer error="invalid_token", error_description="The signature key was not found""#],
        "invalid_token"
      ),
      (
        ["www-authenticate: Basic realm=\"x\"", "WWW-Authenticate: bearer realm=\"api\", Error=invalid_request"],
        "invalid_request"
      ),
      (["WWW-Authenticate: Bearer"], nil), ([], nil), ([#"WWW-Authenticate: Bearer error="a"b""#], nil),
      ([#"WWW-Authenticate: Bearer error="\#(token)""#], nil),
      ([#"WWW-Authenticate: Bearer error="\#(token.suffix(20))""#], nil),
    ] as [([String], String?)])
  func rejected(_ headers: [String], _ error: String?) async throws {
    let outcome = await probe(try server("401 Unauthorized", headers).url)
    #expect(outcome == .rejected(error: error))
  }

  @Test(arguments: [
    "400 Bad Request", "402 Pay", "404 Not Found", "407 Proxy Authentication Required", "410 Gone", "429 Too Many",
    "500 Internal Server Error", "503 Service Unavailable", "599 Odd",
  ])
  func unknown(_ status: String) async throws {
    let server = try server(status, [#"WWW-Authenticate: Bearer error="invalid_token""#])
    let reason = reason(await probe(server.url))
    #expect(reason == "127.0.0.1:\(server.port) answered \(status.prefix(3))")
  }

  @Test(arguments: ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"])
  func redirectsAreNotFollowed(_ status: String) async throws {
    let elsewhere = try server("200 OK")
    let server = try server(status, ["Location: \(elsewhere.url)/"])
    let reason = reason(await probe(server.url))
    #expect(reason == "127.0.0.1:\(server.port) answered \(status.prefix(3)), and redirects are not followed")
    #expect(elsewhere.connections == 0)
  }

  @Test func isOneGetWithTheToken() async throws {
    let server = try server("200 OK")
    _ = await probe(server.url + "/api/v2/settings/subscriptions?x=1")
    #expect(server.requests.map(\.line) == ["GET /api/v2/settings/subscriptions?x=1 HTTP/1.1"])
    let request = try #require(server.requests.first)
    #expect(request.header("Authorization") == "Bearer \(Self.token)")
    #expect(request.body.isEmpty)
  }

  @Test(arguments: ["200 OK", "401 Unauthorized", "503 Service Unavailable"])
  func contentIsNotRead(_ status: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 \(status)\r\nContent-Length: 10000000000\r\n\r\n")
      while connection.send([UInt8](repeating: 0x78, count: 65_536)) {}
    }
    let outcome = await probe(server.url)
    switch status.prefix(3) {
    case "200": #expect(outcome == .accepted(status: 200))
    case "401": #expect(outcome == .rejected(error: nil))
    default: #expect(reason(outcome).hasSuffix("answered 503"))
    }
    #expect(server.bytesSent < 32 << 20)
  }

  // MARK: No response

  @Test func silence() async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.waitForClose()
    }
    let reason = reason(await probe(server.url, timeout: .milliseconds(300)))
    #expect(reason.hasPrefix("request to 127.0.0.1:\(server.port) timed out after "))
  }

  @Test(arguments: [
    "", "\(token)\r\n\r\n", "HTTP/1.1 \(token)\r\n\r\n", "HTTP/1.1 200 OK\r\n\(token)\r\n\r\n", "HTTP/1.1 200 OK\r\nX",
  ])
  func nothingThatIsHTTP(_ bytes: String) async throws {
    let server = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(bytes)
    }
    #expect(!reason(await probe(server.url)).isEmpty)
  }

  @Test(
    "the token is not sent",
    arguments: [
      "http://api.example.com/", "http://10.0.0.1/", "ftp://localhost/", "https://user@api.example.com/", "",
      "localhost",
    ])
  func unfitURLs(_ url: String) async {
    #expect(!reason(await probe(url)).isEmpty)
  }

  @Test func aTokenThatWouldBreakOut() async throws {
    let server = try server("200 OK")
    #expect(!reason(await probe(server.url, token: "long-enough-token-123\r\nX-Evil: 1")).isEmpty)
    #expect(server.connections == 0)
  }

  // MARK: TLS and proxies

  @Test func appliesTheCAFile() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(
      authority.issue(), status: "401 Unauthorized", headers: [#"WWW-Authenticate: Bearer error="invalid_token""#])
    let outcome = await probe(server.url, TransportSettings(caFile: file.path))
    #expect(outcome == .rejected(error: "invalid_token"))
    #expect(server.heads.count == 1)
    #expect(server.heads.first?.contains("Authorization: Bearer \(Self.token)\r\n") == true)
    // Without it, or with another one, the server gets nothing.
    let other = try TemporaryFile(TestAuthority("Another").pem)
    for transport in [TransportSettings(), TransportSettings(caFile: other.path), TransportSettings(caFile: "/none")] {
      #expect(!reason(await probe(server.url, transport)).isEmpty)
    }
    #expect(server.heads.count == 1)
  }

  @Test("the pin is for the authorization server's key")
  func appliesNoPin() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue())
    let transport = TransportSettings(caFile: file.path, pinnedPublicKey: try authority.issue().pin)
    #expect(await probe(server.url, transport) == .accepted(status: 200))
  }

  @Test(arguments: [true, false])
  func showsTheClientCertificateOfTheSettings(_ hasOne: Bool) async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let roots = try NIOSSLCertificate.fromPEMBytes(Array(authority.pem.utf8))
    let server = try await TLSServer(authority.issue()) {
      $0.certificateVerification = .noHostnameVerification
      $0.trustRoots = .certificates(roots)
    }
    let identity = try authority.issue(["client"])
    let certificate = try TemporaryFile(identity.certificate + identity.key)
    let outcome = await probe(
      server.url,
      TransportSettings(caFile: file.path, clientCertificateFile: hasOne ? certificate.path : nil))
    if hasOne {
      #expect(outcome == .accepted(status: 200))
    } else {
      #expect(reason(outcome) == "127.0.0.1:\(server.port) requires a client certificate")
    }
  }

  @Test("a proxy sees no token, and its responses are not those of the API", arguments: [nil, "401 Unauthorized"])
  func proxies(_ refusal: String?) async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue(["api.example.test"]))
    let proxy = try RawServer { connection in
      guard connection.readRequest() != nil else { return }
      if let refusal { return connection.answer("", status: refusal) }
      let onward = Plug(port: server.port)
      connection.send("HTTP/1.1 200 Connection established\r\n\r\n")
      connection.relay(to: onward.descriptor)
    }
    let outcome = await probe(
      "https://api.example.test/", TransportSettings(caFile: file.path, proxy: .url("http://127.0.0.1:\(proxy.port)")))
    if refusal == nil {
      #expect(outcome == .accepted(status: 200))
    } else {
      #expect(reason(outcome).contains("the proxy answered"))
    }
    #expect(proxy.requests.count == 1)
    #expect(proxy.requests.first?.header("Authorization") == nil)
  }
}
