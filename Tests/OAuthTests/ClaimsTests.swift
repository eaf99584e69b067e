import Testing
@testable import OAuth

/// Tokens that the issuer did sign, and that are not for us, not for now, or not of this world.
@Suite struct ClaimsTests {
  typealias Reason = VerificationFailure.Reason

  @Test(arguments: [
    "https://auth.alertsense.com/", "https://auth.alertsense.co", "https://auth.alertsense.com.attacker.example",
    "https://AUTH.alertsense.com", "http://auth.alertsense.com", "https://auth.alertsense.com:443",
    " https://auth.alertsense.com", "https://auth.alertsense.com#", "auth.alertsense.com", "",
  ])
  func anotherIssuer(_ issuer: String) throws {
    let token = try SigningKey.p256.token(claims: ["iss": "\"\(issuer)\""])
    #expect(Sample.refusal(token)?.reason == .issuer)
  }

  /// U+212A, the Kelvin sign, equals K for Swift's ==.
  @Test func textsAreComparedByCodePoint() throws {
    let token = try SigningKey.p256.token(claims: [
      "iss": #""https://K""#, "aud": #""K""#, "client_id": #""K""#, "scope": #""K""#,
    ])
    let right = AccessTokenPolicy(issuer: "https://K", audience: ["K"], clientID: "K", scopes: ["K"])
    _ = try Sample.verify(token, policy: right)
    let kelvin = "\u{212A}"
    var policy = right
    policy.issuer = "https://\(kelvin)"
    #expect(Sample.refusal(token, policy: policy)?.reason == .issuer)
    policy = right
    policy.audience = [kelvin]
    #expect(Sample.refusal(token, policy: policy)?.reason == .audience)
    policy = right
    policy.clientID = kelvin
    #expect(Sample.refusal(token, policy: policy)?.reason == .clientID)
    policy = right
    policy.scopes = [kelvin]
    #expect(Sample.refusal(token, policy: policy)?.reason == .scope(missing: [kelvin]))
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let changes: [String: String?]
    let reason: Reason
    init(_ changes: [String: String?], _ reason: Reason) {
      self.changes = changes
      self.reason = reason
    }
    var testDescription: String {
      "\(changes.map { "\($0): \($1 ?? "(missing)")" }.joined(separator: ", ").prefix(80))"
    }
  }

  static let missing: [Case] = ["iss", "aud", "exp"].flatMap { (claim: String) -> [Case] in
    [Case([claim: nil], .missingClaim(claim)), Case([claim: "null"], .missingClaim(claim))]
  }

