import CCrypto

/// The hash functions of signatures.
package enum SignatureHash: CaseIterable, Hashable, Sendable {
  case sha256, sha384, sha512

  var pointer: OpaquePointer? {
    switch self {
    case .sha256: EVP_sha256()
    case .sha384: EVP_sha384()
    case .sha512: EVP_sha512()
    }
  }
}

/// The elliptic curves of ECDSA (FIPS 186-5), by their names in RFC 7518 section 6.2.1.1.
package enum Curve: String, CaseIterable, Hashable, Sendable {
  case p256 = "P-256"
  case p384 = "P-384"
  case p521 = "P-521"

  /// The length of a coordinate, of `r` and of `s`.
  package var coordinateByteCount: Int {
    switch self {
    case .p256: 32
    case .p384: 48
    case .p521: 66
    }
  }

  /// The only hash function that JWS uses with the curve (RFC 7518 section 3.4).
  var hashFunction: SignatureHash {
    switch self {
    case .p256: .sha256
    case .p384: .sha384
    case .p521: .sha512
    }
  }

  /// The name that libcrypto gives to the curve.
  var groupName: String {
    switch self {
    case .p256: "prime256v1"
    case .p384: "secp384r1"
    case .p521: "secp521r1"
    }
  }
}

/// The kinds of keys.
package enum KeyType: Hashable, Sendable {
  case rsa
  case ellipticCurve(Curve)
  case ed25519
}

/// How a message is signed.
package enum SignatureScheme: Hashable, Sendable {
  /// RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2).
  case rsaPKCS1(SignatureHash)
  /// RSASSA-PSS (RFC 8017 section 8.1): MGF1 with the same hash function, and a salt as long as the digest.
  case rsaPSS(SignatureHash)
  /// ECDSA with the curve's hash function. The signature is `r` and `s`, each at full length (RFC 7518 section 3.4).
  case ecdsa(Curve)
  /// Ed25519 (RFC 8032 section 5.1).
  case ed25519

  /// The kind of key that the scheme needs.
  package var keyType: KeyType {
    switch self {
    case .rsaPKCS1, .rsaPSS: .rsa
    case .ecdsa(let curve): .ellipticCurve(curve)
    case .ed25519: .ed25519
    }
  }

  /// Nil for Ed25519, which hashes by itself.
  var hashFunction: SignatureHash? {
    switch self {
    case .rsaPKCS1(let hash), .rsaPSS(let hash): hash
    case .ecdsa(let curve): curve.hashFunction
    case .ed25519: nil
    }
  }

  /// Sets the padding of RSA in the context of a signature or verification.
  func setPadding(_ context: OpaquePointer?) -> Bool {
    switch self {
    case .rsaPKCS1: EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1
    case .rsaPSS(let hash):
      EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
        && EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash.pointer) == 1
        && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1
    case .ecdsa, .ed25519: true
    }
  }
}

/// The two forms of an ECDSA signature: `r` and `s` at full length as JWS has it, and the DER of libcrypto.
enum ECDSASignature {
  /// Nil if there is no memory.
  static func der(ofFixed signature: [UInt8]) -> [UInt8]? {
    guard let parsed = ECDSA_SIG_new() else { return nil }
    defer { ECDSA_SIG_free(parsed) }
    let half = signature.count / 2
    guard let r = BN_bin2bn(Array(signature[..<half]), Int32(half), nil) else { return nil }
    guard let s = BN_bin2bn(Array(signature[half...]), Int32(signature.count - half), nil),
      // This function takes ownership of both numbers.
      ECDSA_SIG_set0(parsed, r, s) == 1
    else {
      BN_free(r)
      return nil
    }
    let count = i2d_ECDSA_SIG(parsed, nil)
    guard count > 0 else { return nil }
    return [UInt8](unsafeUninitializedCapacity: Int(count)) { der, initialized in
      var end = der.baseAddress
      initialized = Int(max(0, i2d_ECDSA_SIG(parsed, &end)))
    }
  }

  /// Nil if `der` is no signature of the curve.
  static func fixed(ofDER der: [UInt8], on curve: Curve) -> [UInt8]? {
    der.withUnsafeBufferPointer { der in
      var start = der.baseAddress
      guard let parsed = d2i_ECDSA_SIG(nil, &start, der.count) else { return nil }
      defer { ECDSA_SIG_free(parsed) }
      let half = curve.coordinateByteCount
      var signature = [UInt8](repeating: 0, count: 2 * half)
      let written = signature.withUnsafeMutableBufferPointer { bytes -> Bool in
        guard let base = bytes.baseAddress else { return false }
        return BN_bn2binpad(ECDSA_SIG_get0_r(parsed), base, Int32(half)) == half
          && BN_bn2binpad(ECDSA_SIG_get0_s(parsed), base + half, Int32(half)) == half
      }
      return written ? signature : nil
    }
  }
}
