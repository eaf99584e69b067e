import Crypto
import FoundationEssentials
import Glibc
import SwiftASN1
import X509

/// A certificate authority of P-256, made anew for each sandbox.
struct CertificateAuthority: Sendable {
  private let key: P256.Signing.PrivateKey
  private let name: DistinguishedName
  private let certificate: Certificate

  init(name commonName: String) throws {
    let key = P256.Signing.PrivateKey()
    self.key = key
    name = try DistinguishedName { CommonName(commonName) }
    certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
      notValidBefore: Self.time(days: -400), notValidAfter: Self.time(days: 400),
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
        Critical(KeyUsage(keyCertSign: true, cRLSign: true))
        SubjectKeyIdentifier(hash: .init(key.publicKey))
      },
      issuerPrivateKey: .init(key))
  }

  /// The authority's own certificate in PEM.
  var pem: String { get throws { try certificate.serializeAsPEM().pemString + "\n" } }

  /// Whether this authority issued the client certificate, and whether it is valid now and has this common name.
  func vouches(for certificate: Certificate, name: String) -> Bool {
    let now = Self.time(days: 0)
    let wanted = try? DistinguishedName { CommonName(name) }
    return certificate.issuer == self.name && certificate.subject == wanted
      && certificate.notValidBefore <= now && now <= certificate.notValidAfter
      && Certificate.PublicKey(key.publicKey).isValidSignature(certificate.signature, for: certificate)
  }

  /// A self-signed certificate and its key.
  static func selfSignedIdentity(name commonName: String) throws -> Identity {
    let key = P256.Signing.PrivateKey()
    let certificate = try Certificate(derEncoded: selfSigned(name: commonName, key: Certificate.PrivateKey(key)))
    return Identity(
      certificatePEM: try certificate.serializeAsPEM().pemString + "\n", keyPEM: key.pemRepresentation + "\n")
  }

  /// The purpose of a certificate.
  enum Purpose { case server, client }

  /// A certificate and its key, both in PEM.
  struct Identity: Sendable {
    var certificatePEM: String
    var keyPEM: String
  }

  /// Issues a certificate with a fresh P-256 key.
  /// - Parameters:
  ///   - names: DNS names and IP addresses for the subjectAltName extension. The first one is also the common name.
  ///   - days: The start and the end of its validity, in days from today.
  func issue(for purpose: Purpose, names: [String], days: ClosedRange<Int> = -1...200) throws -> Identity {
    let subjectKey = P256.Signing.PrivateKey()
    let subject = try DistinguishedName { CommonName(names.first ?? "konexus-sandbox") }
    let issued = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: .init(subjectKey.publicKey),
      notValidBefore: Self.time(days: days.lowerBound), notValidAfter: Self.time(days: days.upperBound),
      issuer: name, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([purpose == .server ? .serverAuth : .clientAuth])
        SubjectAlternativeNames(names.map(Self.generalName))
        AuthorityKeyIdentifier(keyIdentifier: SubjectKeyIdentifier(hash: .init(key.publicKey)).keyIdentifier)
      },
      issuerPrivateKey: .init(key))
    return Identity(
      certificatePEM: try issued.serializeAsPEM().pemString + "\n", keyPEM: subjectKey.pemRepresentation + "\n")
  }

  /// The DER of a self-signed certificate, like those that name signing keys.
  static func selfSigned(name commonName: String, key: Certificate.PrivateKey) throws -> [UInt8] {
    let name = try DistinguishedName { CommonName(commonName) }
    let certificate = try Certificate(
      version: .v3, serialNumber: .init(), publicKey: key.publicKey,
      notValidBefore: time(days: -1), notValidAfter: time(days: 400), issuer: name, subject: name,
      extensions: Certificate.Extensions(), issuerPrivateKey: key)
    var serializer = DER.Serializer()
    try serializer.serialize(certificate)
    return serializer.serializedBytes
  }

  private static func time(days: Int) -> Date {
    Date(timeIntervalSince1970: ServerClock.unixTime + Double(days) * 86_400)
  }

  /// An IP address, or else a DNS name.
  private static func generalName(_ name: String) -> GeneralName {
    var bytes = [UInt8](repeating: 0, count: 16)
    if inet_pton(AF_INET, name, &bytes) == 1 { return .ipAddress(ASN1OctetString(contentBytes: bytes[..<4])) }
    if inet_pton(AF_INET6, name, &bytes) == 1 { return .ipAddress(ASN1OctetString(contentBytes: bytes[...])) }
    return .dnsName(name)
  }
}
