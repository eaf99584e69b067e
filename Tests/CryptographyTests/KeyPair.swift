import Crypto
import CryptoExtras
import Cryptography
import FoundationEssentials

/// A key pair of swift-crypto, and the same public key of libcrypto.
enum KeyPair: Sendable, CaseIterable, CustomStringConvertible {
  case rsa, p256, p384, p521, ed25519

  // Made once in a run.
  static let rsaKey = rsa(bits: 2048)
  static let p256Key = P256.Signing.PrivateKey()
  static let p384Key = P384.Signing.PrivateKey()
  static let p521Key = P521.Signing.PrivateKey()
  static let ed25519Key = Curve25519.Signing.PrivateKey()

  static func rsa(bits: Int) -> _RSA.Signing.PrivateKey {
    do { return try .init(keySize: .init(bitCount: bits)) } catch { fatalError("RSA key generation: \(error)") }
  }

  var description: String {
    switch self {
    case .rsa: "RSA"
    case .p256: "P-256"
    case .p384: "P-384"
    case .p521: "P-521"
    case .ed25519: "Ed25519"
    }
  }

  /// What the key signs by.
  var schemes: [SignatureScheme] {
    switch self {
    case .rsa: SignatureHash.allCases.flatMap { [.rsaPKCS1($0), .rsaPSS($0)] }
    case .p256: [.ecdsa(.p256)]
    case .p384: [.ecdsa(.p384)]
    case .p521: [.ecdsa(.p521)]
    case .ed25519: [.ed25519]
    }
  }

  /// The private number. Nil for RSA, which has several.
  var scalar: [UInt8]? {
    switch self {
    case .rsa: nil
    case .p256: Array(Self.p256Key.rawRepresentation)
    case .p384: Array(Self.p384Key.rawRepresentation)
    case .p521: Array(Self.p521Key.rawRepresentation)
    case .ed25519: Array(Self.ed25519Key.rawRepresentation)
    }
  }

  var pem: String {
    switch self {
    case .rsa: Self.rsaKey.pkcs8PEMRepresentation
    case .p256: Self.p256Key.pemRepresentation
    case .p384: Self.p384Key.pemRepresentation
    case .p521: Self.p521Key.pemRepresentation
    case .ed25519: Self.ed25519Key.pemRepresentation
    }
  }

  /// The public key, by swift-crypto.
  var reference: ReferenceKey {
    switch self {
    case .rsa: .rsa(Self.rsaKey.publicKey)
    case .p256: .p256(Self.p256Key.publicKey)
    case .p384: .p384(Self.p384Key.publicKey)
    case .p521: .p521(Self.p521Key.publicKey)
    case .ed25519: .ed25519(Self.ed25519Key.publicKey)
    }
  }

  /// The public key, by libcrypto.
  func publicKey() throws -> PublicKey? {
    func point(_ curve: Curve, _ raw: Data) -> PublicKey? {
      PublicKey(
        curve: curve, x: Array(raw.prefix(curve.coordinateByteCount)), y: Array(raw.suffix(curve.coordinateByteCount)))
    }
    switch self {
    case .rsa:
      let numbers = try Self.rsaKey.publicKey.getKeyPrimitives()
      return PublicKey(modulus: numbers.modulus, exponent: numbers.publicExponent)
    case .p256: return point(.p256, Self.p256Key.publicKey.rawRepresentation)
    case .p384: return point(.p384, Self.p384Key.publicKey.rawRepresentation)
    case .p521: return point(.p521, Self.p521Key.publicKey.rawRepresentation)
    case .ed25519: return PublicKey(ed25519: Array(Self.ed25519Key.publicKey.rawRepresentation))
    }
  }

  /// A signature by swift-crypto.
  func signature(over message: [UInt8], by scheme: SignatureScheme) throws -> [UInt8] {
    switch (self, scheme) {
    case (.rsa, .rsaPKCS1(let hash)): try Self.sign(message, hash, .insecurePKCS1v1_5)
    case (.rsa, .rsaPSS(let hash)): try Self.sign(message, hash, .PSS)
    case (.p256, _): Array(try Self.p256Key.signature(for: Crypto.SHA256.hash(data: message)).rawRepresentation)
    case (.p384, _): Array(try Self.p384Key.signature(for: SHA384.hash(data: message)).rawRepresentation)
    case (.p521, _): Array(try Self.p521Key.signature(for: SHA512.hash(data: message)).rawRepresentation)
    default: Array(try Self.ed25519Key.signature(for: message))
    }
  }

  private static func sign(_ message: [UInt8], _ hash: SignatureHash, _ padding: _RSA.Signing.Padding) throws -> [UInt8]
  {
    switch hash {
    case .sha256:
      Array(try rsaKey.signature(for: Crypto.SHA256.hash(data: message), padding: padding).rawRepresentation)
    case .sha384: Array(try rsaKey.signature(for: SHA384.hash(data: message), padding: padding).rawRepresentation)
    case .sha512: Array(try rsaKey.signature(for: SHA512.hash(data: message), padding: padding).rawRepresentation)
    }
  }
}

/// A public key of swift-crypto.
enum ReferenceKey: Sendable {
  case rsa(_RSA.Signing.PublicKey)
  case p256(P256.Signing.PublicKey)
  case p384(P384.Signing.PublicKey)
  case p521(P521.Signing.PublicKey)
  case ed25519(Curve25519.Signing.PublicKey)

  /// What swift-crypto says of a signature.
  func verifies(_ signature: [UInt8], over message: [UInt8], by scheme: SignatureScheme) -> Bool {
    switch (self, scheme) {
    case (.rsa(let key), .rsaPKCS1(let hash)): Self.isValid(key, signature, message, hash, .insecurePKCS1v1_5)
    case (.rsa(let key), .rsaPSS(let hash)): Self.isValid(key, signature, message, hash, .PSS)
    case (.p256(let key), .ecdsa(.p256)):
      (try? P256.Signing.ECDSASignature(rawRepresentation: signature)).map {
        key.isValidSignature($0, for: Crypto.SHA256.hash(data: message))
      } ?? false
    case (.p384(let key), .ecdsa(.p384)):
      (try? P384.Signing.ECDSASignature(rawRepresentation: signature)).map {
        key.isValidSignature($0, for: SHA384.hash(data: message))
      } ?? false
    case (.p521(let key), .ecdsa(.p521)):
      (try? P521.Signing.ECDSASignature(rawRepresentation: signature)).map {
        key.isValidSignature($0, for: SHA512.hash(data: message))
      } ?? false
    case (.ed25519(let key), .ed25519): key.isValidSignature(signature, for: message)
    default: false
    }
  }

  private static func isValid(
    _ key: _RSA.Signing.PublicKey, _ signature: [UInt8], _ message: [UInt8], _ hash: SignatureHash,
    _ padding: _RSA.Signing.Padding
  ) -> Bool {
    let signature = _RSA.Signing.RSASignature(rawRepresentation: signature)
    return switch hash {
    case .sha256: key.isValidSignature(signature, for: Crypto.SHA256.hash(data: message), padding: padding)
    case .sha384: key.isValidSignature(signature, for: SHA384.hash(data: message), padding: padding)
    case .sha512: key.isValidSignature(signature, for: SHA512.hash(data: message), padding: padding)
    }
  }
}
