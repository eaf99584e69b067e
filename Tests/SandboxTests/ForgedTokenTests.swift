import KonexusSandbox
import Testing

@Suite("Forged tokens are forged as told, and the API takes none of them")
struct ForgedTokenTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var kind: Fault.Kind
    /// Why the API refuses it; nil if it does not.
    var refusal: String?
    var testDescription: String { "\(kind)" }
  }

  static let cases = [
    Case(kind: .expiredToken, refusal: "expired"),
    Case(kind: .tokenNotYetValid, refusal: "notYetValid"),
    Case(kind: .wrongAudience, refusal: "audience"),
    Case(kind: .setClaims(["aud": ["other", "tamarack"]])),
    Case(kind: .wrongTokenIssuer, refusal: "issuer"),
    Case(kind: .wrongTokenScope, refusal: "scope"),
    Case(kind: .setClaims(["scope": "other tamarack"])),
    Case(kind: .wrongTokenType, refusal: "type"),
    Case(kind: .setTokenHeader(["typ": "JWT"])),
    Case(kind: .removeClaims(["exp"]), refusal: "noExpiry"),
    Case(kind: .removeClaims(["nbf"])),
    Case(kind: .setTokenHeader(["kid": "nobody"]), refusal: "unknownKey"),
    Case(kind: .removeTokenHeader(["kid"]), refusal: "noKeyID"),
    Case(kind: .setTokenHeader(["alg": "RS512"]), refusal: "algorithm"),
    Case(kind: .signature(.none), refusal: "algorithm"),
    Case(kind: .signature(.hs256WithPublicKey), refusal: "algorithm"),
    Case(kind: .signature(.corrupted), refusal: "signature"),
    Case(kind: .signature(.truncated), refusal: "signature"),
    Case(kind: .signature(.unpublishedKey), refusal: "signature"),
    Case(kind: .signature(.unknownKey), refusal: "unknownKey"),
    Case(kind: .replaceToken("not.a.token"), refusal: "malformed"),
    Case(kind: .replaceToken("opaque"), refusal: nil),
    Case(kind: .opaqueToken),
  ]

  @Test("each kind of forgery", arguments: cases, [SigningAlgorithm.rs256, .es256])
  func forged(_ test: Case, algorithm: SigningAlgorithm) async throws {
    var options = SandboxOptions.quick
    options.algorithm = algorithm
    options.keyBits = 2048
    options.preparesNextKey = false
    try await withSandbox(options) { sandbox, curl in
      sandbox.inject(test.kind, requests: 1)
      let answer = await curl.token(sandbox)
      #expect(answer.status == 200)
      let token = try #require(answer.json?["access_token"]?.string)
      #expect(sandbox.refusal(of: token) == test.refusal)
      let expected =
        switch test.refusal {
        case nil: 200
        case "scope": 403
        default: 401
        }
      #expect(await curl.subscriptions(sandbox, token: token).status == expected)
      // The next one is honest again.
      let honest = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      #expect(sandbox.refusal(of: honest) == nil)
    }
  }

  @Test("a token that the key of the HMAC confusion fits")
  func confusion() async throws {
    try await withSandbox { sandbox, curl in
      sandbox.inject(.signature(.hs256WithPublicKey))
      let token = try #require(await curl.token(sandbox).json?["access_token"]?.string)
      let parts = token.split(separator: ".")
      let header = try JSON(parsing: #require(base64URL(parts[0])))
      #expect(header["alg"] == "HS256" && header["kid"]?.string == sandbox.currentKeyID)
      #expect(try #require(base64URL(parts[2])).count == 32)
    }
  }

  @Test("the server's clock can be off, and Date, token and API are off alike")
  func skew() async throws {
    try await withSandbox { sandbox, curl in
      let here = try #require(await curl.token(sandbox).headers["date"].flatMap(seconds(ofHTTPDate:)))
      sandbox.update { $0.clockSkew = 600 }
      let answer = await curl.token(sandbox)
      let there = try #require(answer.headers["date"].flatMap(seconds(ofHTTPDate:)))
      #expect((600...660).contains(there - here))
      let token = try #require(answer.json?["access_token"]?.string)
      let claims = try JSON(parsing: #require(base64URL(token.split(separator: ".")[1])))
      #expect((there - 1...there).contains(Int(try #require(claims["iat"]?.integer))))
      #expect(await curl.subscriptions(sandbox, token: token).status == 200)
    }
  }
}
