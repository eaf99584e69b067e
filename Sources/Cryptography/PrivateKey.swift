package import Base
import CCrypto

/// A private key that signs.
package final class PrivateKey: Sendable {
  /// Why a text gives no key.
  package enum Failure: Error {
    /// The text contains no private key in PEM.
    case missing
    /// The key is protected by a passphrase.
    case encrypted
    /// The key is damaged, or of a type or size that cannot sign here.
    case unusable
  }

  /// The kind of key.
  package let type: KeyType
  /// The key is freed in `deinit` only and never changed. libcrypto lets several threads sign with one key.
  private nonisolated(unsafe) let key: OpaquePointer

  /// Reads the first private key in `pem` (RFC 7468). Other text, such as the parameters that `openssl ecparam` writes,
  /// is skipped.
  ///
  /// The key is RSA of 2048 to 8192 bits, EC on P-256, P-384 or P-521, or Ed25519, as PKCS#8, PKCS#1 or SEC 1.
  package init(pem: Secret) throws(Failure) {
    let key = try pem.withBytes { text throws(Failure) in
      let lines = try Self.lines(of: text)
      guard let key = LibCrypto.call({ Self.read(lines) }) else { throw .unusable }
      return key
    }
    guard let type = LibCrypto.call({ Self.type(of: key) }) else {
      EVP_PKEY_free(key)
      throw .unusable
    }
    self.type = type
    self.key = key
  }

  deinit { EVP_PKEY_free(key) }

  /// Whether both keys sign alike.
  package func isEqual(to other: PrivateKey) -> Bool { LibCrypto.call { EVP_PKEY_eq(key, other.key) == 1 } }

  /// The lines of the first private key, as parts of `text`.
  private static func lines(of text: UnsafeRawBufferPointer) throws(Failure) -> ArraySlice<UnsafeRawBufferPointer> {
    let lines = text.split { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
      .map { UnsafeRawBufferPointer(rebasing: $0) }
    guard
      let first = lines.firstIndex(where: {
        $0.starts(with: "-----BEGIN ".utf8) && $0.contains("PRIVATE KEY-----".utf8)
      }), let last = lines[first...].firstIndex(where: { $0.starts(with: "-----END ".utf8) })
    else { throw .missing }
    guard !lines[first...last].contains(where: { $0.contains("ENCRYPTED".utf8) }) else { throw .encrypted }
    return lines[first...last]
  }

  /// Reads the key with libcrypto, from memory that is overwritten later.
  private static func read(_ lines: ArraySlice<UnsafeRawBufferPointer>) -> OpaquePointer? {
    guard let text = BIO_new(BIO_s_secmem()) else { return nil }
    defer { BIO_free(text) }
    for line in lines {
      guard BIO_write(text, line.baseAddress, Int32(line.count)) == line.count, BIO_write(text, "\n", 1) == 1 else {
        return nil
      }
    }
    // Without this function, libcrypto would ask for a passphrase at the terminal.
    return PEM_read_bio_PrivateKey(text, nil, { _, _, _, _ in -1 }, nil)
  }

  /// The kind of key. Nil if the key cannot sign here, or if its numbers are inconsistent.
  private static func type(of key: OpaquePointer) -> KeyType? {
    if EVP_PKEY_is_a(key, "RSA") == 1 { return isConsistentRSA(key) ? .rsa : nil }
    if EVP_PKEY_is_a(key, "ED25519") == 1 { return .ed25519 }
    guard EVP_PKEY_is_a(key, "EC") == 1 else { return nil }
    var name = [CChar](repeating: 0, count: 80)
    var length = 0
    var isExplicit: Int32 = 0
    guard EVP_PKEY_get_group_name(key, &name, name.count, &length) == 1,
      let curve = Curve.allCases.first(where: { $0.groupName.utf8.elementsEqual(name.prefix(length).map(UInt8.init)) }),
      // A file can give the numbers of a curve instead of its name. This is rejected, even if the curve has a name.
      EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &isExplicit) == 1, isExplicit == 0,
      let scalar = BigNumber(OSSL_PKEY_PARAM_PRIV_KEY, of: key),
      let order = BigNumber(OSSL_PKEY_PARAM_EC_ORDER, of: key), !scalar.isZero, scalar < order
    else { return nil }
    return .ellipticCurve(curve)
  }

  /// Whether the numbers of an RSA key are consistent (RFC 8017 section 3.2). A damaged key would sign wrongly.
  ///
  /// Whether the factors are prime is not tested, as that takes seconds for a long key.
  /// Swift cannot import the macros whose names are these texts.
  private static func isConsistentRSA(_ key: OpaquePointer) -> Bool {
    guard let n = BigNumber(OSSL_PKEY_PARAM_RSA_N, of: key), let e = BigNumber(OSSL_PKEY_PARAM_RSA_E, of: key),
      let d = BigNumber(OSSL_PKEY_PARAM_RSA_D, of: key), let p = BigNumber("rsa-factor1", of: key),
      let q = BigNumber("rsa-factor2", of: key), !p.isZero, !q.isZero,
      let pLess = p.predecessor(), let qLess = q.predecessor(),
      let dP = BigNumber("rsa-exponent1", of: key),
      let dQ = BigNumber("rsa-exponent2", of: key),
      let qInverse = BigNumber("rsa-coefficient1", of: key)
    else { return false }
    return PublicKey.isAcceptable(modulus: n, exponent: e) && d < n && p.times(q, is: n)
      && d.isInverse(of: e, modulo: pLess) && d.isInverse(of: e, modulo: qLess)
      && dP < pLess && dP.isInverse(of: e, modulo: pLess) && dQ < qLess && dQ.isInverse(of: e, modulo: qLess)
      && qInverse < p && qInverse.isInverse(of: q, modulo: p)
  }

  /// Whether `certificate` is of this key.
  package func isKey(of certificate: Certificate) -> Bool {
    LibCrypto.call { certificate.withPointer { X509_check_private_key($0, key) == 1 } ?? false }
  }

  /// The signature over `message`. Nil if the key is not of the scheme's kind, or libcrypto cannot sign.
  package func signature(over message: [UInt8], by scheme: SignatureScheme) -> [UInt8]? {
    guard scheme.keyType == type else { return nil }
    return LibCrypto.call {
      guard let context = EVP_MD_CTX_new() else { return nil }
      defer { EVP_MD_CTX_free(context) }
      var keyContext: OpaquePointer?
      var count = Int(EVP_PKEY_get_size(key))
      var signature = [UInt8](repeating: 0, count: count)
      guard EVP_DigestSignInit(context, &keyContext, scheme.hashFunction?.pointer, nil, key) == 1,
        scheme.setPadding(keyContext), EVP_DigestSign(context, &signature, &count, message, message.count) == 1
      else { return nil }
      signature.removeSubrange(count...)
      guard case .ecdsa(let curve) = scheme else { return signature }
      return ECDSASignature.fixed(ofDER: signature, on: curve)
    }
  }
}
