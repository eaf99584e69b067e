import Crypto
import FoundationEssentials
import Testing
@testable import OAuth

/// Tokens that the issuer's key signed, in part at least, and whose header, shape or signature is not as it must be.
@Suite struct MalformedTokenTests {
  @Test(arguments: header + shape + signatures)
  func isRefused(_ forgery: Forgery) throws { try forgery.expectRefusal() }

  // MARK: Header

  static let header = [
    Forgery("crit", .criticalHeader) { try SigningKey.rsa.token(header: ["crit": #"["exp"]"#, "exp": "1"]) },
    Forgery("crit empty", .criticalHeader) { try SigningKey.rsa.token(header: ["crit": "[]"]) },
    Forgery("crit null", .criticalHeader) { try SigningKey.rsa.token(header: ["crit": "null"]) },
    Forgery("crit with an escape", .criticalHeader) {
      try SigningKey.rsa.token(header: [#"\u0063rit"#: #"["b64"]"#, "b64": "true"])
    },
    Forgery("b64 false", .malformed) { try SigningKey.rsa.token(header: ["b64": "false"]) },
    Forgery("b64 null", .malformed) { try SigningKey.rsa.token(header: ["b64": "null"]) },
    Forgery("an ID token", .typeMismatch) { try SigningKey.rsa.token(header: ["typ": #""id_token+jwt""#]) },
    Forgery("a logout token", .typeMismatch) { try SigningKey.rsa.token(header: ["typ": #""logout+jwt""#]) },
    Forgery("a DPoP proof", .typeMismatch) { try SigningKey.rsa.token(header: ["typ": #""dpop+jwt""#]) },
    Forgery("typ empty", .typeMismatch) { try SigningKey.rsa.token(header: ["typ": #""""#]) },
    Forgery("typ with a Kelvin sign for a letter", .typeMismatch) {
      try SigningKey.rsa.token(header: ["typ": "\"JW\u{FF34}\""])
    },
    Forgery("typ a number", .malformed) { try SigningKey.rsa.token(header: ["typ": "1"]) },
    Forgery("alg twice", .duplicateMember("alg")) {
      try raw(header: #"{"alg":"RS256","alg":"none","kid":"7CEA7F9A5C01RS256"}"#)
    },
    Forgery("alg twice, once escaped", .duplicateMember("alg")) {
      try raw(header: #"{"alg":"RS256","\u0061lg":"none","kid":"7CEA7F9A5C01RS256"}"#)
    },
    Forgery("kid twice", .duplicateMember("kid")) {
      try raw(header: #"{"alg":"RS256","kid":"7CEA7F9A5C01RS256","kid":"7CEA7F9A5C01RS256"}"#)
    },
    Forgery("an unknown member twice", .duplicateMember("\\u{0}x")) {
      try raw(header: #"{"alg":"RS256","\u0000x":1,"kid":"7CEA7F9A5C01RS256","\u0000x":1}"#)
    },
    Forgery("a member twice within jwk", .duplicateMember("n")) {
      try raw(header: #"{"alg":"RS256","jwk":{"n":"","\u006E":""},"kid":"7CEA7F9A5C01RS256"}"#)
    },
    Forgery("header with a comma at the end", .malformed) { try raw(header: #"{"alg":"RS256",}"#) },
    Forgery("header with a comment", .malformed) { try raw(header: #"{"alg":"RS256"/**/}"#) },
    Forgery("header with something after it", .malformed) { try raw(header: #"{"alg":"RS256"}{}"#) },
    Forgery("header an array", .malformed) { try raw(header: #"["RS256"]"#) },
    Forgery("header a string", .malformed) { try raw(header: #""RS256""#) },
    Forgery("header empty object", .malformed) { try raw(header: "{}") },
    Forgery("header in UTF-16", .malformed) {
      try SigningKey.rsa.token(header: #"{"alg":"RS256"}"#.utf8.flatMap { [$0, 0] }, claims: Array("{}".utf8))
    },
    Forgery("header with a byte order mark", .malformed) { try raw(header: "\u{FEFF}" + #"{"alg":"RS256"}"#) },
    Forgery("header not UTF-8", .malformed) {
      try SigningKey.rsa.token(
        header: Array(#"{"alg":"RS256","x":""#.utf8) + [0xC0, 0x80] + Array(#""}"#.utf8), claims: Array("{}".utf8))
    },
    Forgery("header with a lone surrogate", .malformed) { try raw(header: #"{"alg":"RS256","\uD800":1}"#) },
    Forgery("header with 40,000 brackets", .malformed) {
      try raw(header: #"{"alg":"RS256","x":"# + String(repeating: "[", count: 40_000))
    },
    Forgery("header with 15,000 closed objects in each other", .malformed) {
      try raw(header: String(repeating: #"{"":"#, count: 8000) + "1" + String(repeating: "}", count: 8000))
    },
  ]

  // MARK: Shape

  static let shape = [
    Forgery("empty", .malformed) { [] },
    Forgery("two dots", .malformed) { Array("..".utf8) },
    Forgery("an opaque token", .malformed) { Array("2YotnFZFEjr1zCsicMWpAA".utf8) },
    Forgery("an HTML page", .malformed) { Array("<html><body>502 Bad Gateway.</body></html>".utf8) },
    Forgery("header empty", .malformed) { try Forgery.replacing(part: 0, of: SigningKey.rsa.token(), with: []) },
    Forgery("claims empty", .malformed) { try Forgery.replacing(part: 1, of: SigningKey.rsa.token(), with: []) },
    Forgery("a fourth part", .malformed) { try SigningKey.rsa.token() + Array(".e30".utf8) },
    Forgery("a dot at the end", .malformed) { try SigningKey.rsa.token() + Array(".".utf8) },
    Forgery("five parts: JWE", .malformed) { Array("e30.e30.e30.e30.e30".utf8) },
    Forgery("a space before", .malformed) { try Array(" ".utf8) + SigningKey.rsa.token() },
    Forgery("a line feed after", .malformed) { try SigningKey.rsa.token() + Array("\n".utf8) },
    Forgery("a zero byte after", .malformed) { try SigningKey.rsa.token() + [0] },
    Forgery("padding after the signature", .malformed) { try SigningKey.rsa.token() + Array("==".utf8) },
    Forgery("padding in the header", .malformed) {
      var parts = try SigningKey.rsa.token().split(separator: UInt8(ascii: ".")).map(Array.init)
      parts[0].append(UInt8(ascii: "="))
      return Array(parts.joined(separator: [UInt8(ascii: ".")]))
    },
    Forgery("Bearer before", .malformed) { try Array("Bearer ".utf8) + SigningKey.rsa.token() },
    Forgery("one byte longer than 64 KiB", .oversized(bytes: 65_537)) { Array(repeating: 0x41, count: 65_537) },
    Forgery("1 MiB, rightly signed", .oversized(bytes: oversized.count)) { oversized },
    Forgery("a JWT within a JWT", .malformed) {
      try SigningKey.rsa.token(
        header: Array(#"{"alg":"RS256","cty":"JWT","kid":"7CEA7F9A5C01RS256"}"#.utf8), claims: SigningKey.rsa.token())
    },
    Forgery("JWS in JSON form", .malformed) {
      let parts = try SigningKey.rsa.token().split(separator: UInt8(ascii: ".")).map {
        String(decoding: $0, as: UTF8.self)
      }
      return Array(#"{"protected":"\#(parts[0])","payload":"\#(parts[1])","signature":"\#(parts[2])"}"#.utf8)
    },
  ]

  private static let oversized: [UInt8] = {
    let claims = ["x": "\"\(String(repeating: "x", count: 1 << 20))\""]
    do { return try SigningKey.p256.token(claims: claims) } catch { fatalError("\(error)") }
  }()

  // MARK: Signatures

  static let signatures = [
    Forgery("signature of zeros", .signature) {
      try Forgery.replacing(part: 2, of: SigningKey.rsa.token(), with: Array(repeating: 0, count: 256))
    },
    Forgery("signature one byte short", .signature) { try Forgery.changingSignature(of: .rsa) { $0.dropLast() } },
    Forgery("signature with a zero before", .signature) { try Forgery.changingSignature(of: .rsa) { [0] + $0 } },
    Forgery("signature of 40,000 bytes", .signature) {
      try Forgery.changingSignature(of: .rsa) { _ in Array(repeating: 1, count: 40_000) }
    },
    Forgery("ES256 signature in DER", .signature) {
      try Forgery.changingSignature(of: .p256) {
        try Array(P256.Signing.ECDSASignature(rawRepresentation: $0).derRepresentation)
      }
    },
    Forgery("ES256 with r = s = 0", .signature) {
      try Forgery.changingSignature(of: .p256) { _ in Array(repeating: 0, count: 64) }
    },
    Forgery("ES512 with r = s = 0", .signature) {
      try Forgery.changingSignature(of: .p521) { _ in Array(repeating: 0, count: 132) }
    },
    Forgery("ES256 with r = s = the group's order", .signature) {
      let order: [UInt8] =
        [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0] + Array(repeating: 0xFF, count: 8)
        + [0xBC, 0xE6, 0xFA, 0xAD, 0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51]
      return try Forgery.changingSignature(of: .p256) { _ in order + order }
    },
    Forgery("Ed25519 signature of zeros", .signature) {
      try Forgery.changingSignature(of: .ed25519) { _ in Array(repeating: 0, count: 64) }
    },
    Forgery("another token's signature", .signature) {
      let other = try CompactToken(SigningKey.rsa.token(claims: ["jti": #""other""#]))
      return try Forgery.replacing(part: 2, of: SigningKey.rsa.token(), with: other.signature)
    },
  ]

  private static func raw(header: String) throws -> [UInt8] {
    try SigningKey.rsa.token(header: Array(header.utf8), claims: Array(Sample.claims().utf8))
  }
}
