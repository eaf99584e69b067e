import Base
import Cryptography
import FoundationEssentials

/// A public key of a JWKS (RFC 7517 section 4), with the members that verification needs. Private members are not read.
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

  /// Makes the key, or throws the reason why it cannot verify a token.
  func publicKey() throws(SkippedKey.Reason) -> PublicKey {
    if let use, use != "sig" { throw .notForSignatures }
    if let keyOps, !keyOps.contains("verify") { throw .notForSignatures }
    let key: PublicKey
    switch kty {
    case "RSA": key = try rsaKey()
    case "EC": key = try ellipticCurveKey()
    case "OKP": key = try octetKeyPair()
    default: throw .unsupportedType(kty.escapedForMessage)
    }
    if let alg {
      guard let algorithm = SignatureAlgorithm(name: alg), algorithm.scheme.keyType == key.type else {
        throw .unsupportedAlgorithm(alg.escapedForMessage)
      }
    }
    return key
  }

  private func rsaKey() throws(SkippedKey.Reason) -> PublicKey {
    let modulus = try Self.integer(n)
    let exponent = try Self.integer(e)
    let bits = Self.bitWidth(modulus)
    guard bits >= PublicKey.minimumModulusBits else { throw .weakModulus(bits: bits) }
    guard bits <= PublicKey.maximumModulusBits else { throw .giantModulus(bits: bits) }
    guard Self.bitWidth(exponent) <= PublicKey.maximumExponentBits else { throw .giantExponent }
    guard let key = PublicKey(modulus: modulus, exponent: exponent) else { throw .malformed }
    return key
  }

  private func ellipticCurveKey() throws(SkippedKey.Reason) -> PublicKey {
    guard let curve = Curve.allCases.first(where: { crv?.isExactly($0.rawValue) ?? false }) else {
      throw .unsupportedType("\(kty) \(crv ?? "without crv")".escapedForMessage)
    }
    guard let x = Self.coordinate(x, of: curve), let y = Self.coordinate(y, of: curve),
      let key = PublicKey(curve: curve, x: x, y: y)
    else { throw .malformed }
    return key
  }

  private func octetKeyPair() throws(SkippedKey.Reason) -> PublicKey {
    guard let crv, crv == "Ed25519" else {
      throw .unsupportedType("\(kty) \(crv ?? "without crv")".escapedForMessage)
    }
    guard let x = Self.octets(x), let key = PublicKey(ed25519: x) else { throw .malformed }
    return key
  }

  /// A coordinate at its full length (RFC 7518 section 6.2.1.2). Some servers omit leading zeros.
  private static func coordinate(_ text: String?, of curve: Curve) -> [UInt8]? {
    guard let bytes = octets(text), bytes.count <= curve.coordinateByteCount else { return nil }
    return Array(repeating: 0, count: curve.coordinateByteCount - bytes.count) + bytes
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

  /// Decodes base64url. Padding is accepted: some servers write it into their keys.
  private static func octets(_ text: String?) -> [UInt8]? {
    guard let text else { return nil }
    var characters = Array(text.utf8)[...]
    while characters.last == UInt8(ascii: "=") { characters.removeLast() }
    return Base64URL.decode(characters)
  }
}

/// A key of a JWKS that cannot verify a token. The other keys stay usable.
public struct SkippedKey: Hashable, Sendable, CustomStringConvertible {
  /// The reasons to skip a key.
  public enum Reason: Error, Hashable, Sendable {
    /// Not an object with a `kty`, or one of its numbers is missing or impossible.
    case malformed
    /// It contains a member twice. Readers can use either of the two (RFC 7517, 4).
    case duplicateMember
    /// A `kty` or `crv` that no allowed algorithm uses.
    case unsupportedType(String)
    /// Its `alg` is not on the allow-list or does not fit its `kty`.
    case unsupportedAlgorithm(String)
    /// `use` is not `sig`, or `key_ops` lacks `verify`.
    case notForSignatures
    /// An RSA modulus shorter than 2048 bits.
    case weakModulus(bits: Int)
    /// An RSA modulus longer than 8192 bits.
    case giantModulus(bits: Int)
    /// An RSA exponent longer than 33 bits.
    case giantExponent
  }

  /// Its index in `keys`.
  public let index: Int
  /// The reason.
  public let reason: Reason

  /// A description such as `key 2: RSA key of 1024 bits, at least 2048 are needed`.
  public var description: String {
    let problem =
      switch reason {
      case .malformed: "malformed"
      case .duplicateMember: "a member comes twice"
      case .unsupportedType(let type): "type \"\(type)\" is not supported"
      case .unsupportedAlgorithm(let algorithm): "alg \"\(algorithm)\" is not supported for this key"
      case .notForSignatures: "not meant for verifying signatures"
      case .weakModulus(let bits): "RSA key of \(bits) bits, at least \(PublicKey.minimumModulusBits) are needed"
      case .giantModulus(let bits): "RSA key of \(bits) bits, at most \(PublicKey.maximumModulusBits) are taken"
      case .giantExponent: "RSA exponent longer than \(PublicKey.maximumExponentBits) bits"
      }
    return "key \(index): \(problem)"
  }
}
