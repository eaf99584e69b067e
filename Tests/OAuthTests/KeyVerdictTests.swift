import Testing
@testable import Base
import HTTP
@testable import OAuth

/// Held tokens that are verified again, by the keys that their issuer has now.
@Suite struct KeyVerdictTests {
  private static let now = Double(Sample.now)

  private func held(_ bytes: [UInt8], grantedScope: [String]? = nil) throws -> VerifiedToken {
    let claims = try Sample.verify(bytes, grantedScope: grantedScope)
    return VerifiedToken(
      accessToken: Secret(bytes), claims: claims,
      requestedAt: Moment(boot: BootTime(seconds: 100), unix: Self.now - 30, monotonic: BootTime(seconds: 100)),
      lifetime: .seconds(3600), scope: claims.scopes, skew: .seconds(30),
      clientAuthentication: ClientAuthentication(.post),
      context: VerificationContext(
        metadata: ServerMetadata(issuer: Sample.policy.issuer, tokenEndpoint: "https://auth.alertsense.com/t"),
        keys: Sample.keys))
  }

  private func verdict(
    _ token: VerifiedToken, _ jwks: [String], policy: AccessTokenPolicy = Sample.policy, at time: Double = now
  ) throws -> KeyVerdict {
    token.verdict(by: try Sample.keySet(jwks), policy: policy, unixTime: time)
  }

  private func expectWithdrawn(_ verdict: KeyVerdict, _ reason: VerificationFailure.Reason) {
    guard case .keyWithdrawn(let failure) = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(failure.reason == reason)
  }

  @Test func theSameKeys() throws {
    let token = try held(try SigningKey.rsa.token())
    #expect(token.verdict(by: Sample.keys, policy: Sample.policy, unixTime: Self.now) == .valid)
    #expect(try verdict(token, [SigningKey.p256.jwk(), SigningKey.rsa.jwk()]) == .valid)
  }

  @Test func anAbsentKey() throws {
    let token = try held(try SigningKey.rsa.token())
    expectWithdrawn(
      try verdict(token, [SigningKey.p256.jwk(), SigningKey.rsa4096.jwk()]), .unknownKey(SigningKey.rsa.kid))
  }

