import Crypto
import CryptoExtras
import FoundationEssentials
import SwiftASN1
import X509

/// How the sandbox signs its tokens (RFC 7518, section 3.1).
public enum SigningAlgorithm: String, Sendable, Hashable, CaseIterable, Codable {
  /// RSASSA-PKCS1-v1_5 with SHA-256, which Konexus uses.
  case rs256 = "RS256"
  /// RSASSA-PSS with SHA-256.
  case ps256 = "PS256"
  /// ECDSA on P-256 with SHA-256.
  case es256 = "ES256"
  /// Ed25519 (RFC 8037).
  case edDSA = "EdDSA"
}

/// A key pair that signs tokens. Its name comes from a self-signed certificate, as with IdentityServer.
struct SigningKey: Sendable {
  private enum Material: Sendable {
    case rsa(_RSA.Signing.PrivateKey)
    case p256(P256.Signing.PrivateKey)
    case ed25519(Curve25519.Signing.PrivateKey)
  }

  private let material: Material
  let algorithm: SigningAlgorithm
  let certificate: [UInt8]
  /// The certificate's SHA-1 thumbprint in hex, then the algorithm.
  let keyID: String
  /// The same thumbprint in base64url (RFC 7515, section 4.1.7).
  let thumbprint: String

  /// Makes a key. RSA of 4096 bits takes a second or more, so do not call this on Swift's cooperative threads.
  init(_ algorithm: SigningAlgorithm, bits: Int) throws {
    let certificateKey: Certificate.PrivateKey
    switch algorithm {
    case .rs256, .ps256:
      let key = try _RSA.Signing.PrivateKey(keySize: .init(bitCount: bits))
      (material, certificateKey) = (.rsa(key), Certificate.PrivateKey(key))
    case .es256:
      let key = P256.Signing.PrivateKey()
      (material, certificateKey) = (.p256(key), Certificate.PrivateKey(key))
    case .edDSA:
      let key = Curve25519.Signing.PrivateKey()
      (material, certificateKey) = (.ed25519(key), Certificate.PrivateKey(key))
    }
    self.algorithm = algorithm
    certificate = try CertificateAuthority.selfSigned(name: "Konexus sandbox token signing", key: certificateKey)
    let digest = Insecure.SHA1.hash(data: certificate)
    keyID = digest.map { ($0 < 0x10 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined() + algorithm.rawValue
    thumbprint = Base64URL.encode(digest)
  }

  func sign(_ input: [UInt8]) throws -> [UInt8] {
    switch material {
    case .rsa(let key): try [UInt8](key.signature(for: SHA256.hash(data: input), padding: padding).rawRepresentation)
    case .p256(let key): try [UInt8](key.signature(for: input).rawRepresentation)
    case .ed25519(let key): try [UInt8](key.signature(for: input))
    }
  }

  func isValid(signature: [UInt8], for input: [UInt8]) -> Bool {
    switch material {
    case .rsa(let key):
      return key.publicKey.isValidSignature(
        .init(rawRepresentation: signature), for: SHA256.hash(data: input), padding: padding)
    case .p256(let key):
      guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
      return key.publicKey.isValidSignature(signature, for: input)
    case .ed25519(let key):
      return key.publicKey.isValidSignature(signature, for: input)
    }
  }

  private var padding: _RSA.Signing.Padding { algorithm == .ps256 ? .PSS : .insecurePKCS1v1_5 }

  /// The public key in PEM. A forger uses it as an HMAC key (RFC 8725, section 2.1).
  var publicKeyPEM: String {
    switch material {
    case .rsa(let key): key.publicKey.pemRepresentation
    case .p256(let key): key.publicKey.pemRepresentation
    case .ed25519(let key): "-----BEGIN PUBLIC KEY-----\n" + Base64URL.encode(key.publicKey.rawRepresentation)
    }
  }

  /// The public key as IdentityServer publishes it (RFC 7517).
  var jwk: JSON {
    let parameters: [JSON.Member]
    let type: JSON
    switch material {
    case .rsa(let key):
      type = "RSA"
      // The modulus of a key that was made here is always available.
      let primitives = try? key.publicKey.getKeyPrimitives()
      parameters = [
        .init("e", .string(Base64URL.encode(primitives?.publicExponent ?? Data()))),
        .init("n", .string(Base64URL.encode(primitives?.modulus ?? Data()))),
      ]
    case .p256(let key):
      type = "EC"
      let point = key.publicKey.rawRepresentation
      parameters = [
        .init("x", .string(Base64URL.encode(point.prefix(32)))),
        .init("y", .string(Base64URL.encode(point.suffix(32)))),
        .init("crv", "P-256"),
      ]
    case .ed25519(let key):
      type = "OKP"
      parameters = [
        .init("x", .string(Base64URL.encode(key.publicKey.rawRepresentation))), .init("crv", "Ed25519"),
      ]
    }
    return .object(
      [.init("kty", type), .init("use", "sig"), .init("kid", .string(keyID)), .init("x5t", .string(thumbprint))]
        + parameters
        + [
          .init("x5c", [.string(Data(certificate).base64EncodedString())]), .init("alg", .string(algorithm.rawValue)),
        ])
  }
}
