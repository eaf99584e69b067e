import Glibc
import TestSupport
import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

/// Proxies: a real one that tunnels, and ones that fail.
@Suite(.timeLimit(.minutes(1))) struct HTTPProxyTests {
  /// A proxy that connects every tunnel to `port`, for any requested host.
  private static func tunnel(to port: Int) throws -> RawServer {
    try RawServer { connection in
      guard connection.readRequest() != nil else { return }
      let onward = Plug(port: port)
      connection.send("HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
      connection.relay(to: onward.descriptor)
    }
  }

  private func failure(_ proxy: String, _ timeout: Duration = .seconds(30)) async throws -> HTTPFailure {
    let failure = await #expect(throws: HTTPFailure.self) {
      try await HTTPClient().send(
        HTTPRequest(
          url: "https://auth.example.test/t", authorization: Secret("Bearer hush-hush"), timeout: timeout,
          connectTimeout: .seconds(30), transport: TransportSettings(proxy: .url(proxy))))
    }
    let unwrapped = try #require(failure)
    #expect(!unwrapped.message.contains("hush"))
    return unwrapped
  }

  @Test func goesThroughTheProxy() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue(["auth.example.test"]))
    let proxy = try Self.tunnel(to: server.port)
    // The proxy resolves the name, which this host cannot resolve.
    let response = try await HTTPClient().send(
      HTTPRequest(
        url: "https://auth.example.test/t", headers: [HTTPHeader("X-Private", "1")],
        authorization: Secret("Bearer hush-hush"),
        transport: TransportSettings(
          caFile: file.path, proxy: .url("http://user:hush-pass@127.0.0.1:\(proxy.port)"))))
    #expect(response.status == 200)
    #expect(response.headers["X-Proxy"] == nil)
    let connect = try #require(proxy.requests.first)
    #expect(connect.line == "CONNECT auth.example.test:443 HTTP/1.1")
    #expect(connect.header("Proxy-Authorization") == "Basic dXNlcjpodXNoLXBhc3M=")
    #expect(connect.header("Authorization") == nil)
    #expect(connect.header("X-Private") == nil)
  }

  @Test(arguments: ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway", "302 Found"])
  func aProxyThatRefuses(_ status: String) async throws {
    let proxy = try RawServer { connection in
      while connection.readRequest() != nil {
        connection.answer("no", status: status, headers: ["Location: http://127.0.0.1/"])
      }
    }
    let failure = try await failure("http://user:hush-pass@127.0.0.1:\(proxy.port)")
    #expect(failure.reason == .proxy, "\(failure)")
    #expect(
      failure.message
        == "connection to auth.example.test:443 failed: the proxy answered with status \(status.prefix(3))")
  }

  @Test func aProxyThatIsNotThere() async throws {
    let (descriptor, port) = try RawServer.bindPort()
    defer { close(descriptor) }
    let refused = try await failure("http://127.0.0.1:\(port)")
    #expect(refused.reason == .proxy, "\(refused)")
    #expect(
      refused.message == "connection to auth.example.test:443 failed at the proxy: Connection refused")
    #expect(try await failure("http://proxy.invalid:3128").reason == .proxy)
  }

  @Test(arguments: ["socks5://127.0.0.1:1", "127.0.0.1:3128", "", "ftp://127.0.0.1", "http://a b"])
  func aProxyThatIsNoHTTPProxy(_ url: String) async throws {
    #expect(try await failure(url).reason == .proxy)
  }

  @Test func aProxyWhoseHeadersNeverEnd() async throws {
    let proxy = try RawServer { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 Connection established\r\n")
      let many = String(repeating: "X-Flood: 0123456789\r\n", count: 1000)
      while connection.send(many) {}
    }
    let failure = try await failure("http://127.0.0.1:\(proxy.port)")
    #expect(failure.reason == .headersTooLarge, "\(failure)")
    #expect(proxy.bytesSent < 32 << 20)
  }

  @Test(arguments: [
    "", "HTTP/1.1 200 Connection established\r\nX: ", "HTTP/1.1 407 No\r\nContent-Length: 1000\r\n\r\n",
    "HTTP/1.1 407 No\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n",
  ])
  func aProxyThatHangs(_ start: String) async throws {
    let proxy = try RawServer { connection in
      _ = connection.readRequest()
      connection.send(start)
      connection.waitForClose()
    }
    let failure = try await failure("http://127.0.0.1:\(proxy.port)", .seconds(2))
    let refuses = start.contains("407")
    #expect(failure.reason == .timeout(stage: .proxy) || (refuses && failure.reason == .proxy), "\(failure)")
  }

  @Test(arguments: [
    (ProxySetting.environment, []), (.none, ["--noproxy", "*"]),
    (.url("http://proxy.example:3128"), ["--proxy", "http://proxy.example:3128"]),
    (.url("https://user:hush/h@sh@proxy.example:3128/"), ["--proxy", "https://proxy.example:3128"]),
    (.url("http://user@[::1]:3128"), ["--proxy", "http://[::1]:3128"]),
  ])
  func optionsOfCurlWithoutPassword(_ proxy: ProxySetting, _ options: [String]) {
    #expect(TransportSettings(proxy: proxy).curlOptions == options)
    let files = TransportSettings(
      caFile: "/ca", clientCertificateFile: "/cert", clientKeyFile: "/key", pinnedPublicKey: "sha256//A", proxy: proxy)
    #expect(
      files.curlOptions == ["--cacert", "/ca", "--cert", "/cert", "--key", "/key", "--pinnedpubkey", "sha256//A"]
        + options)
  }

  @Test func aProxyThatCannotBeReachedInTime() async throws {
    let proxy = try RawServer(backlog: 0, accepts: false)
    let plugs = (0..<3).map { _ in Plug(port: proxy.port) }
    let failure = try await failure("http://127.0.0.1:\(proxy.port)", .seconds(2))
    #expect(failure.reason == .timeout(stage: .proxy), "\(failure)")
    let expected = /request to auth\.example\.test:443 timed out after ([0-9]+\.[0-9]) s: the proxy did not connect/
    let waited = try expected.wholeMatch(in: failure.message).flatMap { Double($0.1) }
    #expect(waited.map { $0 >= 2 } == true, "\(failure)")
    #expect(AcquisitionFailure(failure, while: "token").code == .proxy)
    withExtendedLifetime(plugs) {}
  }

  @Test(arguments: ["http", "https"])
  func aProxyOfTheEnvironmentThatIsSilent(_ scheme: String) async {
    await #expect(processExitsWith: .success) { [scheme] in
      let proxy = try RawServer { $0.waitForClose() }
      setenv("https_proxy", "\(scheme)://127.0.0.1:\(proxy.port)", 1)
      let failure = await #expect(throws: HTTPFailure.self) {
        try await HTTPClient().send(HTTPRequest(url: "https://auth.example.test/", timeout: .seconds(2)))
      }
      #expect(failure?.reason == .timeout(stage: .proxy), "\(String(describing: failure))")
    }
  }

  @Test func aServerThatFallsSilentBehindATunnel() async throws {
    let authority = try TestAuthority()
    let file = try TemporaryFile(authority.pem)
    let server = try await TLSServer(authority.issue(["auth.example.test"]), answers: 1)
    let proxy = try Self.tunnel(to: server.port)
    let client = HTTPClient(maximumBodyBytes: 1000, userAgent: "test", linger: .seconds(60))
    var request = HTTPRequest(
      url: "https://auth.example.test/", timeout: .seconds(20),
      transport: TransportSettings(caFile: file.path, proxy: .url("http://127.0.0.1:\(proxy.port)")))
    #expect(try await client.send(request).status == 200)
    request.timeout = .seconds(2)
    let impatient = request
    let failure = await #expect(throws: HTTPFailure.self) { try await client.send(impatient) }
    #expect(failure?.reason == .timeout(stage: .response), "\(String(describing: failure))")
    #expect(proxy.connections == 1)
  }

  @Test func plainHTTPNeverTakesAProxy() async throws {
    let server = try RawServer { $0.answerAll("{}") }
    let proxy = try RawServer { $0.answerAll("proxy") }
    let response = try await HTTPClient().send(
      HTTPRequest(url: server.url, transport: TransportSettings(proxy: .url("http://127.0.0.1:\(proxy.port)"))))
    #expect(response.body == Array("{}".utf8))
    #expect(proxy.connections == 0)
  }

  /// The environment is the process's: these run in one of their own.
  @Test(arguments: ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
  func takesTheProxyOfTheEnvironment(_ variable: String) async {
    await #expect(processExitsWith: .success) { [variable] in
      for name in ["https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy", "no_proxy", "NO_PROXY"] { unsetenv(name) }
      let authority = try TestAuthority()
      let file = try TemporaryFile(authority.pem)
      let server = try await TLSServer(authority.issue(["auth.example.test", "127.0.0.1"]))
      let proxy = try HTTPProxyTests.tunnel(to: server.port)
      setenv(variable, "http://127.0.0.1:\(proxy.port)", 1)
      let client = HTTPClient()
      let transport = TransportSettings(caFile: file.path)
      let named = HTTPRequest(url: "https://auth.example.test/", transport: transport)
      #expect(try await client.send(named).status == 200)
      #expect(proxy.requests.map(\.line) == ["CONNECT auth.example.test:443 HTTP/1.1"])

      // A loopback host is reached directly.
      #expect(try await client.send(HTTPRequest(url: server.url, transport: transport)).status == 200)
      #expect(proxy.connections == 1)

      // With `.none`, or by NO_PROXY, the client uses DNS, which does not know the name.
      var direct = named
      direct.transport.proxy = .none
      let failure = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(direct) }
      #expect(failure?.reason == .nameResolution)
      setenv("NO_PROXY", "example.test", 1)
      let exempt = await #expect(throws: HTTPFailure.self) { try await HTTPClient().send(named) }
      #expect(exempt?.reason == .nameResolution)
      #expect(proxy.connections == 1)

      // A proxy of the settings goes before NO_PROXY.
      var explicit = named
      explicit.transport.proxy = .url("http://127.0.0.1:\(proxy.port)")
      #expect(try await HTTPClient().send(explicit).status == 200)
      #expect(proxy.connections == 2)
    }
  }
}
