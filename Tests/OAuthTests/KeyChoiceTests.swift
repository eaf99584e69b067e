import Crypto
import Testing

/// Which of the issuer's keys a token is verified with.
@Suite struct KeyChoiceTests {
  @Test func keysOfOneKidAreEachTried() throws {
    let keys = try Sample.keySet([
      SigningKey.stranger.jwk(["kid": #""same""#]), SigningKey.p256.jwk(["kid": #""same""#]),
      SigningKey.rsa.jwk(["kid": #""same""#]),
    ])
    let header: [String: String?] = ["kid": #""same""#]
    for key in [SigningKey.stranger, .p256, .rsa] { _ = try Sample.verify(key.token(header: header), keys: keys) }
    #expect(Sample.refusal(try SigningKey.rsa4096.token(header: header), keys: keys)?.reason == .signature)
    #expect(Sample.refusal(try SigningKey.p384.token(header: header), keys: keys)?.reason == .keyMismatch("same"))
  }

  @Test func aTokenWithoutKidIsTriedWithAllThatFit() throws {
    for key in [SigningKey.rsa, .rsa4096, .p521] {
      _ = try Sample.verify(key.token(header: ["kid": nil]))
      _ = try Sample.verify(key.token(header: ["kid": "null"]))
    }
    let keys = try Sample.keySet([SigningKey.rsa.jwk()])
    #expect(
      Sample.refusal(try SigningKey.p256.token(header: ["kid": nil]), keys: keys)?.reason == .unknownKey(nil))
  }

  @Test func keysWithoutKidServeTokensWithOne() throws {
    let keys = try Sample.keySet([SigningKey.rsa.jwk(["kid": nil]), SigningKey.p256.jwk()])
    _ = try Sample.verify(SigningKey.rsa.token(), keys: keys)
    _ = try Sample.verify(SigningKey.p256.token(), keys: keys)
    // A kid that names a key does not lead to another.
    let header: [String: String?] = ["kid": #""p256""#]
    #expect(Sample.refusal(try SigningKey.rsa.token(header: header), keys: keys)?.reason == .keyMismatch("p256"))
  }

  @Test func notMoreThanTenKeysAreTried() throws {
    let strangers = (0..<10).map { _ in SigningKey(material: .ed25519(.init()), kid: "x", algorithm: "EdDSA") }
    let token = try SigningKey.ed25519.token(header: ["kid": nil])
    let nine = try Sample.keySet(strangers.dropLast().map { try $0.jwk() } + [SigningKey.ed25519.jwk()])
    _ = try Sample.verify(token, keys: nine)
    let ten = try Sample.keySet(strangers.map { try $0.jwk() } + [SigningKey.ed25519.jwk()])
    #expect(Sample.refusal(token, keys: ten)?.reason == .signature)
  }

  @Test(arguments: [("alg", #""RS256""#), ("use", #""sig""#), ("key_ops", #"["verify"]"#), ("x5c", #"["MIIB"]"#)])
  func membersThatDoNoHarm(_ name: String, _ value: String) throws {
    let keys = try Sample.keySet([SigningKey.rsa.jwk([name: value])])
    _ = try Sample.verify(SigningKey.rsa.token(), keys: keys)
  }

  @Test func aKeyIsForItsOwnAlgorithmOnly() throws {
    let keys = try Sample.keySet([SigningKey.rsa.jwk(["alg": #""RS256""#])])
    let token = try SigningKey.rsa.signing(by: "PS256").token()
    #expect(Sample.refusal(token, keys: keys)?.reason == .keyMismatch(SigningKey.rsa.kid))
  }

  @Test(arguments: ["EdDSA", "Ed25519"]) func bothNamesOfEd25519(_ name: String) throws {
    let keys = try Sample.keySet([SigningKey.ed25519.jwk(["alg": "\"\(name)\""])])
    for algorithm in ["EdDSA", "Ed25519"] {
      _ = try Sample.verify(SigningKey.ed25519.signing(by: algorithm).token(), keys: keys)
    }
  }
}
