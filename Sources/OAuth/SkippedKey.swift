import Cryptography

/// A key of a JWKS that cannot verify a token, and why. It hinders none of the others.
public struct SkippedKey: Hashable, Sendable, CustomStringConvertible {
  /// Why a key is passed over.
  public enum Reason: Error, Hashable, Sendable {
    /// Not an object with a `kty`, or a number in it is missing or impossible.
    case malformed
    /// It has a member twice, of which readers may take either (RFC 7517, 4).
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

  /// Its place in `keys`, counted from 0.
  public let index: Int
  /// Why it is passed over.
  public let reason: Reason

  /// For a person, such as `key 2: RSA key of 1024 bits, at least 2048 are needed`.
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