  static let misdirected: [Case] = [
    Case(["aud": #""other""#], .audience), Case(["aud": "[]"], .audience), Case(["aud": #"["a","b"]"#], .audience),
    Case(["aud": #""tamarack ""#], .audience), Case(["aud": #""Tamarack""#], .audience),
    Case(["aud": #""tamarack other""#], .audience),
    Case(["client_id": "1741"], .clientID), Case(["azp": "1741"], .clientID),
    Case(["client_id": #""other""#], .clientID), Case(["client_id": #""""#], .clientID),
    Case(["azp": #""other""#], .clientID), Case(["client_id": nil, "azp": #""other""#], .clientID),
  ]

  static let narrowed: [Case] = [
    ["scope": #"["other"]"#], ["scope": "[]"], ["scope": #""""#], ["scope": #""Tamarack""#], ["scope": #""tamarack2""#],
    ["scope": #""tamarack,other""#], ["scope": nil, "scp": #""other""#], ["scope": #""other""#, "scp": #""tamarack""#],
  ].map { (changes: [String: String?]) -> Case in Case(changes, .scope(missing: ["tamarack"])) }

  static let ofWrongType: [Case] = [
    ["iss": "{}"], ["iss": #"["https://auth.alertsense.com"]"#], ["iss": "1"],
    ["aud": "{}"], ["aud": #"["tamarack",1]"#], ["aud": #"[["tamarack"]]"#], ["aud": "1"],
    ["client_id": "1741.5"], ["client_id": "-1741"], ["client_id": "1e3"], ["client_id": "[1741]"],
    ["client_id": "true"], ["azp": "[]"], ["azp": "{}"],
    ["scope": "{}"], ["scope": "[1]"], ["scope": "true"], ["scp": "1"],
  ].map { (changes: [String: String?]) -> Case in Case(changes, .malformed) }

  static let impossibleTimes: [Case] = [
    "1e400", "-1e400", "1e30", "1000000000000000000000000000000", "253402300800", "1800003600000", "-1", "-0.5",
    "9223372036854775808", "18446744073709551616", "true", "[1800003600]", #""1800003600""#, "{}", #""""#,
    // Not JSON at all.
    "NaN", "Infinity", "0x7FFFFFFF", "+1800003600", "01800003600", "1.", "1800003600,", "--1", "tru",
  ].flatMap { (value: String) -> [Case] in ["exp", "nbf", "iat"].map { Case([$0: value], .malformed) } }

  static let endingBeforeTheyBegin: [Case] = [
    Case(["iat": "\(Sample.now + 30)", "exp": "\(Sample.now + 30)"], .malformed),
    Case(["iat": "\(Sample.now + 30)", "exp": "\(Sample.now + 29)"], .malformed),
    Case(["nbf": "\(Sample.now + 30)", "exp": "\(Sample.now + 10)"], .malformed),
  ]

  static let cases: [Case] =
    missing + misdirected + narrowed + ofWrongType + impossibleTimes + endingBeforeTheyBegin

  @Test(arguments: cases) func isRefused(_ example: Case) throws {
    let token = try SigningKey.p256.token(claims: example.changes)
    #expect(Sample.refusal(token)?.reason == example.reason)
  }

  static let shapes: [(String, Reason)] = [
    (#"{"iss":"a","iss":"https://auth.alertsense.com"}"#, .duplicateMember("iss")),
    (#"{"exp":1,"\u0065\u0078\u0070":1900000000}"#, .duplicateMember("exp")),
    (#"{"x":[{"y":1,"y":1}]}"#, .duplicateMember("y")),
    (#"{"iss":"#, .malformed), ("[]", .malformed), ("1", .malformed), ("null", .malformed), ("", .malformed),
    (#"{"iss":"a"} x"#, .malformed),
    (#"{"x":"# + String(repeating: "[", count: 40_000) + "}", .malformed),
    (#"{"x":"# + String(repeating: "[", count: 20_000) + String(repeating: "]", count: 20_000) + "}", .malformed),
  ]

  @Test(arguments: shapes)
  func claimsOfAnotherShape(_ claims: String, _ reason: Reason) throws {
    let token = try SigningKey.p256.token(
      header: Array(#"{"alg":"ES256","kid":"p256"}"#.utf8), claims: Array(claims.utf8))
    #expect(Sample.refusal(token)?.reason == reason)
  }

  @Test func claimsThatAreNotUTF8() throws {
    let token = try SigningKey.p256.token(
      header: Array(#"{"alg":"ES256","kid":"p256"}"#.utf8), claims: Array(#"{"x":""#.utf8) + [0xFF] + Array(#""}"#.utf8)
    )
    #expect(Sample.refusal(token)?.reason == .malformed)
  }

  /// The sample token is valid from `now` to `now` + 3600, and the leeway is 60 s.
  static let times: [(Int64, Reason?)] = [
    (-61, .notYetValid(by: 61)), (-60, nil), (-59, nil), (0, nil), (3599, nil), (3600, nil), (3659, nil),
    (3660, .expired(by: 60)), (3661, .expired(by: 61)), (-1_800_000_000, .notYetValid(by: 1_800_000_000)),
    (1_000_000_000_000, .expired(by: 999_999_996_400)),
  ]

  @Test(arguments: times)
  func time(_ offset: Int64, _ reason: Reason?) throws {
    let token = try SigningKey.p256.token()
    #expect(Sample.refusal(token, at: Sample.now + offset)?.reason == reason)
    // The same by each claim alone.
    let withoutNotBefore = try SigningKey.p256.token(claims: ["nbf": nil])
    #expect(Sample.refusal(withoutNotBefore, at: Sample.now + offset)?.reason == reason)
    let withoutIssuedAt = try SigningKey.p256.token(claims: ["iat": nil])
    #expect(Sample.refusal(withoutIssuedAt, at: Sample.now + offset)?.reason == reason)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, .greatestFiniteMagnitude])
  func aClockThatTellsNonsense(_ time: Double) throws {
    let token = try SigningKey.p256.token()
    #expect(throws: VerificationFailure.self) {
      try AccessTokenVerifier.verify(
        token: token, keys: Sample.keys, policy: Sample.policy, grantedScope: nil, unixTime: time)
    }
  }

  @Test func leewayIsThePolicys() throws {
    var policy = Sample.policy
    policy.leeway = .zero
    let token = try SigningKey.p256.token()
    #expect(Sample.refusal(token, policy: policy, at: Sample.now + 3599) == nil)
    #expect(Sample.refusal(token, policy: policy, at: Sample.now + 3600)?.reason == .expired(by: 0))
    #expect(Sample.refusal(token, policy: policy, at: Sample.now - 1)?.reason == .notYetValid(by: 1))
  }

  @Test func aPolicyMayDemandTheAccessTokenType() throws {
    var policy = Sample.policy
    policy.requiresAccessTokenType = true
    #expect(Sample.refusal(try SigningKey.p256.token(), policy: policy) == nil)
    for type in [#""JWT""#, nil] {
      let token = try SigningKey.p256.token(header: ["typ": type])
      #expect(Sample.refusal(token, policy: policy)?.reason == .typeMismatch)
    }
  }

  @Test(arguments: [#""tamarack""#, #"["tamarack"]"#, #""""#, #"[""]"#, #"["a","b"]"#])
  func aPolicyWithoutAudienceAcceptsNoTokenForAnAudience(_ audience: String) throws {
    var policy = Sample.policy
    policy.audience = []
    let refusal = Sample.refusal(try SigningKey.p256.token(claims: ["aud": audience]), policy: policy)
    #expect(refusal?.reason == .audience)
    #expect(refusal?.message.contains("audience = [] accepts only tokens without \"aud\"") == true)
  }

  @Test func allAskedScopesMustBeGranted() throws {
    var policy = Sample.policy
    policy.scopes = ["tamarack", "alerts.send", "contacts.read"]
    let token = try SigningKey.p256.token(claims: ["scope": #""contacts.read other""#])
    #expect(
      Sample.refusal(token, policy: policy, grantedScope: policy.scopes)?.reason
        == .scope(missing: ["tamarack", "alerts.send"]))
  }

  static let messages: [([String: String?], String)] = [
    (
      ["iss": #""https://evil.example""#],
      #"the token's issuer is "https://evil.example", not "https://auth.alertsense.com": they must be the same to the "#
        + #"letter; compare `issuer` in the configuration with the server's discovery document"#
    ),
    (
      ["aud": #"["a","b","c","d","e","f","g"]"#],
      #"the token is for the audience "a", "b", "c", "d", "e" and 2 more, not for "tamarack": set `audience` to the "#
        + #"API's name, or ask for another `scope`"#
    ),
    (
      ["exp": "1799990000", "iat": nil, "nbf": nil],
      "the token expired 10000 s ago by this host's clock (exp 2027-01-15T05:13:20Z), more than the leeway of 60 s: "
        + "compare this host's clock (`timedatectl`) with the server's"
    ),
    (
      ["nbf": "1800000100"],
      "the token is not valid for another 100 s by this host's clock (nbf 2027-01-15T08:01:40Z), more than the leeway "
        + "of 60 s: compare this host's clock (`timedatectl`) with the server's"
    ),
    (
      ["client_id": #""\u202Eevil\u0007""#],
      #"the token was issued to the client "\u{202e}evil\u{7}" (claim client_id), not to "ext-1741-sample-client""#
    ),
    (
      ["aud": nil],
      #"the token has no "aud" claim. If the server's operator confirms this, set audience = []"#
    ),
    (
      ["aud": "[]"],
      #"the token has an empty "aud" claim. If the server's operator confirms this, set audience = []"#
    ),
    (["exp": #""soon""#], #"in the token's claims set "exp" is of the wrong type or out of range"#),
  ]

  @Test(arguments: messages)
  func messagesTellWhatToDo(_ changes: [String: String?], _ message: String) throws {
    #expect(Sample.refusal(try SigningKey.p256.token(claims: changes))?.message == message)
  }
}
