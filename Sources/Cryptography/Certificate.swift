package import Base
import CCrypto

/// An X.509 certificate, as far as it names the key of a signature. Nothing of it is verified here: the receiver of the
/// signature knows the certificate.
package struct Certificate: Hashable, Sendable {
  /// Why a text gives no certificate.
  package enum Failure: Error {
    /// The text contains no certificate in PEM.
    case missing
    /// The certificate is damaged.
    case unusable
  }

  /// The certificate in DER.
  private let der: [UInt8]
  /// The end of its validity, in seconds since 1970.
  package let notAfter: Int64

  /// Reads the first certificate in `pem` (RFC 7468). Other blocks, such as a private key, are skipped.
  package init(pem: Secret) throws(Failure) {
    let isThere = pem.withBytes { $0.contains("-----BEGIN CERTIFICATE-----".utf8) }
    guard isThere else { throw .missing }
    guard let read = LibCrypto.call({ pem.withBytes(Self.read) }) else { throw .unusable }
    (der, notAfter) = read
  }

  private static func read(_ text: UnsafeRawBufferPointer) -> ([UInt8], Int64)? {
    guard let source = BIO_new_mem_buf(text.baseAddress, Int32(text.count)) else { return nil }
    defer { BIO_free(source) }
    guard let certificate = PEM_read_bio_X509(source, nil, { _, _, _, _ in -1 }, nil) else { return nil }
    defer { X509_free(certificate) }
    var time = tm()
    let count = i2d_X509(certificate, nil)
    guard count > 0, ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 else { return nil }
    var der = [UInt8](repeating: 0, count: Int(count))
    der.withUnsafeMutableBufferPointer { buffer in
      var end = buffer.baseAddress
      _ = i2d_X509(certificate, &end)
    }
    return (der, Int64(timegm(&time)))
  }

  /// SHA-1 of the certificate: `x5t` (RFC 7515, 4.1.7). It identifies the certificate, and no security depends on it.
  package var sha1: [UInt8] {
    LibCrypto.call {
      [UInt8](unsafeUninitializedCapacity: Int(SHA_DIGEST_LENGTH)) { digest, count in
        ccrypto_sha1(der, der.count, digest.baseAddress)
        count = Int(SHA_DIGEST_LENGTH)
      }
    }
  }

  /// SHA-256 of the certificate: `x5t#S256` (RFC 7515, 4.1.8).
  package var sha256: [UInt8] { SHA256.digest(of: der) }

  /// Calls `body` with libcrypto's form of the certificate. Nil if there is no memory.
  func withPointer<Result>(_ body: (OpaquePointer) -> Result) -> Result? {
    der.withUnsafeBufferPointer { buffer in
      var start = buffer.baseAddress
      guard let certificate = d2i_X509(nil, &start, buffer.count) else { return nil }
      defer { X509_free(certificate) }
      return body(certificate)
    }
  }
}
