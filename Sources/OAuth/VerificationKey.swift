import JWTKit

/// A public key made ready for jwt-kit. There is a case for each kind that an allowed algorithm can use.
enum VerificationKey: Sendable {
  case rsa(Insecure.RSA.PublicKey)
  case p256(ES256PublicKey)
  case p384(ES384PublicKey)
  case p521(ES512PublicKey)
  case ed25519(EdDSA.PublicKey)

  /// Whether `algorithm` works with keys of this kind.
  func fits(_ algorithm: SignatureAlgorithm) -> Bool {
    switch (self, algorithm) {
    case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512): true
    case (.p256, .es256), (.p384, .es384), (.p521, .es512), (.ed25519, .edDSA): true
    default: false
    }
  }

  /// Whether `signature` is this key's over `signedBytes`, by exactly this algorithm.
  ///
  /// jwt-kit's `verify(_:as:)` picks the key by the token's own header, falls back to a default key, and decodes anew what we have
  /// read strictly. So each try gets a collection of its one key, and that key's verification is called with the received bytes.
  func verifies(_ signature: [UInt8], over signedBytes: ArraySlice<UInt8>, by algorithm: SignatureAlgorithm) async
    -> Bool
  {
    let keys = JWTKeyCollection()
    switch (self, algorithm) {
    case (.rsa(let key), .rs256): await keys.add(rsa: key, digestAlgorithm: .sha256)
    case (.rsa(let key), .rs384): await keys.add(rsa: key, digestAlgorithm: .sha384)
    case (.rsa(let key), .rs512): await keys.add(rsa: key, digestAlgorithm: .sha512)
    case (.rsa(let key), .ps256): await keys.add(pss: key, digestAlgorithm: .sha256)
    case (.rsa(let key), .ps384): await keys.add(pss: key, digestAlgorithm: .sha384)
    case (.rsa(let key), .ps512): await keys.add(pss: key, digestAlgorithm: .sha512)
    case (.p256(let key), .es256): await keys.add(ecdsa: key)
    case (.p384(let key), .es384): await keys.add(ecdsa: key)
    case (.p521(let key), .es512): await keys.add(ecdsa: key)
    case (.ed25519(let key), .edDSA): await keys.add(eddsa: key)
    default: return false
    }
    // An error here means a signature that is impossible for the key, such as one of the wrong length.
    guard let verifier = try? await keys.getKey(), verifier.name == algorithm.rawValue else { return false }
    return (try? verifier.verify(signature, signs: signedBytes)) ?? false
  }
}
