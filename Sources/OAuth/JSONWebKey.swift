import Base
import FoundationEssentials
import JWTKit

/// A public key as a JWKS has it (RFC 7517 section 4), read down to the members that verification needs. Private members are not read.
struct JSONWebKey: Codable, Hashable, Sendable {
  var kty: String
  var kid: String?
  var alg: String?
  var use: String?
  var keyOps: [String]?
  var crv: String?
  var n: String?
  var e: String?
  var x: String?
  var y: String?

  private enum CodingKeys: String, CodingKey {
    case kty, kid, alg, use, crv, n, e, x, y
    case keyOps = "key_ops"
  }

  /// RSA keys shorter than this are too weak (RFC 7518 section 3.3).
  static let minimumModulusBits = 2048
  /// RSA keys longer than this cost more time than any real server asks for.
  static let maximumModulusBits = 8192
  /// RSA exponents longer than this are refused: the cost of a verification grows with them.
  static let maximumExponentBits = 33

  /// The key made ready, or why it cannot verify a token.
  func verificationKey() throws(SkippedKey.Reason) -> VerificationKey {
    if let use, use != "sig" { throw .notForSignatures }
    if let keyOps, !keyOps.contains("verify") { throw .notForSignatures }
    let key: VerificationKey
    switch kty {
    case "RSA": key = try rsaKey()
    case "EC": key = try ellipticCurveKey()
    case "OKP": key = try octetKeyPair()
    default: throw .unsupportedType(kty.escapedForMessage)
    }
    if let alg {
      guard let algorithm = SignatureAlgorithm(name: alg), key.fits(algorithm) else {
        throw .unsupportedAlgorithm(alg.escapedForMessage)
      }
    }
    return key
  }

  private func rsaKey() throws(SkippedKey.Reason) -> VerificationKey {
    let modulus = try Self.integer(n)
    let exponent = try Self.integer(e)
    let bits = Self.bitWidth(modulus)
    guard bits >= Self.minimumModulusBits else { throw .weakModulus(bits: bits) }
    guard bits <= Self.maximumModulusBits else { throw .giantModulus(bits: bits) }
    guard Self.bitWidth(exponent) <= Self.maximumExponentBits else { throw .giantExponent }
    guard
      let key = try? Insecure.RSA.PublicKey(modulus: Base64URL.encode(modulus), exponent: Base64URL.encode(exponent))
    else { throw .malformed }
    return .rsa(key)
  }

  private func ellipticCurveKey() throws(SkippedKey.Reason) -> VerificationKey {
    switch crv {
    case "P-256":
      let point = try point(coordinateBytes: 32)
      if let key = try? ES256PublicKey(parameters: point) { return .p256(key) }
    case "P-384":
      let point = try point(coordinateBytes: 48)
      if let key = try? ES384PublicKey(parameters: point) { return .p384(key) }
    case "P-521":
      let point = try point(coordinateBytes: 66)
      if let key = try? ES512PublicKey(parameters: point) { return .p521(key) }
    default: throw .unsupportedType("\(kty) \(crv ?? "without crv")".escapedForMessage)
    }
    throw .malformed
  }

  private func octetKeyPair() throws(SkippedKey.Reason) -> VerificationKey {
    guard let crv, crv == "Ed25519" else {
      throw .unsupportedType("\(kty) \(crv ?? "without crv")".escapedForMessage)
    }
    guard let x = Self.octets(x), x.count == 32,
      let key = try? EdDSA.PublicKey(x: Base64URL.encode(x), curve: .ed25519)
    else { throw .malformed }
    return .ed25519(key)
  }

  /// The coordinates at their full length (RFC 7518 section 6.2.1.2); some servers leave out leading zeros, which are put back.
  private func point(coordinateBytes: Int) throws(SkippedKey.Reason) -> ECDSAParameters {
    guard let x = Self.octets(x), let y = Self.octets(y), x.count <= coordinateBytes, y.count <= coordinateBytes else {
      throw .malformed
    }
    func padded(_ coordinate: [UInt8]) -> String {
      Base64URL.encode(Array(repeating: 0, count: coordinateBytes - coordinate.count) + coordinate)
    }
    return (padded(x), padded(y))
  }

  /// A positive number without its leading zeros (RFC 7518 section 2, Base64urlUInt).
  private static func integer(_ text: String?) throws(SkippedKey.Reason) -> ArraySlice<UInt8> {
    guard let bytes = octets(text) else { throw .malformed }
    let number = bytes.drop { $0 == 0 }
    guard !number.isEmpty else { throw .malformed }
    return number
  }

  private static func bitWidth(_ number: ArraySlice<UInt8>) -> Int {
    number.count * 8 - (number.first?.leadingZeroBitCount ?? 0)
  }

  /// Decoded bytes. Padding is put up with here: some servers write it into their keys, and nothing depends on its absence.
  private static func octets(_ text: String?) -> [UInt8]? {
    guard let text else { return nil }
    var characters = Array(text.utf8)[...]
    while characters.last == UInt8(ascii: "=") { characters.removeLast() }
    return Base64URL.decode(characters)
  }
}
