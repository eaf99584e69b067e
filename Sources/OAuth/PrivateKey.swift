import Base
import JWTKit

/// A private key that can sign by one of the allowed algorithms.
enum PrivateKey: Sendable {
  case rsa(JWTKit.Insecure.RSA.PrivateKey)
  case p256(ES256PrivateKey)
  case p384(ES384PrivateKey)
  case p521(ES512PrivateKey)
  case ed25519(EdDSA.PrivateKey)

  /// Reads the first private key in `pem`. What stands round it, such as `openssl ecparam`'s parameters, is passed over.
  init(pem: Secret) throws(ClientAssertionFailure) {
    let text = try Self.block(in: pem.exposed)
    // PKCS#8 hides the key's type inside: the first type that it can be read as is its type.
    if let key = try? JWTKit.Insecure.RSA.PrivateKey(pem: text) {
      self = .rsa(key)
    } else if let key = try? ES256PrivateKey(pem: text) {
      self = .p256(key)
    } else if let key = try? ES384PrivateKey(pem: text) {
      self = .p384(key)
    } else if let key = try? ES512PrivateKey(pem: text) {
      self = .p521(key)
    } else if let key = try? EdDSA.PrivateKey(pem: text) {
      self = .ed25519(key)
    } else {
      throw ClientAssertionFailure(
        reason: .notAPrivateKey,
        message: "the private key cannot be used: it must be RSA of at least 2048 bits, EC on P-256, P-384 or P-521, "
          + "or Ed25519, and undamaged; look at it with `openssl pkey -text -noout -in FILE`")
    }
  }

  /// The PEM block of the first private key (RFC 7468), with bare line feeds.
  private static func block(in text: String) throws(ClientAssertionFailure) -> String {
    // Split by bytes: CR LF is one Character in Swift.
    let lines = text.utf8.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
      .map { String(decoding: $0, as: UTF8.self) }
    guard let first = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") && $0.contains("PRIVATE KEY-----") }),
      let last = lines[first...].firstIndex(where: { $0.hasPrefix("-----END ") })
    else {
      throw ClientAssertionFailure(
        reason: .notAPrivateKey,
        message: "there is no private key in PEM: expected a block that begins with \"-----BEGIN PRIVATE KEY-----\"")
    }
    guard !lines[first...last].contains(where: { $0.contains("ENCRYPTED") }) else {
      throw ClientAssertionFailure(
        reason: .encrypted,
        message: "the private key is protected by a passphrase; write it without one with "
          + "`openssl pkey -in FILE -out NEWFILE`, or hand it over as an encrypted systemd credential")
    }
    return lines[first...last].joined(separator: "\n")
  }

  /// For messages.
  var name: String {
    switch self {
    case .rsa: "RSA"
    case .p256: "EC P-256"
    case .p384: "EC P-384"
    case .p521: "EC P-521"
    case .ed25519: "Ed25519"
    }
  }

  /// What it can sign by, the default first.
  var algorithms: [SignatureAlgorithm] {
    switch self {
    case .rsa: [.rs256, .rs384, .rs512, .ps256, .ps384, .ps512]
    case .p256: [.es256]
    case .p384: [.es384]
    case .p521: [.es512]
    case .ed25519: [.edDSA]
    }
  }

  /// A collection of this key alone, which signs by `algorithm`; for other keys' algorithms it is empty.
  func collection(signingBy algorithm: SignatureAlgorithm) async -> JWTKeyCollection {
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
    default: break
    }
    return keys
  }
}
