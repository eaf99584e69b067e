import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Base
@testable import OAuth

@Suite struct ClientAssertionKeyTests {
  struct Key: Sendable, CustomTestStringConvertible {
    let form: String
    let pem: String
    let signing: SigningKey
    var testDescription: String { form }
  }

  static let keys: [Key] = [SigningKey.rsa, .p256, .p384, .p521, .ed25519].flatMap { (signing: SigningKey) -> [Key] in
    switch signing.material {
    case .rsa(let key):
      [
        Key(form: "RSA, PKCS#1", pem: key.pemRepresentation, signing: signing),
        Key(form: "RSA, PKCS#8", pem: key.pkcs8PEMRepresentation, signing: signing),
      ]
    case .p256(let key):
      [
        Key(form: "P-256, PKCS#8", pem: key.pemRepresentation, signing: signing),
        Key(form: "P-256, SEC1", pem: sec1(key), signing: signing),
      ]
    case .p384(let key): [Key(form: "P-384, PKCS#8", pem: key.pemRepresentation, signing: signing)]
    case .p521(let key): [Key(form: "P-521, PKCS#8", pem: key.pemRepresentation, signing: signing)]
    case .ed25519(let key): [Key(form: "Ed25519, PKCS#8", pem: key.pemRepresentation, signing: signing)]
    }
  }

  /// The key in SEC1's form (RFC 5915), as `openssl ecparam -genkey` writes it.
  private static func sec1(_ key: P256.Signing.PrivateKey) -> String {
    let curve: [UInt8] = [0xA0, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]
    let der =
      [0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20] + Array(key.rawRepresentation) + curve
      + [0xA1, 0x44, 0x03, 0x42, 0x00] + Array(key.publicKey.x963Representation)
    return "-----BEGIN EC PRIVATE KEY-----\n\(Data(der).base64EncodedString(options: .lineLength64Characters))\n"
      + "-----END EC PRIVATE KEY-----\n"
  }

  /// The assertion is checked by the same verifier as access tokens: it is a JWT whose issuer is the client.
  private func check(_ key: ClientAssertionKey, signing: SigningKey) throws {
    let first = try key.assertion(clientID: "me \u{E9}", audience: "https://as/token", unixTime: 1_800_000_000.9)
    let second = try key.assertion(clientID: "me \u{E9}", audience: "https://as/token", unixTime: 1_800_000_000.9)
    let keys = try Sample.keySet([signing.jwk(["kid": nil])])
    let policy = AccessTokenPolicy(
      issuer: "me \u{E9}", audience: ["https://as/token"], clientID: "", scopes: [], leeway: .zero)
    var identifiers: [String?] = []
    for assertion in [first, second] {
      let claims = try AccessTokenVerifier.verify(
        token: assertion, keys: keys, policy: policy, grantedScope: nil, unixTime: 1_800_000_000)
      #expect(claims.subject == "me \u{E9}")
      #expect(claims.issuedAt == 1_800_000_000)
      #expect(claims.expiry == 1_800_000_060)
      #expect(claims.algorithm == key.algorithm)
      #expect(claims.keyID == key.keyID)
      #expect(claims.type == "JWT")
      identifiers.append(claims.tokenID)
    }
    #expect(identifiers[0] != identifiers[1])
    #expect(identifiers.allSatisfy { $0?.utf8.count == 22 }, "128 bits")
  }

  @Test(arguments: keys) func signs(_ key: Key) throws {
    let assertionKey = try ClientAssertionKey(pem: Secret(key.pem), keyID: "k1")
    #expect(assertionKey.algorithm.rawValue == key.signing.algorithm, "the default")
    try check(assertionKey, signing: key.signing)
  }

  @Test(arguments: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
  func everyAlgorithmOfRSA(_ name: String) throws {
    let algorithm = try #require(SignatureAlgorithm(name: name))
    let key = try ClientAssertionKey(pem: Secret(Self.keys[0].pem), algorithm: algorithm)
    try check(key, signing: SigningKey.rsa)
  }

  /// As `openssl ecparam -genkey` and Windows editors leave it.
  @Test func passesOverWhatStandsRoundTheKey() throws {
    let pem = Self.keys[2].pem.replacing("\n", with: "\r\n")
    let text =
      "Bag Attributes\r\n-----BEGIN EC PARAMETERS-----\r\nBggqhkjOPQMBBw==\r\n-----END EC PARAMETERS-----\r\n\(pem)\r\n"
    try check(ClientAssertionKey(pem: Secret(text)), signing: .p256)
  }

  @Test(arguments: [
    ("", ClientAssertionFailure.Reason.notAPrivateKey), ("secret", .notAPrivateKey),
    ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", .notAPrivateKey),
    ("-----BEGIN PRIVATE KEY-----\nAAAA\n", .notAPrivateKey),
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", .encrypted),
    (
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
        + "-----END RSA PRIVATE KEY-----",
      .encrypted
    ),
  ])
  func refusesWhatIsNoKey(_ text: String, _ reason: ClientAssertionFailure.Reason) throws {
    let failure = try #require(throws: ClientAssertionFailure.self) { try ClientAssertionKey(pem: Secret(text)) }
    #expect(failure.reason == reason)
    #expect(!failure.message.contains("AAAA"))
  }

  @Test func refusesAPublicKey() throws {
    guard case .p256(let key) = SigningKey.p256.material else {
      Issue.record("the sample key is of another type")
      return
    }
    let failure = try #require(throws: ClientAssertionFailure.self) {
      try ClientAssertionKey(pem: Secret(key.publicKey.pemRepresentation))
    }
    #expect(failure.reason == .notAPrivateKey)
  }

  @Test func refusesAnAlgorithmThatTheKeyHasNot() throws {
    let failure = try #require(throws: ClientAssertionFailure.self) {
      try ClientAssertionKey(pem: Secret(Self.keys[2].pem), algorithm: .rs256)
    }
    #expect(failure.reason == .algorithmMismatch)
    #expect(failure.message == "the private key is EC P-256, which cannot sign by RS256; it can by ES256")
  }

  @Test func printsNothingOfTheKey() throws {
    let key = try ClientAssertionKey(pem: Secret(Self.keys[2].pem), keyID: "k1")
    var dumped = ""
    dump(key, to: &dumped)
    #expect("\(key)" == "ES256 key \"k1\"")
    #expect(dumped == "- ES256 key \"k1\"\n")
  }
}
