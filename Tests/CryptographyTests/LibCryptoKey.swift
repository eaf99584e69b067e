import Base
import CCrypto
import Testing

/// A key pair that libcrypto makes. It signs what no honest signer would.
final class LibCryptoKey {
  let key: OpaquePointer

  private init(_ key: OpaquePointer) { self.key = key }

  deinit { EVP_PKEY_free(key) }

  /// A new key: RSA of some bits and an exponent, EC on a group, or another type by its name.
  init(_ type: String, bits: Int32? = nil, exponent: UInt? = nil, group: String? = nil) throws {
    let context = try #require(EVP_PKEY_CTX_new_from_name(nil, type, nil))
    defer { EVP_PKEY_CTX_free(context) }
    try #require(EVP_PKEY_keygen_init(context) == 1)
    if let bits { try #require(EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) == 1) }
    if let group { try #require(EVP_PKEY_CTX_set_group_name(context, group) == 1) }
    if let exponent {
      let number = try #require(BN_new())
      defer { BN_free(number) }
      try #require(BN_set_word(number, exponent) == 1)
      try #require(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, number) == 1)
    }
    var key: OpaquePointer?
    try #require(EVP_PKEY_generate(context, &key) == 1)
    self.key = try #require(key)
  }

  /// The key of a text in PEM.
  init(pem: String) throws {
    let bytes = Array(pem.utf8)
    let text = try #require(BIO_new_mem_buf(bytes, Int32(bytes.count)))
    defer { BIO_free(text) }
    key = try #require(PEM_read_bio_PrivateKey(text, nil, nil, nil))
  }

  /// The key as PKCS#8, or as PKCS#1 or SEC 1 if it is `traditional`.
  func pem(traditional: Bool = false, passphrase: String? = nil) throws -> String {
    let text = try #require(BIO_new(BIO_s_mem()))
    defer { BIO_free(text) }
    let cipher = passphrase == nil ? nil : EVP_aes_128_cbc()
    let secret = Array((passphrase ?? "").utf8)
    let written =
      traditional
      ? PEM_write_bio_PrivateKey_traditional(text, key, cipher, secret, Int32(secret.count), nil, nil)
      : PEM_write_bio_PKCS8PrivateKey(
        text, key, cipher, passphrase.map { _ in secret.map(CChar.init) } ?? [], Int32(secret.count), nil, nil)
    try #require(written == 1)
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = BIO_read(text, &bytes, Int32(bytes.count))
    return String(decoding: bytes.prefix(Int(count)), as: UTF8.self)
  }

  /// A number of the key, the most significant byte first.
  func number(_ name: String) throws -> [UInt8] {
    var number: OpaquePointer?
    try #require(EVP_PKEY_get_bn_param(key, name, &number) == 1)
    defer { BN_free(number) }
    var bytes = [UInt8](repeating: 0, count: Int((BN_num_bits(number) + 7) / 8))
    BN_bn2bin(number, &bytes)
    return bytes
  }

  /// The RSA operation on these bytes alone, without padding.
  func raw(_ block: [UInt8]) throws -> [UInt8] {
    let context = try #require(EVP_PKEY_CTX_new(key, nil))
    defer { EVP_PKEY_CTX_free(context) }
    try #require(EVP_PKEY_sign_init(context) == 1)
    try #require(EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) == 1)
    var count = Int(EVP_PKEY_get_size(key))
    var signature = [UInt8](repeating: 0, count: count)
    try #require(EVP_PKEY_sign(context, &signature, &count, block, block.count) == 1)
    return Array(signature.prefix(count))
  }

  /// RSASSA-PSS with another salt, or another hash function for MGF1.
  func pss(over message: [UInt8], salt: Int32, hash: OpaquePointer?, mgf1: OpaquePointer?) throws -> [UInt8] {
    let context = try #require(EVP_MD_CTX_new())
    defer { EVP_MD_CTX_free(context) }
    var keyContext: OpaquePointer?
    try #require(EVP_DigestSignInit(context, &keyContext, hash, nil, key) == 1)
    try #require(EVP_PKEY_CTX_set_rsa_padding(keyContext, RSA_PKCS1_PSS_PADDING) == 1)
    try #require(EVP_PKEY_CTX_set_rsa_mgf1_md(keyContext, mgf1) == 1)
    try #require(EVP_PKEY_CTX_set_rsa_pss_saltlen(keyContext, salt) == 1)
    var count = Int(EVP_PKEY_get_size(key))
    var signature = [UInt8](repeating: 0, count: count)
    try #require(EVP_DigestSign(context, &signature, &count, message, message.count) == 1)
    return Array(signature.prefix(count))
  }
}
