import Crypto
import CryptoExtras
import Testing
@testable import Base
@testable import Cryptography
@testable import OAuth

/// What swift-crypto says of a token's signature. Every token that the tests verify is shown to both implementations.
enum ReferenceVerdict {
  /// A public key of swift-crypto, made of the members of a JWK.
  enum Key {
    case rsa(_RSA.Signing.PublicKey)
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case p521(P521.Signing.PublicKey)
    case ed25519(Curve25519.Signing.PublicKey)

    /// Nil if swift-crypto refuses the key. The sizes that JWKs may have are ours, not swift-crypto's.
    init?(_ jwk: JSONWebKey) {
      func octets(_ text: String?, padded count: Int = 0) -> [UInt8]? {
        guard let text else { return nil }
        guard let bytes = Base64URL.decode(Array(text.utf8.prefix { $0 != UInt8(ascii: "=") })[...]) else { return nil }
        return Array(repeating: 0, count: max(0, count - bytes.count)) + bytes
      }
      func point(_ count: Int) -> [UInt8] {
        guard let x = octets(jwk.x, padded: count), let y = octets(jwk.y, padded: count) else { return [] }
        return x.count == count && y.count == count ? [4] + x + y : []
      }
      do {
        switch (jwk.kty, jwk.crv) {
        case ("RSA", _):
          guard let n = octets(jwk.n), let e = octets(jwk.e) else { return nil }
          self = .rsa(try .init(n: n, e: e))
        case ("EC", "P-256"): self = .p256(try .init(x963Representation: point(32)))
        case ("EC", "P-384"): self = .p384(try .init(x963Representation: point(48)))
        case ("EC", "P-521"): self = .p521(try .init(x963Representation: point(66)))
        case ("OKP", "Ed25519"): self = .ed25519(try .init(rawRepresentation: octets(jwk.x) ?? []))
        default: return nil
        }
      } catch { return nil }
    }

    func verifies(_ signature: [UInt8], over message: ArraySlice<UInt8>, by algorithm: SignatureAlgorithm) -> Bool {
      switch (self, algorithm) {
      case (.rsa(let key), .rs256), (.rsa(let key), .ps256):
        key.isValidSignature(
          .init(rawRepresentation: signature), for: Crypto.SHA256.hash(data: message), padding: algorithm.padding)
      case (.rsa(let key), .rs384), (.rsa(let key), .ps384):
        key.isValidSignature(
          .init(rawRepresentation: signature), for: SHA384.hash(data: message), padding: algorithm.padding)
      case (.rsa(let key), .rs512), (.rsa(let key), .ps512):
        key.isValidSignature(
          .init(rawRepresentation: signature), for: SHA512.hash(data: message), padding: algorithm.padding)
      case (.p256(let key), .es256):
        (try? P256.Signing.ECDSASignature(rawRepresentation: signature)).map {
          key.isValidSignature($0, for: Crypto.SHA256.hash(data: message))
        } ?? false
      case (.p384(let key), .es384):
        (try? P384.Signing.ECDSASignature(rawRepresentation: signature)).map {
          key.isValidSignature($0, for: SHA384.hash(data: message))
        } ?? false
      case (.p521(let key), .es512):
        (try? P521.Signing.ECDSASignature(rawRepresentation: signature)).map {
          key.isValidSignature($0, for: SHA512.hash(data: message))
        } ?? false
      case (.ed25519(let key), .edDSA): key.isValidSignature(signature, for: message)
      default: false
      }
    }
  }

  /// Expects the same verdict of both on the token's signature, for each key that its algorithm fits.
  static func expectAgreement(on token: [UInt8], keys: KeySet) {
    guard let token = try? CompactToken(token), let header = try? TokenHeader(json: token.header) else { return }
    for entry in keys.entries where entry.fits(header.algorithm) {
      let verdict = entry.key.verifies(token.signature, over: token.signedBytes, by: header.algorithm.scheme)
      let reference = Key(entry.source)?.verifies(token.signature, over: token.signedBytes, by: header.algorithm)
      #expect(verdict == reference, "\(header.algorithm) with key \(entry.source.kid ?? "without kid")")
    }
  }
}

extension SignatureAlgorithm {
  fileprivate var padding: _RSA.Signing.Padding { rawValue.hasPrefix("PS") ? .PSS : .insecurePKCS1v1_5 }
}
