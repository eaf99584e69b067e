import FoundationEssentials
import Glibc
import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

/// Randomly changed responses of a server. Each reader ends with a value or an error. Messages are one printable line,
/// and values are never other than a valid response allows.
///
/// `FUZZ_MUTATIONS=1000000` has more of them (`make fuzz`).
@Suite struct AnswerMutationTests {
  private static let count = getenv("FUZZ_MUTATIONS").flatMap { Int(String(cString: $0)) } ?? 10_000

  private static let issuer = "https://auth.example/a"
  private static let discovery = """
    {"issuer":"https://auth.example/a","token_endpoint":"https://auth.example/a/token",\
    "jwks_uri":"https://auth.example/a/jwks","introspection_endpoint":"https://auth.example/i",\
    "revocation_endpoint":"https://auth.example/r","scopes_supported":["a"],\
    "token_endpoint_auth_methods_supported":["client_secret_basic"],\
    "mtls_endpoint_aliases":{"token_endpoint":"https://m.example/t"}}
    """
  private static let token = """
    {"access_token":"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.AAAA","token_type":"Bearer","expires_in":3600,\
    "scope":"tamarack other"}
    """
  private static let refusal =
    #"{"error":"invalid_client","error_description":"no such client","error_uri":"https://x"}"#
  private static let introspection = """
    {"active":true,"iss":"https://auth.example/a","aud":["tamarack"],"client_id":"c","scope":"tamarack",\
    "exp":1800003600,"iat":1800000000}
    """

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func discovery(_ seed: UInt64) {
    run(Self.discovery, seed) { bytes, round in
      do throws(AcquisitionFailure) {
        let parsed = try ServerMetadata(parsing: bytes, issuer: Self.issuer)
        #expect(parsed.issuer == Self.issuer, "seed \(seed), round \(round)")
        let endpoints: [String?] = [
          parsed.tokenEndpoint, parsed.jwksURI, parsed.introspectionEndpoint, parsed.revocationEndpoint,
          parsed.mtlsEndpointAliases?.tokenEndpoint,
        ]
        for endpoint in endpoints.compactMap({ $0 }) {
          #expect((try? Endpoint(endpoint)) != nil, "seed \(seed), round \(round): \(endpoint)")
        }
      } catch {
        expectPlain(error.message, seed, round)
      }
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func tokenAnswer(_ seed: UInt64) {
    run(Self.token, seed) { bytes, round in
      do throws(AcquisitionFailure) {
        let parsed = try TokenResponse(parsing: bytes, tokenTypes: round.isMultiple(of: 2) ? ["Bearer"] : [])
        // It goes into a header line, as it is.
        #expect(
          parsed.accessToken.withBytes { $0.allSatisfy { (0x21...0x7e).contains($0) } }, "seed \(seed), round \(round)")
        #expect(parsed.expiresIn.map { $0 > 0 && $0 <= 1e9 } ?? true, "seed \(seed), round \(round)")
      } catch {
        expectPlain(error.message, seed, round)
      }
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func refusals(_ seed: UInt64) {
    run(Self.refusal, seed) { bytes, round in
      let failure = TokenErrorResponse(parsing: bytes)?.failure(
        status: 400, retryAfter: nil, secrets: [Secret("no such")])
      if let failure { expectPlain(failure.message, seed, round) }
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func introspections(_ seed: UInt64) {
    var policy = AccessTokenPolicy(issuer: Self.issuer, audience: ["tamarack"], clientID: "c", scopes: ["tamarack"])
    run(Self.introspection, seed) { bytes, round in
      policy.audience = round.isMultiple(of: 2) ? ["tamarack"] : []
      do throws(VerificationFailure) {
        let body = try ClaimsBody(TokenPart("introspection", bytes))
        guard let expiry = body.exp else { return }
        let claims = try policy.check(introspected: body, grantedScope: nil, expiry: expiry, unixTime: 1_800_000_000)
        #expect(claims.scopes.contains("tamarack") && claims.expiry > 1_799_999_940, "seed \(seed), round \(round)")
        #expect(claims.audience.isEmpty || claims.audience.contains("tamarack"), "seed \(seed), round \(round)")
        #expect(!policy.audience.isEmpty || claims.audience.isEmpty, "seed \(seed), round \(round)")
      } catch {
        expectPlain(error.message, seed, round)
      }
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func keySets(_ seed: UInt64) throws {
    let keys = try [SigningKey.rsa, .p256, .ed25519].map { try $0.jwk() }.joined(separator: ",")
    // Each of them is worked on by OpenSSL's arithmetic: a tenth will do.
    run("{\"keys\":[\(keys)]}", seed, share: 10) { bytes, round in
      do throws(KeySetFailure) {
        let parsed = try KeySet(parsing: bytes)
        #expect((1...KeySet.maximumKeys).contains(parsed.count), "seed \(seed), round \(round)")
        for skipped in parsed.skipped { expectPlain(skipped.description, seed, round) }
      } catch {
        expectPlain(error.message, seed, round)
      }
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func challenges(_ seed: UInt64) {
    run(#"Basic realm="x", Bearer realm="api", error="invalid_token", error_description="no key""#, seed) {
      bytes, round in
      guard let error = BearerChallenge.error(in: String(decoding: bytes, as: UTF8.self)) else { return }
      expectPlain(error, seed, round)
      #expect((1...BearerChallenge.longestError).contains(error.utf8.count), "seed \(seed), round \(round)")
    }
  }

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func validators(_ seed: UInt64) {
    for valid in [#"W/"33a64df5-08,15""#, "Mon, 23 Nov 2026 00:00:00 GMT"] {
      run(valid, seed, share: 2) { bytes, round in
        let text = String(decoding: bytes, as: UTF8.self)
        let headers = HTTPHeaders([
          HTTPHeader("ETag", text), HTTPHeader("Last-Modified", text),
          HTTPHeader("Date", "Tue, 24 Nov 2026 00:00:00 GMT"),
        ])
        for condition in CacheValidators(headers)?.conditions ?? [] {
          #expect(condition.value == text, "seed \(seed), round \(round)")
          #expect(condition.value.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "seed \(seed), round \(round)")
          #expect(condition.value.utf8.count <= CacheValidators.longestValue, "seed \(seed), round \(round)")
        }
      }
    }
  }

  /// The content `{"keys":[],"x":"xxxxxxxxxxxxxxxx"}` in gzip and in both formats of deflate, by Python's zlib.
  private static let encoded: [(String, [UInt8])] = [
    (
      "gzip",
      [
        0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca, 0x4e, 0xad, 0x2c, 0x56,
        0xb2, 0x8a, 0x8e, 0xd5, 0x51, 0xaa, 0x50, 0xb2, 0x52, 0xaa, 0x40, 0x03, 0x4a, 0xb5, 0x00, 0xc9, 0x77,
        0x1c, 0xa7, 0x22, 0x00, 0x00, 0x00,
      ]
    ),
    (
      "deflate",
      [
        0x78, 0x9c, 0xab, 0x56, 0xca, 0x4e, 0xad, 0x2c, 0x56, 0xb2, 0x8a, 0x8e, 0xd5, 0x51, 0xaa, 0x50, 0xb2,
        0x52, 0xaa, 0x40, 0x03, 0x4a, 0xb5, 0x00, 0xd0, 0xaa, 0x0c, 0xd1,
      ]
    ),
    (
      "deflate",
      [
        0xab, 0x56, 0xca, 0x4e, 0xad, 0x2c, 0x56, 0xb2, 0x8a, 0x8e, 0xd5, 0x51, 0xaa, 0x50, 0xb2, 0x52, 0xaa,
        0x40, 0x03, 0x4a, 0xb5, 0x00,
      ]
    ),
  ]

  @Test(arguments: [UInt64.random(in: .min ... .max)]) func contentCodings(_ seed: UInt64) {
    let content = Array(#"{"keys":[],"x":"xxxxxxxxxxxxxxxx"}"#.utf8)
    for (name, encoded) in Self.encoded {
      let coding = ContentCoding(HTTPHeaders([HTTPHeader("Content-Encoding", name)]))
      #expect(coding.decode(encoded, limit: 100) == .content(content))
      run(encoded, seed, share: 2) { bytes, round in
        guard case .content(let decoded) = coding.decode(bytes, limit: 100) else { return }
        #expect(decoded.count <= 100, "\(name), seed \(seed), round \(round)")
      }
    }
  }

  private func expectPlain(_ message: String, _ seed: UInt64, _ round: Int) {
    #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, "seed \(seed), round \(round)")
    #expect(message.utf8.count < 4000, "seed \(seed), round \(round)")
  }

  private func run(_ valid: String, _ seed: UInt64, share: Int = 1, _ body: ([UInt8], Int) -> Void) {
    run(Array(valid.utf8), seed, share: share, body)
  }

  private func run(_ valid: [UInt8], _ seed: UInt64, share: Int = 1, _ body: ([UInt8], Int) -> Void) {
    var generator = SplitMix64(seed: seed)
    for round in 0..<(Self.count / share) { body(Self.mutated(valid, &generator), round) }
  }

  private static let pieces: [[UInt8]] = [
    "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u0000", "\\ud83d\\ude00", "\\udc00", "null", "true", "false", "-1",
    "1e400", "0", "1.5",
    "\"x\"", "{\"a\":1}", "[1]", "https://", "http://", "file:///etc/passwd", "\u{0}", "\u{feff}", "é", "\n", "\r\n",
    "\u{1b}[2J",
    "\u{202e}", "99999999999999999999999", String(repeating: "[", count: 600), String(repeating: "9", count: 5000),
  ].map { Array($0.utf8) }

  private static func mutated(_ valid: [UInt8], _ generator: inout SplitMix64) -> [UInt8] {
    var bytes = valid
    for _ in 0..<Int.random(in: 1...4, using: &generator) {
      guard !bytes.isEmpty else { break }
      let index = Int.random(in: bytes.indices, using: &generator)
      switch Int.random(in: 0..<8, using: &generator) {
      case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
      case 1: bytes[index] = .random(in: .min ... .max, using: &generator)
      case 2: bytes.removeSubrange(index..<min(bytes.count, index + Int.random(in: 1...30, using: &generator)))
      case 3: bytes = Array(bytes.prefix(index))
      case 4:
        // A piece of it once more, elsewhere: members come twice.
        let end = min(bytes.count, index + Int.random(in: 1...60, using: &generator))
        bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: bytes.indices, using: &generator))
      default:
        let end = min(bytes.count, index + Int.random(in: 0...12, using: &generator))
        bytes.replaceSubrange(index..<end, with: pieces.randomElement(using: &generator) ?? [])
      }
    }
    return bytes
  }
}
