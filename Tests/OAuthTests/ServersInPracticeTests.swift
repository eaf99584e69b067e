import Testing
@testable import Base
@testable import HTTP
@testable import OAuth

/// Responses and tokens of servers as they are in practice, row by row of the manual's table SERVERS IN PRACTICE.
@Suite(.timeLimit(.minutes(1))) struct ServersInPracticeTests {
  private let issuer: TestIssuer
  private let key = SigningKey.p256

  init() throws {
    issuer = try TestIssuer()
    try issuer.answerKeys([key])
    try issuer.issue(by: key)
    issuer.answer("/introspect", #"{"active":true}"#)
  }

  private func response(_ members: String = #""token_type":"Bearer""#) throws -> String {
    let token = String(decoding: try issuer.token(of: key), as: UTF8.self)
    return #"{"access_token":"\#(token)","expires_in":3600\#(members.isEmpty ? "" : ",")\#(members)}"#
  }

  private func failure(_ request: TokenRequest? = nil) async throws -> AcquisitionFailure {
    let request = request ?? issuer.request()
    return try #require(
      await #expect(throws: AcquisitionFailure.self) { try await issuer.client().acquire(request) })
  }

  // MARK: Content codings

  static let documents = ["/.well-known/openid-configuration", "/keys", "/token", "/introspect"]

  private func serve(_ path: String, status: String = "200 OK", headers: [String] = [], body: String? = nil) throws {
    let usual =
      switch path {
      case "/keys": try TestIssuer.keySet([key])
      case "/token": try response()
      case "/introspect": #"{"active":true}"#
      default:
        json([
          "issuer": "\"\(issuer.url)\"", "token_endpoint": "\"\(issuer.url)/token\"",
          "jwks_uri": "\"\(issuer.url)/keys\"", "introspection_endpoint": "\"\(issuer.url)/introspect\"",
        ])
      }
    issuer.answer(path, body ?? usual, status: status, headers: headers)
  }

  private func verification(for path: String) -> TokenVerification { path == "/introspect" ? .introspection : .jwt }

  @Test(arguments: documents) func anUnsupportedCodingIsNamed(_ path: String) async throws {
    try serve(path, headers: ["Content-Encoding: br"], body: "\u{b}\u{2}not readable")
    let failure = try await failure(issuer.request(verification(for: path)))
    #expect(failure.code == .contentEncoding)
    #expect(
      failure.message.hasSuffix(
        "endpoint \(issuer.url)\(path) answered 200 with the content coding 'br', which cannot be decoded here"),
      "\(failure.message)")
  }

  @Test(arguments: documents, ["utf-8", "gzip", "br"])
  func aCodingThatTheContentDoesNotHaveIsIgnored(_ path: String, _ name: String) async throws {
    try serve(path, headers: ["Content-Encoding: \(name)"])
    _ = try await issuer.client().acquire(issuer.request(verification(for: path)))
  }

  @Test func anErrorInAnUnsupportedCodingKeepsItsStatus() async throws {
    let headers = ["Content-Encoding: br", "Retry-After: 7"]
    try serve("/token", status: "503 Service Unavailable", headers: headers, body: "x")
    let failure = try await failure()
    #expect(failure.code == .serverError && failure.retryAfter == .seconds(7))
    #expect(failure.message.contains("answered 503 with the content coding 'br'"), "\(failure.message)")
  }

  @Test("a coding that quotes the client's secret does not show it")
  func aCodingCanQuoteASecret() async throws {
    for status in ["200 OK", "500 Internal Server Error"] {
      try serve("/token", status: status, headers: ["Content-Encoding: \(TestIssuer.secret)"], body: "x")
      let failure = try await failure()
      #expect(!failure.message.contains(TestIssuer.secret), "\(failure.message)")
    }
  }

  // MARK: Statuses

  @Test(arguments: documents, ["201 Created", "202 Accepted", "203 Non-Authoritative Information", "299 Odd"])
  func everySuccessfulStatusIsAccepted(_ path: String, _ status: String) async throws {
    try serve(path, status: status)
    let client = issuer.client()
    let token = try await client.acquire(issuer.request(verification(for: path)))
    if path == "/introspect" {
      let request = issuer.request(.introspection)
      #expect(try await client.recheckByIntrospection(of: token, as: request, timeout: .seconds(30)) == .active)
    }
    #expect(issuer.requests("/token").count == 1)
  }

  @Test(arguments: documents, ["200 OK", "201 Created", "204 No Content"])
  func aStatusWithoutContentIsNamed(_ path: String, _ status: String) async throws {
    try serve(path, status: status, body: "")
    let failure = try await failure(issuer.request(verification(for: path)))
    #expect(failure.code == .malformedAnswer)
    #expect(
      failure.message.hasSuffix("\(issuer.url)\(path) answered \(status.prefix(3)) without content"),
      "\(failure.message)")
  }

  @Test func messagesNameTheStatus() throws {
    for body in ["[]", #"{"token_type":"Bearer"}"#, #"{"access_token":"a","token_type":"Bearer","scope":"\"a"}"#] {
      let failure = #expect(throws: AcquisitionFailure.self) {
        try TokenResponse(parsing: Array(body.utf8), status: 201)
      }
      #expect(failure?.message.contains("answered 201 with") == true, "\(failure?.message ?? "")")
    }
  }

  @Test("an error of RFC 6749 is one with every successful status too", arguments: ["200 OK", "201 Created"])
  func errorsWithASuccessfulStatus(_ status: String) async throws {
    try serve("/token", status: status, body: #"{"error":"invalid_scope"}"#)
    let failure = try await failure()
    #expect(failure.code == .invalidScope && failure.message.contains("answered \(status.prefix(3))"))
  }

  // MARK: token_type

  private func type(_ members: String, _ accepted: [String]) async throws -> AcquisitionFailure? {
    issuer.answer("/token", try response(members))
    var request = issuer.request()
    request.tokenTypes = accepted
    do throws(AcquisitionFailure) { _ = try await issuer.client().acquire(request) } catch { return error }
    return nil
  }

  @Test(arguments: ["", #""token_type":null"#, #""token_type":"""#])
  func aMissingTokenTypeNeedsTheSetting(_ members: String) async throws {
    for accepted in [["Bearer"], ["BearerToken"]] {
      let failure = try await type(members, accepted)
      #expect(failure?.code == .tokenType)
      #expect(
        failure?.message == "the token response has no token_type. "
          + "If the server's operator confirms that its tokens are Bearer tokens, set token_type = []")
    }
    #expect(try await type(members, []) == nil)
  }

  @Test func anotherTokenTypeNeedsTheSetting() async throws {
    for accepted in [["Bearer"], [], ["other"]] {
      let failure = try await type(#""token_type":"BearerToken""#, accepted)
      #expect(failure?.code == .tokenType)
      #expect(
        failure?.message == #"the token_type is "BearerToken", not "Bearer". "#
          + #"If the server's operator confirms that its tokens are Bearer tokens, set token_type = "BearerToken""#)
    }
    #expect(try await type(#""token_type":"BearerToken""#, ["other", "bearertoken"]) == nil)
    // Bearer is always accepted.
    for accepted in [["BearerToken"], []] { #expect(try await type(#""token_type":"bearer""#, accepted) == nil) }
  }

  @Test(arguments: ["7", "true", #"["Bearer"]"#, #"{"Bearer":1}"#])
  func aTokenTypeMustBeAString(_ value: String) async throws {
    for accepted in [["Bearer"], [], ["7", "true"]] {
      #expect(try await type(#""token_type":\#(value)"#, accepted)?.code == .tokenType)
    }
  }

  @Test("a type that needs a proof has no setting", arguments: ["DPoP", "dpop", "PoP", "N_A", "mac"])
  func aTokenTypeThatIsUnusable(_ name: String) async throws {
    let failure = try await type(#""token_type":"\#(name)""#, ["Bearer"])
    #expect(failure?.message == #"the token_type is "\#(name)", not "Bearer": applications cannot use such a token"#)
    #expect(TokenType.isUnusable(name) && !TokenType.isUnusable("BearerToken"))
  }

  @Test("a type that cannot be pasted is shown with escapes, and not as a setting")
  func aTokenTypeThatCannotBePasted() async throws {
    for name in [#"a\"b"#, #"a\\b"#, "a b", #"\u001b[31m"#, "B\u{e9}arer", String(repeating: "x", count: 65)] {
      let failure = try await type(#""token_type":"\#(name)""#, ["Bearer"])
      #expect(failure?.code == .tokenType && failure?.message.contains("set token_type") == false, "\(name)")
    }
    // U+212A, the Kelvin sign, equals K for Swift's lowercased().
    #expect(try await type(#""token_type":"BearerTo\#u{212A}en""#, ["BearerToken"])?.code == .tokenType)
  }

  @Test(
    arguments: [
      (["Bearer"], ["Bearer"], true), (["Bearer"], ["bearer"], true), ([], ["Bearer"], true), (["x"], ["Bearer"], true),
      (["x", "y"], ["Y"], true), (["x"], ["x", "y"], false), (["Bearer"], ["x"], false), (["Bearer"], [], false),
      (["x"], [], false), ([], [], true), ([], ["x"], false),
    ] as [([String], [String], Bool)])
  func includes(_ accepted: [String], _ other: [String], _ expected: Bool) {
    #expect(TokenType.includes(accepted, allOf: other) == expected)
  }

  // MARK: aud

  @Test(arguments: [nil, "null", "[]"] as [String?])
  func aTokenWithoutAudienceNeedsTheSetting(_ audience: String?) throws {
    let token = try SigningKey.p256.token(claims: ["aud": audience])
    #expect(Sample.refusal(token) != nil)
    var policy = Sample.policy
    policy.audience = []
    #expect(try Sample.verify(token, policy: policy).audience == [])
  }

  @Test("without an audience, everything else is verified")
  func everythingElseIsVerified() throws {
    var policy = Sample.policy
    policy.audience = []
    typealias Reason = VerificationFailure.Reason
    let wrong: [([String: String?], Reason)] = [
      (["iss": #""https://evil.example""#], .issuer), (["iss": nil], .missingClaim("iss")),
      (["client_id": #""other""#], .clientID), (["scope": #""other""#], .scope(missing: ["tamarack"])),
      (["exp": nil], .missingClaim("exp")), (["aud": "7"], .malformed), (["aud": "[7]"], .malformed),
    ]
    for (changes, reason) in wrong {
      let token = try SigningKey.p256.token(claims: changes.merging(["aud": nil]) { change, _ in change })
      #expect(Sample.refusal(token, policy: policy)?.reason == reason, "\(changes)")
    }
    var forged = try SigningKey.p256.token(claims: ["aud": nil])
    #expect(Sample.refusal(forged, policy: policy, at: Sample.now + 4000)?.reason == .expired(by: 400))
    forged[forged.count - 10] = forged[forged.count - 10] == 0x41 ? 0x42 : 0x41
    #expect(Sample.refusal(forged, policy: policy)?.reason == .signature)
  }

  @Test(arguments: [#"{"active":true}"#, #"{"active":true,"aud":[]}"#])
  func anIntrospectionWithoutAudience(_ body: String) async throws {
    issuer.answer("/introspect", body)
    var request = issuer.request(.introspection)
    request.policy.audience = []
    #expect(try await issuer.client().acquire(request).claims.audience == [])
    issuer.answer("/introspect", #"{"active":true,"aud":"other"}"#)
    #expect(try await failure(request).code == .wrongAudience)
  }

  // MARK: Tokens with other characters

  @Test(arguments: ["42|0123456789!", #"a"b\c'd`e$f"#, "!#%&(),:;<>?@[]^{|}", "b64token-._~+/="])
  func aTokenOfVisibleCharactersIsAccepted(_ token: String) async throws {
    let body = json(["access_token": Printable.quotedJSON(token), "token_type": #""Bearer""#, "expires_in": "60"])
    issuer.answer("/token", body)
    let acquired = try await issuer.client().acquire(issuer.request(.none))
    #expect(acquired.accessToken == Secret(token))
  }

  @Test(arguments: [
    ("a b", "it has a space at byte 2"), ("abc\\n", "it has a line break at byte 4"),
    ("a\\r\\nX-Evil: 1", "it has a line break at byte 2"), ("\\u0000", "it has a control character at byte 1"),
    ("a\\u007f", "it has a control character at byte 2"), ("\\t", "it has a control character at byte 1"),
    ("a\u{e9}", "it has a character outside ASCII at byte 2"),
    ("\u{202e}", "it has a character outside ASCII at byte 1"),
    (String(repeating: "a", count: 65_537), "it is 65537 bytes long; at most 65536 are accepted"),
  ])
  func aTokenThatCannotBeSentIsNotPublished(_ token: String, _ fault: String) async throws {
    issuer.answer("/token", #"{"access_token":"\#(token)","token_type":"Bearer","expires_in":60}"#)
    let failure = try await failure(issuer.request(.none))
    #expect(failure.code == .unsendableToken)
    #expect(failure.message == "the access_token cannot be sent in a header field: \(fault)")
  }

  // MARK: Claims that nothing depends on

  @Test(arguments: ["1741", "0", "-1", "1e400", "12345678901234567890123", "1.50", "true", "[]", #"{"a":1}"#, "null"])
  func identifiersThatNothingDependsOnCanHaveAnyType(_ value: String) throws {
    let claims = try Sample.verify(try SigningKey.p256.token(claims: ["sub": value, "jti": value]))
    let shown = ["true", "[]", #"{"a":1}"#, "null"].contains(value) ? nil : value
    #expect(claims.subject == shown && claims.tokenID == shown)
  }

  @Test("client_id can be a number, which is compared like a text", arguments: ["client_id", "azp"])
  func clientIDAsNumber(_ claim: String) throws {
    var policy = Sample.policy
    func token(_ value: String) throws -> [UInt8] {
      var claims: [String: String?] = ["client_id": nil]
      claims[claim] = value
      return try SigningKey.p256.token(claims: claims)
    }
    policy.clientID = "1741"
    #expect(try Sample.verify(try token("1741"), policy: policy).clientID == "1741")
    for other in ["17410", "1741.0", "1741e0", "-1741", "174", "0"] {
      #expect(Sample.refusal(try token(other), policy: policy) != nil, "\(other)")
    }
    policy.clientID = "12345678901234567890123"
    #expect(Sample.refusal(try token("12345678901234567890124"), policy: policy)?.reason == .clientID)
    _ = try Sample.verify(try token("12345678901234567890123"), policy: policy)
  }

  @Test func timesCanHaveFractions() throws {
    let claims = try Sample.verify(
      try SigningKey.p256.token(claims: ["nbf": "\(Sample.now).75", "iat": "\(Sample.now).25"]))
    #expect(claims.notBefore == Sample.now && claims.issuedAt == Sample.now)
  }

  @Test func anIntrospectionWithNumbers() async throws {
    issuer.answer("/introspect", #"{"active":true,"sub":1741,"jti":[1],"client_id":"\#(Sample.policy.clientID)"}"#)
    #expect(try await issuer.client().acquire(issuer.request(.introspection)).claims.subject == "1741")
  }
}
