import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Base
@testable import OAuth

/// A key pair made when the tests run. It signs any bytes, and it gives its public half as a JWK.
struct SigningKey: Sendable, CustomTestStringConvertible {
  enum Material: Sendable {
    case rsa(_RSA.Signing.PrivateKey)
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case p521(P521.Signing.PrivateKey)
    case ed25519(Curve25519.Signing.PrivateKey)
  }

  let material: Material
  let kid: String
  var algorithm: String

  var testDescription: String { "\(algorithm) with key \(kid)" }

  // Making RSA keys takes time: each is made once in a run.
  static let rsa = SigningKey(material: .rsa(generateRSA(bits: 2048)), kid: "7CEA7F9A5C01RS256", algorithm: "RS256")
  static let rsa4096 = SigningKey(material: .rsa(generateRSA(bits: 4096)), kid: "F00DRS256", algorithm: "RS256")
  static let stranger = SigningKey(material: .rsa(generateRSA(bits: 2048)), kid: "stranger", algorithm: "RS256")
  static let p256 = SigningKey(material: .p256(.init()), kid: "p256", algorithm: "ES256")
  static let p384 = SigningKey(material: .p384(.init()), kid: "p384", algorithm: "ES384")
  static let p521 = SigningKey(material: .p521(.init()), kid: "p521", algorithm: "ES512")
  static let ed25519 = SigningKey(material: .ed25519(.init()), kid: "ed25519", algorithm: "EdDSA")

  private static func generateRSA(bits: Int) -> _RSA.Signing.PrivateKey {
    do { return try .init(keySize: .init(bitCount: bits)) } catch { fatalError("RSA key generation: \(error)") }
  }

  /// This key, signing by another algorithm.
  func signing(by algorithm: String) -> SigningKey {
    SigningKey(material: material, kid: kid, algorithm: algorithm)
  }

