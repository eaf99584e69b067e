import CCrypto

/// A public key that verifies signatures.
package final class PublicKey: Sendable {
  /// RSA keys shorter than this are too weak (RFC 7518 section 3.3).
  package static let minimumModulusBits = 2048
  /// RSA keys longer than this take more time, and no real server uses them.
  package static let maximumModulusBits = 8192
  /// RSA exponents longer than this are refused: the cost of a verification grows with them.
  package static let maximumExponentBits = 33

  /// The kind of key.
  package let type: KeyType
  /// The key is freed in `deinit` only and never changed. libcrypto lets several threads verify with one key.
  private nonisolated(unsafe) let key: OpaquePointer
  private let signatureByteCount: Int

  private init?(_ type: KeyType, owning key: OpaquePointer?, signatureByteCount: Int) {
    guard let key else { return nil }
    self.type = type
    self.key = key
    self.signatureByteCount = signatureByteCount
  }

  deinit { EVP_PKEY_free(key) }

  /// An RSA key of these numbers, the most significant byte first.
  ///
  /// Nil if the modulus is even or not of 2048 to 8192 bits, or if the exponent is even, 1, or longer than 33 bits.
  package convenience init?(modulus: some Collection<UInt8>, exponent: some Collection<UInt8>) {
    let key = LibCrypto.call { () -> (key: OpaquePointer?, modulusBits: Int)? in
      guard let modulus = BigNumber(bigEndian: modulus), let exponent = BigNumber(bigEndian: exponent),
        Self.isAcceptable(modulus: modulus, exponent: exponent)
      else { return nil }
      return modulus.withPointer { modulusPointer in
        exponent.withPointer { (ccrypto_rsa_public_key(modulusPointer, $0), modulus.bitWidth) }
      }
    }
    guard let key else { return nil }
    self.init(.rsa, owning: key.key, signatureByteCount: (key.modulusBits + 7) / 8)
  }

  /// The point (`x`, `y`) of `curve`. Nil if it is not on the curve, or a coordinate is of the wrong length.
  package convenience init?(curve: Curve, x: [UInt8], y: [UInt8]) {
    guard x.count == curve.coordinateByteCount, y.count == curve.coordinateByteCount else { return nil }
    // SEC 1, 2.3.3: 4 stands for the uncompressed form.
    let point = [4] + x + y
    let key = LibCrypto.call { ccrypto_ec_public_key(curve.groupName, point, point.count) }
    self.init(.ellipticCurve(curve), owning: key, signatureByteCount: 2 * curve.coordinateByteCount)
  }

  /// An Ed25519 key of 32 bytes. Nil if there are more or fewer. A signature fails if they are no point of the curve.
  package convenience init?(ed25519 bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    let key = LibCrypto.call { EVP_PKEY_new_raw_public_key_ex(nil, "ED25519", nil, bytes, bytes.count) }
    self.init(.ed25519, owning: key, signatureByteCount: 64)
  }

  /// Whether numbers of an RSA key are of the right sizes, and odd.
  static func isAcceptable(modulus: borrowing BigNumber, exponent: borrowing BigNumber) -> Bool {
    (minimumModulusBits...maximumModulusBits).contains(modulus.bitWidth) && modulus.isOdd
      && (2...maximumExponentBits).contains(exponent.bitWidth) && exponent.isOdd
  }

  /// Whether `signature` is this key's over `message`, by exactly this scheme.
  ///
  /// An RSA signature is as long as the modulus, an ECDSA signature twice as long as a coordinate.
  package func verifies(_ signature: [UInt8], over message: ArraySlice<UInt8>, by scheme: SignatureScheme) -> Bool {
    guard scheme.keyType == type, signature.count == signatureByteCount else { return false }
    return LibCrypto.call {
      var signature = signature
      if case .ecdsa = scheme {
        guard let der = ECDSASignature.der(ofFixed: signature) else { return false }
        signature = der
      }
      guard let context = EVP_MD_CTX_new() else { return false }
      defer { EVP_MD_CTX_free(context) }
      var keyContext: OpaquePointer?
      guard EVP_DigestVerifyInit(context, &keyContext, scheme.hashFunction?.pointer, nil, key) == 1,
        scheme.setPadding(keyContext)
      else { return false }
      return message.withUnsafeBufferPointer {
        EVP_DigestVerify(context, signature, signature.count, $0.baseAddress, $0.count) == 1
      }
    }
  }
}
