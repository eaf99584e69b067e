import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Base
@testable import OAuth

/// JWKS documents as servers publish them, and as an attacker would.
@Suite struct KeySetTests {
  struct OddKey: Sendable, CustomTestStringConvertible {
    let name: String
    let jwk: @Sendable () throws -> String
    let reason: SkippedKey.Reason
    init(_ name: String, _ reason: SkippedKey.Reason, _ jwk: @escaping @Sendable () throws -> String) {
      self.name = name
      self.jwk = jwk
      self.reason = reason
    }
    var testDescription: String { name }
  }

  private static func rsa(modulusBytes: Int, last: UInt8 = 0xFF, exponent: String = "AQAB") -> String {
    let modulus = [0xC0] + Array(repeating: 0x5A, count: modulusBytes - 2) + [last]
    return #"{"kty":"RSA","n":"\#(Base64URL.encode(modulus))","e":"\#(exponent)"}"#
  }

  private static let wholeKeys: [OddKey] = [
    OddKey("a number", .malformed) { "1" },
    OddKey("null", .malformed) { "null" },
    OddKey("an array", .malformed) { "[]" },
    OddKey("an empty object", .malformed) { "{}" },
    OddKey("kty a number", .malformed) { #"{"kty":1}"# },
    OddKey("kid a number", .malformed) { try SigningKey.p256.jwk(["kid": "1"]) },
    OddKey("key_ops a string", .malformed) { try SigningKey.p256.jwk(["key_ops": #""verify""#]) },
    OddKey("unknown kty", .unsupportedType("AKP")) { #"{"kty":"AKP","alg":"ML-DSA-65","pub":"AAAA"}"# },
    OddKey("oct", .unsupportedType("oct")) { #"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"# },
    OddKey("kty that forges a log line", .unsupportedType("\\n\\u{1b}[2J")) { #"{"kty":"\n\u001b[2J"}"# },
    OddKey("for encryption", .notForSignatures) { try SigningKey.rsa.jwk(["use": #""enc""#]) },
    OddKey("for signing only", .notForSignatures) { try SigningKey.rsa.jwk(["key_ops": #"["sign"]"#]) },
    OddKey("for nothing", .notForSignatures) { try SigningKey.rsa.jwk(["key_ops": "[]"]) },
    OddKey("RSA for RSA-OAEP", .unsupportedAlgorithm("RSA-OAEP")) { try SigningKey.rsa.jwk(["alg": #""RSA-OAEP""#]) },
    OddKey("RSA for HS256", .unsupportedAlgorithm("HS256")) { try SigningKey.rsa.jwk(["alg": #""HS256""#]) },
    OddKey("RSA for none", .unsupportedAlgorithm("none")) { try SigningKey.rsa.jwk(["alg": #""none""#]) },
    OddKey("RSA for ES256", .unsupportedAlgorithm("ES256")) { try SigningKey.rsa.jwk(["alg": #""ES256""#]) },
    OddKey("P-256 for ES384", .unsupportedAlgorithm("ES384")) { try SigningKey.p256.jwk(["alg": #""ES384""#]) },
  ]

  private static let doubled: [OddKey] = [
    OddKey("kty twice", .duplicateMember) { #"{"kty":"oct",\#(try SigningKey.p256.jwk().dropFirst())"# },
    OddKey("x twice, once escaped", .duplicateMember) {
      #"{"\u0078":"AAAA",\#(try SigningKey.p256.jwk().dropFirst())"#
    },
    OddKey("a member of a member twice", .duplicateMember) {
      try SigningKey.p256.jwk(["more": #"{"a":1,"a":2}"#])
    },
  ]

  private static let rsaKeys: [OddKey] = [
    OddKey("RSA without n", .malformed) { try SigningKey.rsa.jwk(["n": nil]) },
    OddKey("RSA without e", .malformed) { try SigningKey.rsa.jwk(["e": nil]) },
    OddKey("RSA with n a number", .malformed) { try SigningKey.rsa.jwk(["n": "65537"]) },
    OddKey("RSA with n in base64", .malformed) { try SigningKey.rsa.jwk(["n": #""+/+/""#]) },
    OddKey("RSA with n = 0", .malformed) { try SigningKey.rsa.jwk(["n": #""AAAA""#]) },
    OddKey("RSA with n empty", .malformed) { try SigningKey.rsa.jwk(["n": #""""#]) },
    OddKey("RSA with n even", .malformed) { rsa(modulusBytes: 256, last: 0xFE) },
    OddKey("RSA of 1024 bits", .weakModulus(bits: 1024)) { rsa(modulusBytes: 128) },
    OddKey("RSA of 2040 bits", .weakModulus(bits: 2040)) { rsa(modulusBytes: 255) },
    OddKey("RSA of 2040 bits, made to look longer", .weakModulus(bits: 2040)) {
      let modulus: [UInt8] = [0, 0, 0, 0xC0] + Array(repeating: 0xFF, count: 254)
      return #"{"kty":"RSA","n":"\#(Base64URL.encode(modulus))","e":"AQAB"}"#
    },
    OddKey("RSA of 8200 bits", .giantModulus(bits: 8200)) { rsa(modulusBytes: 1025) },
    OddKey("RSA of 800,000 bits", .giantModulus(bits: 800_000)) { rsa(modulusBytes: 100_000) },
    OddKey("RSA with e of 34 bits", .giantExponent) { rsa(modulusBytes: 256, exponent: "AgAAAAE") },
    OddKey("RSA with e as long as n", .giantExponent) {
      rsa(modulusBytes: 256, exponent: Base64URL.encode(Array(repeating: 0xFF as UInt8, count: 256)))
    },
    OddKey("RSA with e = 0", .malformed) { rsa(modulusBytes: 256, exponent: "AA") },
    OddKey("RSA with e = 1", .malformed) { rsa(modulusBytes: 256, exponent: "AQ") },
    OddKey("RSA with e = 2", .malformed) { rsa(modulusBytes: 256, exponent: "Ag") },
  ]

  private static let curveKeys: [OddKey] = [
    OddKey("EC without y", .malformed) { try SigningKey.p256.jwk(["y": nil]) },
    OddKey("EC with x and y of zeros", .malformed) {
      let zeros = "\"\(Base64URL.encode(Array(repeating: 0 as UInt8, count: 32)))\""
      return try SigningKey.p256.jwk(["x": zeros, "y": zeros])
    },
    OddKey("EC with a point off its curve", .malformed) { try SigningKey.p256.jwk(["y": #""AAAA""#]) },
    OddKey("EC with a point of another curve", .malformed) { try SigningKey.p384.jwk(["crv": #""P-256""#]) },
    OddKey("EC on secp256k1", .unsupportedType("EC secp256k1")) { try SigningKey.p256.jwk(["crv": #""secp256k1""#]) },
    OddKey("EC without crv", .unsupportedType("EC without crv")) { try SigningKey.p256.jwk(["crv": nil]) },
    OddKey("OKP on X25519", .unsupportedType("OKP X25519")) { try SigningKey.ed25519.jwk(["crv": #""X25519""#]) },
    OddKey("OKP on Ed448", .unsupportedType("OKP Ed448")) { try SigningKey.ed25519.jwk(["crv": #""Ed448""#]) },
    OddKey("Ed25519 of 31 bytes", .malformed) {
      try SigningKey.ed25519.jwk(["x": "\"\(Base64URL.encode(Array(repeating: 1 as UInt8, count: 31)))\""])
    },
  ]

  @Test(arguments: wholeKeys + doubled + rsaKeys + curveKeys) func anOddKeyIsPassedOver(_ odd: OddKey) throws {
    let keys = try Sample.keySet([odd.jwk(), SigningKey.p384.jwk(), odd.jwk()])
    #expect(keys.count == 1)
    #expect(keys.skipped == [SkippedKey(index: 0, reason: odd.reason), SkippedKey(index: 2, reason: odd.reason)])
    for key in keys.skipped { #expect(key.description.utf8.allSatisfy { (0x20...0x7E).contains($0) }) }
    _ = try Sample.verify(SigningKey.p384.token(), keys: keys)
    #expect(throws: KeySetFailure.self) { try Sample.keySet([odd.jwk()]) }
    // What is refused as malformed, though it is a key by its type, is none for swift-crypto either.
    let jwk = try? JSONDecoder().decode(JSONWebKey.self, from: Data(try odd.jwk().utf8))
    if let jwk, odd.reason == .malformed { #expect(ReferenceVerdict.Key(jwk) == nil) }
  }

  static let noKeySets: [(String, KeySetFailure.Reason)] = [
    ("", .malformed), ("<html>502</html>", .malformed), ("[]", .malformed), ("{}", .malformed),
    (#"{"keys":null}"#, .malformed), (#"{"keys":{}}"#, .malformed), (#"{"keys":[{"kty":"RSA""#, .malformed),
    (#"{"keys":[]}"#, .noUsableKey), (#"{"keys":[1]}"#, .noUsableKey),
    (#"{"keys":"# + String(repeating: "[", count: 100_000), .malformed),
    (#"{"keys":["# + String(repeating: "[", count: 9000) + String(repeating: "]", count: 9000) + "]}", .malformed),
    (#"{"keys":[],"x":""# + String(repeating: "x", count: 1 << 20) + #""}"#, .oversized(bytes: 1_048_594)),
  ]

  @Test(arguments: noKeySets)
  func noKeySet(_ json: String, _ reason: KeySetFailure.Reason) {
    #expect { try KeySet(parsing: Array(json.utf8)) } throws: { ($0 as? KeySetFailure)?.reason == reason }
  }

  @Test func aByteOrderMarkIsPassedOver() throws {
    let keys = try KeySet(parsing: [0xEF, 0xBB, 0xBF] + Array(#"{"keys":[\#(try SigningKey.p256.jwk())]}"#.utf8))
    #expect(keys.count == 1)
  }

  @Test func keysTwiceAreNone() throws {
    let key = try SigningKey.p256.jwk()
    let failure = #expect(throws: KeySetFailure.self) {
      try KeySet(parsing: Array(#"{"keys":[\#(key)],"keys":[\#(key)]}"#.utf8))
    }
    #expect(failure?.reason == .malformed)
  }

  @Test func theMessageTellsWhatWasWrongWithTheKeys() throws {
    let weak = Self.rsa(modulusBytes: 128)
    let failure = try #require(throws: KeySetFailure.self) { try Sample.keySet([weak, #"{"kty":"oct"}"#]) }
    #expect(
      failure.message == "the JWKS holds no key that could verify a token: key 0: RSA key of 1024 bits, at least 2048 "
        + #"are needed; key 1: type "oct" is not supported"#)
  }

  @Test func notMoreThanAHundredKeysAreKept() throws {
    let keys = try Sample.keySet(Array(repeating: SigningKey.ed25519.jwk(), count: 150))
    #expect(keys.count == 100)
  }

  /// 100,000 entries in less than 1 MiB: only the first thousand are looked at.
  @Test func aBombOfKeys() throws {
    let key = try SigningKey.ed25519.jwk()
    var entries = Array(repeating: #"{"k":1}"#, count: 100_000)
    entries[999] = key
    let keys = try Sample.keySet(entries)
    #expect(keys.count == 1)
    #expect(keys.skipped.count == 10)
    entries.swapAt(999, 1000)
    #expect(throws: KeySetFailure.self) { try Sample.keySet(entries) }
  }

  @Test func coordinatesWithoutTheirLeadingZeros() throws {
    // One key of 256 begins with a zero byte.
    var key = P256.Signing.PrivateKey()
    while key.publicKey.rawRepresentation.first != 0 { key = P256.Signing.PrivateKey() }
    let signing = SigningKey(material: .p256(key), kid: "short", algorithm: "ES256")
    let x = key.publicKey.rawRepresentation.prefix(32).drop { $0 == 0 }
    let keys = try Sample.keySet([signing.jwk(["x": "\"\(Base64URL.encode(x))\""])])
    _ = try Sample.verify(signing.token(), keys: keys)
  }

  @Test func paddingAndLeadingZerosOfAModulus() throws {
    guard case .rsa(let key) = SigningKey.rsa.material else {
      Issue.record("the sample key is of another type")
      return
    }
    let modulus = Base64URL.encode([0] + Array(try key.publicKey.getKeyPrimitives().modulus))
    let padded = modulus + String(repeating: "=", count: (4 - modulus.utf8.count % 4) % 4)
    let keys = try Sample.keySet([SigningKey.rsa.jwk(["n": "\"\(padded)\""])])
    _ = try Sample.verify(SigningKey.rsa.token(), keys: keys)
  }

  @Test func isStoredAndReadAgain() throws {
    let keys = try Sample.keySet([
      #"{"kty":"oct","k":"c2VjcmV0"}"#,
      SigningKey.rsa.jwk(["d": #""c2VjcmV0""#, "x5c": #"["MIIB"]"#, "alg": #""RS256""#]),
      SigningKey.p256.jwk(["kid": nil]), SigningKey.ed25519.jwk(),
    ])
    let stored = try JSONEncoder().encode(["keys of the issuer": keys])
    #expect(!String(decoding: stored, as: UTF8.self).contains("c2VjcmV0"), "nothing private is stored")
    let read = try #require(try JSONDecoder().decode([String: KeySet].self, from: stored)["keys of the issuer"])
    #expect(read == keys)
    #expect(read.count == 3)
    #expect(read.skipped.isEmpty)
    for key in [SigningKey.rsa, .p256, .ed25519] { _ = try Sample.verify(key.token(), keys: read) }
    #expect(try KeySet(parsing: Array(try JSONEncoder().encode(keys))) == keys)
  }

  /// 2000 changes of a JWKS. A failure prints the seed; put it here to see it again.
  @Test(arguments: [UInt64.random(in: .min ... .max)]) func randomMutationsDoNotCrash(_ seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    let all: [SigningKey] = [.rsa, .p256, .p521, .ed25519]
    let valid = Array(#"{"keys":[\#(try all.map { try $0.jwk() }.joined(separator: ","))]}"#.utf8)
    let stranger = try SigningKey.stranger.token(header: ["kid": nil])
    for _ in 0..<2000 {
      var json = valid
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let index = Int.random(in: json.indices, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: json[index] = .random(in: .min ... .max, using: &generator)
        case 1: json.removeSubrange(index..<min(json.count, index + Int.random(in: 1...30, using: &generator)))
        default: json.insert(contentsOf: Array(#"{}[],:"\0"#.utf8).shuffled(using: &generator).prefix(2), at: index)
        }
        if json.isEmpty { json = valid }
      }
      guard let keys = try? KeySet(parsing: json) else { continue }
      #expect(Sample.refusal(stranger, keys: keys) != nil, "seed \(seed)")
    }
  }
}