  /// The members of the public JWK that make the key, with their JSON text.
  func members() throws -> [String: String] {
    func quoted(_ bytes: some Collection<UInt8>) -> String { "\"\(Base64URL.encode(bytes))\"" }
    func curve(_ name: String, _ point: Data) -> [String: String] {
      let half = point.count / 2
      return [
        "kty": #""EC""#, "crv": "\"\(name)\"", "x": quoted(point.prefix(half)), "y": quoted(point.suffix(half)),
      ]
    }
    switch material {
    case .rsa(let key):
      let primitives = try key.publicKey.getKeyPrimitives()
      return ["kty": #""RSA""#, "n": quoted(primitives.modulus), "e": quoted(primitives.publicExponent)]
    case .p256(let key): return curve("P-256", key.publicKey.rawRepresentation)
    case .p384(let key): return curve("P-384", key.publicKey.rawRepresentation)
    case .p521(let key): return curve("P-521", key.publicKey.rawRepresentation)
    case .ed25519(let key):
      return ["kty": #""OKP""#, "crv": #""Ed25519""#, "x": quoted(key.publicKey.rawRepresentation)]
    }
  }

  /// The public JWK. `changes` are members with their JSON text, or nil to leave one out.
  func jwk(_ changes: [String: String?] = [:]) throws -> String {
    var members = try members()
    members["kid"] = "\"\(kid)\""
    for (name, value) in changes { members[name] = value }
    return "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
  }

  /// The raw signature that JWS requires (RFC 7518 section 3).
  func signature(over bytes: [UInt8]) throws -> [UInt8] {
    switch material {
    case .rsa(let key):
      let padding: _RSA.Signing.Padding = algorithm.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5
      switch algorithm.suffix(3) {
      case "384": return Array(try key.signature(for: SHA384.hash(data: bytes), padding: padding).rawRepresentation)
      case "512": return Array(try key.signature(for: SHA512.hash(data: bytes), padding: padding).rawRepresentation)
      default: return Array(try key.signature(for: SHA256.hash(data: bytes), padding: padding).rawRepresentation)
      }
    case .p256(let key): return Array(try key.signature(for: SHA256.hash(data: bytes)).rawRepresentation)
    case .p384(let key): return Array(try key.signature(for: SHA384.hash(data: bytes)).rawRepresentation)
    case .p521(let key): return Array(try key.signature(for: SHA512.hash(data: bytes)).rawRepresentation)
    case .ed25519(let key): return Array(try key.signature(for: bytes))
    }
  }

  /// A token over exactly these bytes, which can be malformed.
  func token(header: [UInt8], claims: [UInt8]) throws -> [UInt8] {
    let signed = Array("\(Base64URL.encode(header)).\(Base64URL.encode(claims))".utf8)
    return signed + [UInt8(ascii: ".")] + Array(Base64URL.encode(try signature(over: signed)).utf8)
  }

  /// A token like the sample in Konexus' documentation. Changes are members with their JSON text, or nil to omit one.
  func token(header: [String: String?] = [:], claims: [String: String?] = [:]) throws -> [UInt8] {
    var headerMembers = ["alg": "\"\(algorithm)\"", "kid": "\"\(kid)\"", "typ": #""at+jwt""#, "x5t": #""fOp_mlwB0a""#]
    for (name, value) in header { headerMembers[name] = value }
    return try token(header: Array(json(headerMembers).utf8), claims: Array(Sample.claims(claims).utf8))
  }
}

/// A JSON object of these members, whose values are JSON texts.
func json(_ members: [String: String]) -> String {
  "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
}

/// The sample token of Konexus' documentation, and what is asked of it.
enum Sample {
  /// The point in time at which the tests verify.
  static let now: Int64 = 1_800_000_000
  static let policy = AccessTokenPolicy(
    issuer: "https://auth.alertsense.com", audience: ["tamarack"], clientID: "ext-1741-sample-client",
    scopes: ["tamarack"])

  /// The claims' JSON. Changes are members with their JSON text, or nil to leave one out.
  static func claims(_ changes: [String: String?] = [:]) -> String {
    var members = [
      "iss": #""https://auth.alertsense.com""#, "nbf": "\(now)", "iat": "\(now)", "exp": "\(now + 3600)",
      "aud": #""tamarack""#, "scope": #"["tamarack"]"#, "client_id": #""ext-1741-sample-client""#, "sub": #""1741""#,
      "tenantId": #""1741""#, "name": #""Sample""#, "admin": #""true""#, "jti": #""A2C5""#,
    ]
    for (name, value) in changes { members[name] = value }
    return json(members)
  }

  /// A key set of these JWKs.
  static func keySet(_ jwks: [String]) throws -> KeySet {
    try KeySet(parsing: Array(#"{"keys":[\#(jwks.joined(separator: ","))]}"#.utf8))
  }

  /// The issuer's keys, one of each kind.
  static let keys: KeySet = {
    do {
      let all: [SigningKey] = [.rsa, .rsa4096, .p256, .p384, .p521, .ed25519]
      return try keySet(all.map { try $0.jwk() })
    } catch { fatalError("\(error)") }
  }()

  /// Verifies with the sample's keys and policy by default.
  static func verify(
    _ token: [UInt8], keys: KeySet = keys, policy: AccessTokenPolicy = policy, grantedScope: [String]? = nil,
    at time: Int64 = now
  ) throws(VerificationFailure) -> AccessTokenClaims {
    ReferenceVerdict.expectAgreement(on: token, keys: keys)
    return try AccessTokenVerifier.verify(
      token: token, keys: keys, policy: policy, grantedScope: grantedScope, unixTime: Double(time))
  }

  /// Why the sample's keys and policy refuse it; nil if they do not.
  static func refusal(
    _ token: [UInt8], keys: KeySet = keys, policy: AccessTokenPolicy = policy, grantedScope: [String]? = nil,
    at time: Int64 = now
  ) -> VerificationFailure? {
    do {
      _ = try verify(token, keys: keys, policy: policy, grantedScope: grantedScope, at: time)
      return nil
    } catch { return error }
  }
}
