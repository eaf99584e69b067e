import Crypto
import Glibc
import SwiftASN1
import X509

import struct FoundationEssentials.Date
import OAuth

/// A certificate authority of the test's own, made when the test runs.
struct TestAuthority {
  private let key: P256.Signing.PrivateKey
  private let name: DistinguishedName
  private let certificate: Certificate

  init(_ commonName: String = "Test Authority") throws {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(commonName) }
    self.key = key
    self.name = name
    certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: Self.date(days: -400),
      notValidAfter: Self.date(days: 400), issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        Critical(KeyUsage(keyCertSign: true))
        SubjectKeyIdentifier(hash: .init(key.publicKey))
      }, issuerPrivateKey: .init(key))
  }

  var pem: String { get throws { try certificate.serializeAsPEM().pemString + "\n" } }

  struct Identity: Sendable {
    var certificate: String
    var key: String
    /// The pin of its public key as curl writes it.
    var pin: String
    var notBefore: Int64
    var notAfter: Int64
  }

  /// A certificate for `names` (DNS names, or `127.0.0.1`), valid from and to so many days from today.
  func issue(_ names: [String] = ["127.0.0.1"], days: ClosedRange<Int> = -1...90) throws -> Identity {
    let subjectKey = P256.Signing.PrivateKey()
    let subject = try DistinguishedName { CommonName(names.first ?? "nobody") }
    return try identity(subjectKey, subject: subject, issuer: name, signer: key, names: names, days: days)
  }

  /// A self-signed certificate.
  static func selfSigned(_ names: [String] = ["127.0.0.1"]) throws -> Identity {
    let key = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName("self") }
    return try TestAuthority().identity(key, subject: name, issuer: name, signer: key, names: names, days: -1...90)
  }

  private func identity(
    _ subjectKey: P256.Signing.PrivateKey, subject: DistinguishedName, issuer: DistinguishedName,
    signer: P256.Signing.PrivateKey, names: [String], days: ClosedRange<Int>
  ) throws -> Identity {
    let (start, end) = (Self.date(days: days.lowerBound), Self.date(days: days.upperBound))
    let certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(subjectKey.publicKey), notValidBefore: start,
      notValidAfter: end,
      issuer: issuer, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth, .clientAuth])
        SubjectAlternativeNames(
          names.map { $0 == "127.0.0.1" ? .ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])) : .dnsName($0) })
      }, issuerPrivateKey: .init(signer))
    let digest = SHA256.hash(data: subjectKey.publicKey.derRepresentation)
    return Identity(
      certificate: try certificate.serializeAsPEM().pemString + "\n", key: subjectKey.pemRepresentation + "\n",
      pin: "sha256//" + Base64.encode(Array(digest)), notBefore: Int64(start.timeIntervalSince1970),
      notAfter: Int64(end.timeIntervalSince1970))
  }

  /// Whole seconds, as certificates have them.
  private static func date(days: Int) -> Date {
    Date(timeIntervalSince1970: Double(time(nil)) + Double(days) * 86_400)
  }
}

private enum Base64 {
  static func encode(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    return stride(from: 0, to: bytes.count, by: 3).map { start in
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      return String((0...3).map { $0 <= group.count ? digits[bits >> (18 - 6 * $0) & 63] : "=" })
    }.joined()
  }
}
