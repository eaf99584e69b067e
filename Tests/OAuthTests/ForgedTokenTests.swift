import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
@testable import Base

/// Tokens that an attacker could make without the issuer's private key. Each must be refused, and for the right reason.
@Suite struct ForgedTokenTests {
  @Test(arguments: unsigned + hashed + keyConfusion + injected)
  func isRefused(_ forgery: Forgery) throws { try forgery.expectRefusal() }

  // MARK: none

  static let unsigned =
    ["none", "None", "NONE", "nOnE", "none ", "", "null", "n\u{F6}ne"].flatMap { alg in
      [
        Forgery("alg \(alg) with the true signature", .algorithmNotAllowed(alg.escapedForMessage)) {
          try SigningKey.rsa.token(header: ["alg": "\"\(alg)\""])
        },
        Forgery("alg \(alg) with one byte as signature", .algorithmNotAllowed(alg.escapedForMessage)) {
          try Forgery.replacing(part: 2, of: SigningKey.rsa.token(header: ["alg": "\"\(alg)\""]), with: [0])
        },
        Forgery("alg \(alg) without signature", .malformed) {
          try Forgery.replacing(part: 2, of: SigningKey.rsa.token(header: ["alg": "\"\(alg)\""]), with: [])
        },
      ]
    } + [
      Forgery("alg missing", .malformed) { try SigningKey.rsa.token(header: ["alg": nil]) },
      Forgery("alg null", .malformed) { try SigningKey.rsa.token(header: ["alg": "null"]) },
      Forgery("alg an array", .malformed) { try SigningKey.rsa.token(header: ["alg": #"["RS256"]"#]) },
      Forgery("alg in lower case", .algorithmNotAllowed("rs256")) {
        try SigningKey.rsa.token(header: ["alg": #""rs256""#])
      },
      Forgery("alg RS1", .algorithmNotAllowed("RS1")) { try SigningKey.rsa.token(header: ["alg": #""RS1""#]) },
      Forgery("alg ES256K", .algorithmNotAllowed("ES256K")) {
        try SigningKey.p256.token(header: ["alg": #""ES256K""#])
      },
      // U+212A: equal to K for Swift's ==, not for RFC 7515.
      Forgery("alg with a Kelvin sign", .algorithmNotAllowed("ES256\\u{212a}")) {
        try SigningKey.p256.token(header: ["alg": "\"ES256\u{212A}\""])
      },
    ]

  // MARK: HMAC with the public key as the secret

  private static let publicKeys: [(String, @Sendable () throws -> [UInt8])] = [
    ("PEM", { try Array(rsaPublicKey().pemRepresentation.utf8) }),
    ("PEM with a line feed", { try Array((rsaPublicKey().pemRepresentation + "\n").utf8) }),
    ("PKCS#1 PEM", { try Array(rsaPublicKey().pkcs1PEMRepresentation.utf8) }),
    ("DER", { try Array(rsaPublicKey().derRepresentation) }),
    ("JWK", { try Array(SigningKey.rsa.jwk().utf8) }),
    ("modulus", { try Array(rsaPublicKey().getKeyPrimitives().modulus) }),
    ("nothing", { [] }),
  ]

  static let hashed = publicKeys.flatMap { name, secret in
    [
      Forgery("HS256 with the public key's \(name)", .algorithmNotAllowed("HS256")) {
        try hashed(header: #"{"alg":"HS256","kid":"7CEA7F9A5C01RS256","typ":"at+jwt"}"#, secret: secret())
      },
      Forgery("RS256 whose signature is HS256 with the public key's \(name)", .signature) {
        try hashed(header: #"{"alg":"RS256","kid":"7CEA7F9A5C01RS256","typ":"at+jwt"}"#, secret: secret())
      },
    ]
  }

  // MARK: Keys

  static let keyConfusion = [
    Forgery("signed by a stranger under the issuer's kid", .signature) {
      try SigningKey.stranger.token(header: ["kid": #""7CEA7F9A5C01RS256""#])
    },
    Forgery("signed by a stranger under its own kid", .unknownKey("stranger")) { try SigningKey.stranger.token() },
    Forgery("signed by a stranger without kid", .signature) { try SigningKey.stranger.token(header: ["kid": nil]) },
    Forgery("signed by another of the issuer's keys than kid says", .signature) {
      try SigningKey.rsa4096.token(header: ["kid": #""7CEA7F9A5C01RS256""#])
    },
    Forgery("kid of an EC key under RS256", .keyMismatch("p256")) {
      try SigningKey.rsa.token(header: ["kid": #""p256""#])
    },
    Forgery("kid of an RSA key under ES256", .keyMismatch("7CEA7F9A5C01RS256")) {
      try SigningKey.p256.token(header: ["kid": #""7CEA7F9A5C01RS256""#])
    },
    Forgery("kid of a P-384 key under ES256", .keyMismatch("p384")) {
      try SigningKey.p256.token(header: ["kid": #""p384""#])
    },
    Forgery("signed by PS256, said to be RS256", .signature) {
      try SigningKey.rsa.signing(by: "PS256").token(header: ["alg": #""RS256""#])
    },
    Forgery("signed by RS256, said to be PS256", .signature) {
      try SigningKey.rsa.token(header: ["alg": #""PS256""#])
    },
    Forgery("signed by RS256, said to be RS512", .signature) {
      try SigningKey.rsa.token(header: ["alg": #""RS512""#])
    },
    Forgery("kid in other case", .unknownKey("7cea7f9a5c01rs256")) {
      try SigningKey.rsa.token(header: ["kid": #""7cea7f9a5c01rs256""#])
    },
    Forgery("kid with a space", .unknownKey("p256 ")) { try SigningKey.p256.token(header: ["kid": #""p256 ""#]) },
    Forgery("kid empty", .unknownKey("")) { try SigningKey.p256.token(header: ["kid": #""""#]) },
    Forgery("kid a number", .malformed) { try SigningKey.p256.token(header: ["kid": "1"]) },
    Forgery("kid as a path", .unknownKey("../../../../dev/null")) {
      try SigningKey.p256.token(header: ["kid": #""../../../../dev/null""#])
    },
    Forgery("kid that forges a log line", .unknownKey("x\\nkonexus: all is well\\u{1b}[2J")) {
      try SigningKey.p256.token(header: ["kid": #""x\nkonexus: all is well\u001b[2J""#])
    },
    Forgery("kid of 10,000 letters", .unknownKey(String(repeating: "k", count: 64) + "...")) {
      try SigningKey.p256.token(header: ["kid": "\"\(String(repeating: "k", count: 10_000))\""])
    },
  ]

  private static let injections: [(String, @Sendable () throws -> String)] = [
    ("jwk", { try SigningKey.stranger.jwk() }),
    ("jku", { #""https://attacker.example/jwks.json""# }),
    ("x5u", { #""file:///tmp/attacker.pem""# }),
    ("x5c", { #"["MIIB"]"# }),
    ("x5t", { #""AAAA""# }),
  ]

  static let injected: [Forgery] = injections.flatMap { name, value in
    [
      Forgery("\(name) of a stranger under the issuer's kid", .signature) {
        try SigningKey.stranger.token(header: [name: value(), "kid": #""7CEA7F9A5C01RS256""#])
      },
      Forgery("\(name) of a stranger under its own kid", .unknownKey("stranger")) {
        try SigningKey.stranger.token(header: [name: value()])
      },
      Forgery("\(name) of a stranger without kid", .signature) {
        try SigningKey.stranger.token(header: [name: value(), "kid": nil])
      },
    ]
  }

  private static func rsaPublicKey() throws -> _RSA.Signing.PublicKey {
    guard case .rsa(let key) = SigningKey.rsa.material else { fatalError() }
    return key.publicKey
  }

  private static func hashed(header: String, secret: [UInt8]) throws -> [UInt8] {
    let signed = Array("\(Base64URL.encode(header.utf8)).\(Base64URL.encode(Sample.claims().utf8))".utf8)
    let code = HMAC<SHA256>.authenticationCode(for: signed, using: SymmetricKey(data: secret))
    return signed + Array(".\(Base64URL.encode(Array(code)))".utf8)
  }
}
