import Testing
import HTTP

@Suite struct EndpointTests {
  @Test(arguments: [
    ("https://auth.alertsense.com", "auth.alertsense.com", 443, "/", "https://auth.alertsense.com"),
    ("https://auth.alertsense.com/", "auth.alertsense.com", 443, "/", "https://auth.alertsense.com"),
    ("https://Auth.AlertSense.com:443/a/b", "auth.alertsense.com", 443, "/a/b", "https://auth.alertsense.com"),
    ("https://a.example:8443/x/../y?z=1", "a.example", 8443, "/x/../y", "https://a.example:8443"),
    ("https://[2001:db8::1]:8443/t", "2001:db8::1", 8443, "/t", "https://[2001:db8::1]:8443"),
    ("https://192.0.2.1/t", "192.0.2.1", 443, "/t", "https://192.0.2.1"),
    ("http://localhost:5000/t", "localhost", 5000, "/t", "http://localhost:5000"),
    ("http://127.0.0.1/t", "127.0.0.1", 80, "/t", "http://127.0.0.1"),
    ("http://127.8.9.10/t", "127.8.9.10", 80, "/t", "http://127.8.9.10"),
    ("http://[::1]:80/t", "::1", 80, "/t", "http://[::1]"),
    ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/", "https://xn--bcher-kva.example"),
  ])
  func takesApart(_ url: String, _ host: String, _ port: Int, _ path: String, _ origin: String) throws {
    let endpoint = try Endpoint(url)
    #expect(endpoint.url == url)
    #expect(endpoint.host == host)
    #expect(endpoint.port == port)
    #expect(endpoint.path == path)
    #expect(endpoint.origin == origin)
    #expect(endpoint.isSecure == url.lowercased().hasPrefix("https"))
  }

  @Test func tellsTheQuery() throws {
    #expect(try Endpoint("https://a.example/x?y=%20&z").query == "y=%20&z")
    #expect(try Endpoint("https://a.example/x").query == nil)
  }

  @Test(arguments: [
    "", "https", "https:", "https:/", "https://", "https:///", "https:///path", "https://?x", "https://:443/",
    "auth.example.com", "//auth.example.com/", "/path", "https:auth.example.com", "https:/auth.example.com/x",
    "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "javascript:alert(1)", "httpss://a.example/",
    " https://a.example/", "https://a.example/ ", "https://a.example/a b", "https://a example/",
    "https://a.example/\r\nX: y",
    "https://a.example/\u{0}", "https://a.example\\@b.example/", "https://bücher.example/", "https://a.example/ü",
    "https://a.example:0/", "https://a.example:65536/", "https://a.example:-1/", "https://a.example:x/",
    "https://a.example:443:443/", "https://a.example:99999999999999999999/", "https://a.example/#fragment",
    "https://a%2eexample/", "https://a.example%00.b.example/", "https://[::1/", "https://[::g]/",
    "https://[fe80::1%25eth0]/",
    "https://a,b.example/", "https://*.example/", "https://a.example;b/", "https://$(id)/", "https://a.example`/",
  ])
  func refusesWhatLeavesDoubt(_ url: String) {
    let failure = #expect(throws: HTTPFailure.self) { try Endpoint(url) }
    #expect(failure?.reason == .invalidURL)
    #expect(failure?.message.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7f } == true)
  }

  @Test(arguments: [
    "https://user@a.example/", "https://user:hush@a.example/", "https://:hush@a.example/", "https://@a.example/",
  ])
  func refusesUserInformationWithoutRepeatingIt(_ url: String) {
    let failure = #expect(throws: HTTPFailure.self) { try Endpoint(url) }
    #expect(failure?.reason == .invalidURL)
    #expect(failure?.message.contains("hush") == false)
  }

  @Test(arguments: [
    "http://a.example/", "http://localhost.example/", "http://192.0.2.1/", "http://10.0.0.1/", "http://[::2]/",
    "http://127.example/", "http://127.0.0.1.example/", "http://0.0.0.0/", "http://[::ffff:192.0.2.1]/",
    "http://localhost.:80/",
    "http://128.0.0.1/", "http://[::]/",
  ])
  func refusesPlainHTTPToOtherHosts(_ url: String) {
    let failure = #expect(throws: HTTPFailure.self) { try Endpoint(url) }
    #expect(failure?.reason == .insecureURL)
  }
}
