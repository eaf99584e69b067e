import Glibc
import KonexusSandbox
import Testing

@Suite("Faults hit what they are meant for, as they are meant to")
struct FaultTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var kind: Fault.Kind
    var exit: Int32 = 0
    var status = 200
    var arguments: [String] = []
    var testDescription: String { "\(kind)" }
  }

  static let cases = [
    // curl's exits: 52 no answer, 56 reset or too much, 35 TLS, 18 cut short, 63 too long, 1 not HTTP.
    Case(kind: .resetOnAccept, exit: 35, status: 0),
    Case(kind: .reset, exit: 56, status: 0),
    Case(kind: .close, exit: 52, status: 0),
    Case(kind: .rawBytes("SSH-2.0-OpenSSH_9.2\r\n"), exit: 1, status: 0),
    Case(kind: .status(500), status: 500),
    Case(kind: .status(429, headers: ["Retry-After": "7"], body: "slow down"), status: 429),
    Case(kind: .retryAfter(status: 503, .seconds(5)), status: 503),
    Case(kind: .oauthError("temporarily_unavailable"), status: 400),
    Case(kind: .redirect("https://localhost:1/"), status: 302),
    Case(kind: .html),
    Case(kind: .empty),
    Case(kind: .body("[]")),
    Case(kind: .huge(mebibytes: 3)),
    Case(kind: .huge(mebibytes: 3), exit: 63, arguments: ["--max-filesize", "1000000"]),
    Case(kind: .headerFlood(fields: 50)),
    Case(kind: .headerFlood(fields: 2000), exit: 56),
    Case(kind: .torn),
    Case(kind: .otherStatus(201), status: 201),
    Case(kind: .otherStatus(204), status: 204),
    Case(kind: .delay(seconds: 0.2)),
    Case(kind: .dripAll(bytes: 100, every: 0.001)),
    Case(kind: .halfBody, exit: 18),
  ]

  @Test("what a client sees of a fault, and that it is over after one request", arguments: cases)
  func seen(_ test: Case) async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      let honest = await curl(url)
      sandbox.inject(test.kind, requests: 1)
      let start = ContinuousClock.now
      let answer = await curl.run([url] + test.arguments)
      #expect(answer.exit == test.exit, "\(answer)")
      #expect(answer.status == test.status)
      switch test.kind {
      case .status(_, let headers, let body):
        #expect(answer.body == body)
        #expect(answer.headers["retry-after"] == headers["Retry-After"])
      case .retryAfter: #expect(answer.headers["retry-after"] == "5")
      case .redirect(let location): #expect(answer.headers["location"] == location)
      case .html: #expect(answer.headers["content-type"] == "text/html" && answer.body.contains("<title>"))
      case .empty: #expect(answer.body.isEmpty && answer.headers["content-length"] == "0")
      case .huge(let mebibytes) where test.exit == 0:
        #expect(answer.body.utf8.count > mebibytes << 20 && answer.json != nil)
      case .headerFlood(let fields) where test.exit == 0:
        #expect(answer.headers.keys.count { $0.hasPrefix("x-flood") } == fields)
      case .torn:
        #expect(answer.json == nil && !answer.body.isEmpty)
        #expect(answer.headers["content-length"] == "\(answer.body.utf8.count)")
      case .otherStatus(201): #expect(answer.json == honest.json)
      case .otherStatus(204): #expect(answer.body.isEmpty)
      case .delay where test.exit == 0: #expect(ContinuousClock.now - start >= .seconds(0.2))
      case .dripAll where test.exit == 0: #expect(answer.json == honest.json)
      case .halfBody: #expect(answer.body.utf8.count == honest.body.utf8.count / 2)
      default: break
      }
      let after = await curl(url)
      #expect(after.status == 200 && after.json == honest.json)
      #expect(sandbox.faults.isEmpty)
    }
  }

  @Test(
    "a client that waits for the end of it waits for ever",
    arguments: [
      .hangOnAccept, .hang, .delay(seconds: 30), .drip(bytes: 1, every: 0.2), .dripAll(bytes: 1, every: 0.2), .endless,
    ] as [Fault.Kind])
  func endless(kind: Fault.Kind) async throws {
    try await withSandbox { sandbox, curl in
      sandbox.inject(kind, requests: 1)
      let process = try Subprocess([
        "curl", "--silent", "--noproxy", "*", "--cacert", curl.caFile.path, "--max-time", "25", "--output", "/dev/null",
        sandbox.issuer + "/.well-known/openid-configuration",
      ])
      while !sandbox.faults.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
      // Time in which it could end, if it would.
      try await Task.sleep(for: .milliseconds(300))
      kill(process.identifier, SIGTERM)
      let end = await offPool { process.wait() }
      #expect(end == 128 + SIGTERM)
      // Other clients do not wait.
      #expect(await curl(sandbox.issuer + "/.well-known/openid-configuration").status == 200)
    }
  }

  @Test("a fault stays at its endpoints, and within its number of requests")
  func limits() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      sandbox.inject(.status(503), at: [.token], requests: 2)
      #expect(await curl(url).status == 200)
      #expect(await curl.token(sandbox).status == 503)
      #expect(sandbox.faults == [Fault(.status(503), at: [.token], requests: 1)])
      #expect(await curl.token(sandbox).status == 503)
      #expect(await curl.token(sandbox).status == 200)
      sandbox.inject(.status(500), at: [.discovery, .jwks])
      #expect(await curl(url).status == 500)
      #expect(await curl(url + "/jwks").status == 500)
      #expect(await curl.token(sandbox).status == 200)
      sandbox.clearFaults()
      #expect(await curl(url).status == 200)
      #expect(sandbox.requests.map(\.status) == [200, 503, 503, 200, 500, 500, 200, 200])
    }
  }

  @Test("a fault is over when its time is")
  func duration() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      let start = ContinuousClock.now
      sandbox.inject(.status(503), seconds: 0.3)
      while await curl(url).status == 503 {}
      #expect(ContinuousClock.now - start >= .seconds(0.3))
      #expect(sandbox.faults.isEmpty)
    }
  }

  @Test("faults of one request come together")
  func together() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.inject(.setMembers(["expires_in": "soon"]), at: [.token])
      sandbox.inject(.removeMembers(["scope"]), at: [.token])
      sandbox.inject(.setClaims(["aud": "other"]))
      sandbox.inject(.contentType("text/plain"), at: [.token])
      let answer = await curl.token(sandbox)
      #expect(answer.json?["expires_in"] == "soon")
      #expect(answer.json?["scope"] == nil)
      #expect(answer.headers["content-type"] == "text/plain")
      let token = try #require(answer.json?["access_token"]?.string)
      #expect(sandbox.refusal(of: token) == "audience")
    }
  }

  @Test("Retry-After comes as seconds, as a date by the server's clock, or as nonsense")
  func retryAfter() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.update { $0.clockSkew = -1_000_000_000 }
      sandbox.inject(.retryAfter(status: 429, .date(inSeconds: 90)), requests: 1)
      let answer = await curl.token(sandbox)
      let date = try #require(answer.headers["date"].flatMap(seconds(ofHTTPDate:)))
      let after = try #require(answer.headers["retry-after"].flatMap(seconds(ofHTTPDate:)))
      #expect(after - date == 90)
      sandbox.inject(.retryAfter(status: 503, .text("in a while")), requests: 1)
      #expect(await curl.token(sandbox).headers["retry-after"] == "in a while")
    }
  }

  @Test("a gzip bomb is a right gzip stream, and unpacks to what it says")
  func gzipBomb() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.inject(.gzipBomb(mebibytes: 3))
      let url = sandbox.issuer + "/"
      let packed = await curl(url)
      #expect(packed.headers["content-encoding"] == "gzip")
      // curl checks the checksum and the length as it unpacks.
      let unpacked = await curl(url, "--compressed")
      #expect(unpacked.exit == 0)
      #expect(unpacked.body.utf8.count == 3 << 20 && unpacked.body.utf8.allSatisfy { $0 == 0x20 })
    }
  }

  @Test("content comes in a coding that was not asked for", arguments: ContentCoding.allCases)
  func contentEncoding(coding: ContentCoding) async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      let honest = await curl(url)
      sandbox.inject(.contentEncoding(coding), requests: 2)
      let encoded = await curl(url)
      let name = [.rawDeflate: "deflate", .gzipTwice: "gzip, gzip"][coding] ?? coding.rawValue
      #expect(encoded.headers["content-encoding"] == name)
      #expect(encoded.status == 200 && encoded.json == nil)
      let decoded = await curl(url, "--compressed")
      #expect(decoded.exit == 0 && decoded.json == honest.json && honest.json != nil)
    }
  }

  @Test("discovery can name another issuer, plain http, or a token endpoint that moved")
  func discovery() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration"
      sandbox.inject(.wrongIssuer, at: [.discovery], requests: 1)
      #expect(await curl(url).json?["issuer"] == "https://evil.example")
      sandbox.inject(.insecureEndpoints, at: [.discovery], requests: 1)
      let insecure = await curl(url).json
      #expect(insecure?["issuer"]?.string == sandbox.issuer)
      #expect(insecure?["token_endpoint"]?.string?.hasPrefix("http://localhost:") == true)
      sandbox.update { $0.tokenPath = "/oauth2/v2/token" }
      #expect(await curl(url).json?["token_endpoint"]?.string == sandbox.issuer + "/oauth2/v2/token")
      #expect(await curl(sandbox.issuer + "/connect/token", "--data", "x=y").status == 404)
      #expect(await curl.token(sandbox).status == 200)
    }
  }

  @Test("the key set can be stripped, and stuffed")
  func keySet() async throws {
    try await withSandbox { sandbox, curl in
      let url = sandbox.issuer + "/.well-known/openid-configuration/jwks"
      sandbox.inject(.removeKeyMembers(["kid", "alg", "use"]), requests: 1)
      sandbox.inject(.extraKeys([["kty": "oct", "kid": "x"], ["kty": "RSA", "use": "enc"]]), requests: 1)
      #expect(await curl(sandbox.issuer + "/.well-known/openid-configuration").status == 200)
      let keys = try #require(await curl(url).json?["keys"]?.array)
      #expect(keys.count == 3)
      #expect(keys[0]["kty"] == "oct" && keys[1]["use"] == "enc")
      #expect(keys[2]["kid"] == nil && keys[2]["alg"] == nil && keys[2]["x"] != nil)
      #expect(await curl(url).json?["keys"]?.array?.first?["kid"]?.string == sandbox.currentKeyID)
    }
  }
}

/// An HTTP date in seconds since 1970, by another way than the sandbox's: a walk through the days.
func seconds(ofHTTPDate text: String) -> Int? {
  let parts = text.split(whereSeparator: { $0 == " " || $0 == ":" || $0 == "," })
  let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  guard parts.count == 8, parts[7] == "GMT", let month = months.firstIndex(of: String(parts[2])) else { return nil }
  let numbers = [1, 3, 4, 5, 6].compactMap { Int(parts[$0]) }
  guard numbers.count == 5 else { return nil }
  let (day, year) = (numbers[0], numbers[1])
  func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
  var days = (1970..<year).reduce(0) { $0 + (isLeap($1) ? 366 : 365) }
  days += [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][..<month].reduce(0, +) + day - 1
  guard ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days % 7] == parts[0] else { return nil }
  return ((days * 24 + numbers[2]) * 60 + numbers[3]) * 60 + numbers[4]
}
