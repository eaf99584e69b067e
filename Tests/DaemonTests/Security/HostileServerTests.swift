import Glibc
import KonexusSandbox
import Testing

/// A server that turns hostile after it issued a valid token.
///
/// Whatever it answers, readers keep the valid token, the daemon keeps running, and its memory stays bounded.
@Suite("Hostile server", .inTurn)
struct HostileServerTests {
  struct Attack: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var faults: [Fault]
    /// Whether the signing key is changed as well, so that the key set is read.
    var readsKeys = false
    /// Whether the token names a key set of its own at the server. An attacker can have put it there.
    var namesKeySet = false

    init(_ name: String, _ faults: Fault..., readsKeys: Bool = false) {
      testDescription = name
      self.faults = faults
      self.readsKeys = readsKeys
    }
  }

  /// Answers that any endpoint can give.
  private static let answers: [(String, Fault.Kind)] = [
    ("a body of 100 MiB", .huge(mebibytes: 100)), ("a body without an end", .endless),
    ("a gzip bomb of 500 MiB", .gzipBomb(mebibytes: 500)),
    ("a gzip bomb that is small before it is decoded", .gzipBomb(mebibytes: 8)),
    ("a flood of header fields", .headerFlood(fields: 2000)),
    ("a byte at a time", .drip(bytes: 1, every: 0.3)),
    ("a byte at a time from the status line on", .dripAll(bytes: 1, every: 0.3)),
    ("silence", .hang), ("half a body", .halfBody), ("a redirect to a file", .redirect("file:///etc/passwd")),
    ("a redirect to a metadata address", .redirect("http://169.254.169.254/latest/meta-data/")),
    ("a redirect to plain http", .redirect("http://localhost/")),
    ("a redirect to a script", .redirect("javascript:alert(1)")),
    ("nested 500,000 deep", .body(String(repeating: "[", count: 500_000))),
    ("objects nested 200,000 deep", .body(String(repeating: "{\"a\":", count: 200_000))),
    ("a megabyte of one number", .body(String(repeating: "9", count: 1_000_000))),
    (
      "a number beyond any",
      .body("{\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",\"expires_in\":1e999999,\"keys\":1e999999}")
    ),
    ("not UTF-8", .rawBytes("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"keys\":\"\u{80}\"}")),
    ("NUL bytes", .body("{\"access_token\":\"a\0b\",\"token_type\":\"Bearer\",\"keys\":[]}")),
    ("60,000 members", .body("{" + (0..<60_000).map { "\"m\($0)\":\($0)" }.joined(separator: ",") + "}")),
  ]

  private static let jku = "jku to a place at the server's own address"

  private static let tokens: [(String, [Fault.Kind])] = [
    (jku, [.signature(.unknownKey)]),
    ("x5u to a file", [.signature(.unpublishedKey), .setTokenHeader(["x5u": "file:///etc/ssl/evil.pem"])]),
    (
      "jwk in the header",
      [.signature(.unpublishedKey), .setTokenHeader(["jwk": ["kty": "oct", "k": "AAAA"], "x5c": ["AAAA"]])]
    ),
    ("crit of an unknown extension", [.setTokenHeader(["crit": ["exp"], "exp": 1])]),
    ("crit empty", [.setTokenHeader(["crit": []])]), ("b64 false", [.setTokenHeader(["b64": false, "crit": ["b64"]])]),
    ("alg none", [.signature(.none)]), ("HS256 with the public key", [.signature(.hs256WithPublicKey)]),
    ("an encrypted token", [.replaceToken("a.b.c.d.e")]),
    ("a nested token", [.setTokenHeader(["cty": "JWT", "typ": "JWE"])]),
    ("exp beyond any calendar", [.setClaims(["exp": .raw("1e300")])]), ("exp a text", [.setClaims(["exp": "never"])]),
    ("exp an object", [.setClaims(["exp": ["a": 1]])]), ("aud an object", [.setClaims(["aud": ["tamarack": true]])]),
    ("a claim of 900 KiB", [.setClaims(["x": .string(String(repeating: "x", count: 900_000))])]),
    ("a kid of 100 KiB", [.setTokenHeader(["kid": .string(String(repeating: "k", count: 100_000))])]),
    ("a line break in the token", [.replaceToken("a.b.c\r\nX-Evil: 1")]),
    ("a terminal's escapes in iss", [.setClaims(["iss": "\u{1b}]0;pwned\u{7}\u{202e}"])]),
  ]

  private static let keySets: [(String, Fault.Kind)] = [
    (
      "100,000 keys, more than is read",
      .extraKeys(Array(repeating: ["kty": "RSA", "e": "AQAB", "n": "AQAB"], count: 100_000))
    ),
    ("a megabyte of empty keys", .body("{\"keys\":[" + String(repeating: "{},", count: 340_000) + "{}]}")),
    (
      "a giant exponent",
      .setKeyMembers([
        // 2048 bits, odd.
        "kty": "RSA", "n": .string("z" + String(repeating: "A", count: 340) + "Q"),
        "e": .string(String(repeating: "_", count: 340)),
      ])
    ),
    (
      "a giant modulus",
      .setKeyMembers(["kty": "RSA", "e": "AQAB", "n": .string(String(repeating: "_", count: 700_000))])
    ),
    ("a point that is not on the curve", .setKeyMembers(["x": "AAAA", "y": "AAAA"])),
    ("keys no array", .setMembers(["keys": ["a": 1]])),
    ("symmetric keys alone", .setMembers(["keys": [["kty": "oct", "k": "AAAA", "alg": "HS256"]]])),
  ]

  static let attacks =
    answers.map { Attack("token: \($0.0)", Fault($0.1, at: [.token])) }
    + tokens.map { name, kinds in
      var attack = Attack("token: \(name)")
      attack.faults = kinds.map { Fault($0) }
      attack.namesKeySet = name == jku
      return attack
    }
    + (answers + keySets).map { Attack("key set: \($0.0)", Fault($0.1, at: [.jwks]), readsKeys: true) }
    + answers.map { Attack("discovery: \($0.0)", Fault(.status(404), at: [.token]), Fault($0.1, at: [.discovery])) }

  @Test("the good token stays, the daemon lives, its memory is bounded", arguments: attacks)
  func survives(_ attack: Attack) async throws {
    try await withScene { scene in
      try scene.configure(scene.table("konexus", ["timeout": "\"2s\""]))
      let daemon = try scene.startDaemon()
      try await scene.ready()
      let good = try #require(scene.token())
      let before = try #require(Self.peakMemory(of: daemon))
      for fault in attack.faults { scene.sandbox.inject(fault) }
      if attack.namesKeySet {
        scene.sandbox.inject(Fault(.setTokenHeader(["jku": .string(scene.sandbox.issuer + "/evil.jwks")])))
      }
      let asked = scene.sandbox.counts
      if attack.readsKeys { try await scene.sandbox.rotateKeys(dropOld: true) }
      daemon.signal(SIGUSR1)
      try await scene.wait(for: "the failure") { daemon.status?.tokens.first?.failure != nil }
      for endpoint in Set(attack.faults.flatMap(\.endpoints)) {
        #expect(scene.sandbox.counts[endpoint] > asked[endpoint], "\(endpoint) was not asked")
      }
      #expect(scene.token() == good, "readers keep the good token")
      #expect(daemon.process.ending == nil)
      let peak = try #require(Self.peakMemory(of: daemon))
      #expect(peak - before < Self.allowance, "\(before >> 20) MiB before, \(peak >> 20) MiB at the peak")
      #expect(!daemon.log.utf8.contains { $0 < 0x20 && $0 != 0x0a || $0 == 0x7f }, "no control characters in the log")
      #expect(scene.sandbox.counts[.other] == 0, "nothing that a token names is fetched")
      // The server comes to its senses: so does the daemon, by itself or by a reload.
      scene.sandbox.clearFaults()
      daemon.signal(SIGHUP)
      try await scene.wait(for: "a new token") { scene.token() != good && scene.token() != nil }
      #expect(scene.sandbox.refusal(of: try #require(scene.token())) == nil)
    }
  }

  /// The memory that the daemon needs at most to read, parse and compare an answer of 1 MiB; more would be a leak.
  ///
  /// The address sanitizer keeps freed memory.
  private static let allowance = getenv("ASAN_OPTIONS") == nil ? 48 << 20 : 384 << 20

  /// The most memory that the daemon had so far, in bytes.
  private static func peakMemory(of daemon: DaemonProcess) -> Int? {
    let status = Workplace.read("/proc/\(daemon.process.pid)/status") ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line.flatMap { Int($0.filter(\.isNumber)) }.map { $0 << 10 }
  }
}
