import Testing
@testable import Base
@testable import OAuth

/// Tokens that must be accepted, in every form that the standards and real servers give them.
@Suite struct AcceptedTokenTests {
  @Test func theSampleOfKonexusDocumentation() throws {
    let claims = try Sample.verify(try SigningKey.rsa4096.token())
    #expect(
      claims
        == AccessTokenClaims(
          issuer: "https://auth.alertsense.com", subject: "1741", audience: ["tamarack"], scopes: ["tamarack"],
          clientID: "ext-1741-sample-client", issuedAt: Sample.now, notBefore: Sample.now, expiry: Sample.now + 3600,
          tokenID: "A2C5", keyID: "F00DRS256", algorithm: .rs256, type: "at+jwt"))
    #expect(claims.lifetime == .seconds(3600))
  }

  static let keysByAlgorithm: [SigningKey] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map { SigningKey.rsa.signing(by: $0) }
    + [.p256, .p384, .p521, .ed25519, SigningKey.ed25519.signing(by: "Ed25519")]

  @Test(arguments: keysByAlgorithm) func everyAlgorithm(_ key: SigningKey) throws {
    let claims = try Sample.verify(try key.token())
    #expect(claims.algorithm == SignatureAlgorithm(name: key.algorithm))
  }

  @Test func theTableNamesEveryAlgorithm() {
    #expect(
      Set(Self.keysByAlgorithm.compactMap { SignatureAlgorithm(name: $0.algorithm) })
        == Set(SignatureAlgorithm.allCases))
  }

  @Test(arguments: [
    #""at+jwt""#, #""AT+JWT""#, #""application/at+jwt""#, #""Application/At+Jwt""#, #""JWT""#, #""jwt""#,
    #""application/jwt""#, nil,
  ])
  func everyType(_ type: String?) throws {
    _ = try Sample.verify(try SigningKey.p256.token(header: ["typ": type]))
  }

  @Test(arguments: [
    #""tamarack""#, #"["tamarack"]"#, #"["other","tamarack"]"#, #""\u0074amarack""#,
  ])
  func everyFormOfAudience(_ audience: String) throws {
    _ = try Sample.verify(try SigningKey.p256.token(claims: ["aud": audience]))
  }

  @Test(arguments: [
    ("scope", #"["tamarack"]"#), ("scope", #""tamarack""#), ("scope", #""openid tamarack""#),
    ("scope", #"["openid","tamarack"]"#), ("scp", #"["tamarack"]"#), ("scp", #""tamarack x""#),
  ])
  func everyFormOfScope(_ claim: String, _ text: String) throws {
    var changes: [String: String?] = ["scope": nil]
    changes[claim] = text
    let claims = try Sample.verify(try SigningKey.p256.token(claims: changes), grantedScope: ["ignored"])
    #expect(claims.scopes.contains("tamarack"))
  }

  @Test func withoutScopeClaimTheResponseCounts() throws {
    let token = try SigningKey.p256.token(claims: ["scope": nil])
    #expect(try Sample.verify(token, grantedScope: ["tamarack", "x"]).scopes == ["tamarack", "x"])
    // RFC 6749 section 5.1: a response without scope grants what was asked for.
    #expect(try Sample.verify(token, grantedScope: nil).scopes == ["tamarack"])
    #expect(Sample.refusal(token, grantedScope: ["x"])?.reason == .scope(missing: ["tamarack"]))
    #expect(Sample.refusal(token, grantedScope: [])?.reason == .scope(missing: ["tamarack"]))
  }

  @Test(arguments: ["nbf", "iat", "client_id", "sub", "jti", "scope"])
  func optionalClaimsMayBeMissing(_ claim: String) throws {
    _ = try Sample.verify(try SigningKey.p256.token(claims: [claim: nil]))
  }

  @Test func fractionsOfSecondsAreCutOff() throws {
    let claims = try Sample.verify(
      try SigningKey.p256.token(claims: ["exp": "\(Sample.now + 9).9", "iat": "1.8e9", "nbf": nil]))
    #expect(claims.expiry == Sample.now + 9)
    #expect(claims.lifetime == .seconds(9))
  }

  @Test func aTokenHeldAsSecret() throws {
    let claims = try AccessTokenVerifier.verify(
      token: Secret(try SigningKey.p256.token()), keys: Sample.keys, policy: Sample.policy, grantedScope: nil,
      unixTime: Double(Sample.now))
    #expect(claims.keyID == "p256")
  }
}