  @Test func anotherKeyOfItsName() throws {
    let kid = "\"\(SigningKey.rsa.kid)\""
    let token = try held(try SigningKey.rsa.token())
    expectWithdrawn(try verdict(token, [SigningKey.stranger.jwk(["kid": kid])]), .signature)
    expectWithdrawn(try verdict(token, [SigningKey.p256.jwk(["kid": kid])]), .keyMismatch(SigningKey.rsa.kid))
    expectWithdrawn(
      try verdict(token, [SigningKey.rsa.jwk(["alg": #""PS256""#])]), .keyMismatch(SigningKey.rsa.kid))
    // Beside the right one of the same name, it does not matter.
    #expect(try verdict(token, [SigningKey.stranger.jwk(["kid": kid]), SigningKey.rsa.jwk()]) == .valid)
  }

  /// If these are the same as before, the signature is not computed again.
  @Test func sameCandidates() throws {
    let kid = "\"\(SigningKey.rsa.kid)\""
    func isSame(_ before: [String], _ now: [String], keyID: String? = SigningKey.rsa.kid) throws -> Bool {
      try Sample.keySet(now).hasSameCandidates(as: Sample.keySet(before), keyID: keyID, algorithm: .rs256)
    }
    let key = try SigningKey.rsa.jwk()
    let stranger = try SigningKey.stranger.jwk(["kid": kid])
    #expect(try isSame([key], [SigningKey.p256.jwk(), key]))
    #expect(try isSame([key, stranger], [key, stranger]))
    #expect(try !isSame([key], [stranger]))
    #expect(try !isSame([key], [key, stranger]))
    #expect(try !isSame([key], [SigningKey.rsa.jwk(["alg": #""PS256""#])]))
    #expect(try !isSame([key], [SigningKey.p256.jwk()]))
    #expect(try !isSame([SigningKey.p256.jwk()], [SigningKey.p256.jwk()]))
    #expect(try isSame([key], [key, SigningKey.p256.jwk()], keyID: nil))
    #expect(try !isSame([key], [key, SigningKey.rsa4096.jwk()], keyID: nil))
  }

  /// The token here has the signature of another one, which only a computation shows.
  @Test func theSignatureIsComputedUnlessTheSameKeysVerifiedIt() throws {
    let signature = try SigningKey.rsa.token(claims: ["scope": #""other""#]).split(separator: UInt8(ascii: ".")).last
    let parts = try SigningKey.rsa.token().split(separator: UInt8(ascii: ".")).dropLast()
    var token = try held(try SigningKey.rsa.token())
    token.accessToken = Secret(Array((parts + [try #require(signature)]).joined(separator: [UInt8(ascii: ".")])))
    #expect(token.verdict(by: Sample.keys, policy: Sample.policy, unixTime: Self.now) == .valid)
    token.context.keys = nil
    expectWithdrawn(token.verdict(by: Sample.keys, policy: Sample.policy, unixTime: Self.now), .signature)
    token.context.keys = try Sample.keySet([SigningKey.p256.jwk()])
    expectWithdrawn(token.verdict(by: Sample.keys, policy: Sample.policy, unixTime: Self.now), .signature)
  }

  /// Only the issuer's present keys count, whatever keys verified the token before.
  @Test func aForgedTokenIsWithdrawnIfItsKeysDiffer() throws {
    var token = try held(try SigningKey.rsa.token())
    token.accessToken = Secret(try SigningKey.stranger.token())
    token.context.keys = try Sample.keySet([SigningKey.stranger.jwk()])
    expectWithdrawn(try verdict(token, [SigningKey.rsa.jwk()]), .unknownKey(SigningKey.stranger.kid))
  }

  @Test func aTokenWithoutAKeyName() throws {
    let token = try held(try SigningKey.ed25519.token(header: ["kid": nil]))
    #expect(try verdict(token, [SigningKey.rsa.jwk(), SigningKey.ed25519.jwk()]) == .valid)
    expectWithdrawn(try verdict(token, [SigningKey.rsa.jwk()]), .unknownKey(nil))
    let other = SigningKey(material: .ed25519(.init()), kid: "other", algorithm: "EdDSA")
    expectWithdrawn(try verdict(token, [other.jwk()]), .signature)
  }

  @Test(
    "time alone is no reason to call a key withdrawn",
    arguments: [
      (3599.0, true), (3600, true), (3659, true), (3661, false), (1e9, false), (-59, true), (-61, false),
    ])
  func time(_ offset: Double, _ isValid: Bool) throws {
    let token = try held(try SigningKey.p256.token())
    let verdict = try verdict(token, [SigningKey.p256.jwk()], at: Self.now + offset)
    if isValid { return #expect(verdict == .valid) }
    guard case .other(let failure) = verdict else {
      Issue.record("\(verdict)")
      return
    }
    #expect(failure.isAboutTime)
    expectWithdrawn(try self.verdict(token, [SigningKey.rsa.jwk()], at: Self.now + offset), .unknownKey("p256"))
  }

  @Test func theWholePolicyCounts() throws {
    let token = try held(try SigningKey.p256.token())
    var policy = Sample.policy
    policy.scopes = ["content"]
    guard case .other(let failure) = try verdict(token, [SigningKey.p256.jwk()], policy: policy) else {
      Issue.record("accepted")
      return
    }
    #expect(failure.reason == .scope(missing: ["content"]))
  }

  @Test("the scopes of the token response count for a token without a scope claim")
  func grantedScope() throws {
    let token = try held(
      try SigningKey.p256.token(claims: ["scope": nil]), grantedScope: ["tamarack", "content"])
    var policy = Sample.policy
    policy.scopes = ["content"]
    #expect(try verdict(token, [SigningKey.p256.jwk()], policy: policy) == .valid)
    policy.scopes = ["elm"]
    guard case .other(let failure) = try verdict(token, [SigningKey.p256.jwk()], policy: policy) else {
      Issue.record("accepted")
      return
    }
    #expect(failure.reason == .scope(missing: ["elm"]))
  }

  @Test func theServersTime() throws {
    let token = try held(try SigningKey.p256.token())
    let later = Moment(boot: BootTime(seconds: 160), unix: 0, monotonic: BootTime(seconds: 110))
    #expect(token.serverTime(at: later) == Self.now + 60)
  }

  @Test func failures() throws {
    let token = try held(try SigningKey.rsa.token())
    guard case .keyWithdrawn(let failure) = try verdict(token, [SigningKey.p256.jwk()]) else {
      Issue.record("accepted")
      return
    }
    let withdrawn = AcquisitionFailure.keyWithdrawn(failure, issuer: "https://a.example")
    #expect(withdrawn.code == .keyWithdrawn && withdrawn.code.rawValue == "key-withdrawn")
    #expect(withdrawn.message.hasPrefix("the keys of https://a.example no longer verify the published token: "))
    #expect(!withdrawn.message.contains(token.accessToken.exposed.prefix(16)))
    #expect(AcquisitionFailure.tokenRevoked(issuer: "https://a.example").code.rawValue == "token-revoked")
    let transport = TransportSettings(caFile: "/etc/ca.pem", pinnedPublicKey: "sha256//AAAA")
    let rejection = AcquisitionFailure.apiRejection(
      of: "https://api.example/x", error: "invalid_token", transport: transport)
    // The pin is that of the authorization server.
    #expect(rejection.remedy.hasSuffix(": curl -i --cacert /etc/ca.pem https://api.example/x"))
    #expect(rejection.code.rawValue == "api-probe" && rejection.kind == .refused)
    #expect(rejection.message == "https://api.example/x answered 401 'invalid_token'")
  }

  @Test func aFingerprintIsOfTheKeysAlone() throws {
    let keys = [SigningKey.p256, .ed25519]
    let fingerprint = try Sample.keySet(keys.map { try $0.jwk() }).fingerprint
    #expect(fingerprint.utf8.count == 64)
    #expect(try Sample.keySet(keys.reversed().map { try $0.jwk() }).fingerprint == fingerprint)
    #expect(try Sample.keySet(keys.map { try $0.jwk(["x5t": #""AAAA""#]) } + ["{}"]).fingerprint == fingerprint)
    #expect(try Sample.keySet([SigningKey.p256.jwk()]).fingerprint != fingerprint)
    #expect(
      try Sample.keySet([SigningKey.p256.jwk(), SigningKey.ed25519.jwk(["kid": #""x""#])]).fingerprint != fingerprint)
  }
}
