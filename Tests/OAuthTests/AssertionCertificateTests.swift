import Crypto
import CryptoExtras
import FoundationEssentials
import Testing
import X509
@testable import Base
@testable import Cryptography
@testable import OAuth

/// Client assertions that name a certificate, as Entra ID and AD FS require.
@Suite struct AssertionCertificateTests {
  /// A self-signed certificate in PEM and in DER.
  private static func certificate(
    of key: X509.Certificate.PrivateKey, days: ClosedRange<Double> = -1...400
  ) throws -> (pem: String, der: Data) {
    let name = try DistinguishedName { CommonName("gauge") }
    let certificate = try X509.Certificate(
      version: .v3, serialNumber: .init(), publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSinceNow: days.lowerBound * 86_400),
      notValidAfter: Date(timeIntervalSinceNow: days.upperBound * 86_400), issuer: name, subject: name,
      extensions: X509.Certificate.Extensions(), issuerPrivateKey: key)
    let pem = try certificate.serializeAsPEM().pemString + "\n"
    let body = pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
    return (pem, try #require(Data(base64Encoded: body)))
  }

  private static func header(_ key: ClientAssertionKey) throws -> StrictJSON {
    let assertion = try key.assertion(clientID: "c", audience: "https://as/token", unixTime: 1_800_000_000)
    return try StrictJSON(CompactToken(assertion.withBytes { Array($0) }).header)
  }

  @Test(arguments: ["RSA", "EC"]) func namesItsThumbprints(_ type: String) throws {
    let (key, pem): (X509.Certificate.PrivateKey, String)
    if type == "RSA", case .rsa(let rsa) = SigningKey.rsa.material {
      (key, pem) = (.init(rsa), rsa.pkcs8PEMRepresentation)
    } else {
      let ec = P256.Signing.PrivateKey()
      (key, pem) = (.init(ec), ec.pemRepresentation)
    }
    let other = try Self.certificate(of: .init(P256.Signing.PrivateKey()))
    let own = try Self.certificate(of: key)
    // As an administrator may have them: with the chain behind, with the key in front, from Windows.
    for text in [own.pem, own.pem + other.pem, pem + "\n" + own.pem, own.pem.replacing("\n", with: "\r\n")] {
      let header = try Self.header(ClientAssertionKey(pem: Secret(pem), keyID: "k", certificate: Secret(text)))
      #expect(header["x5t"]?.text == Base64URL.encode(Array(Insecure.SHA1.hash(data: own.der))))
      #expect(header["x5t#S256"]?.text == Base64URL.encode(Array(Crypto.SHA256.hash(data: own.der))))
      #expect(header["kid"]?.text == "k")
    }
    let plain = try Self.header(ClientAssertionKey(pem: Secret(pem)))
    #expect(plain["x5t"] == nil && plain["x5t#S256"] == nil)
    let failure = try #require(throws: ClientAssertionFailure.self) {
      try ClientAssertionKey(pem: Secret(pem), certificate: Secret(other.pem + own.pem))
    }
    #expect(failure.reason == .otherCertificate)
  }

  @Test(arguments: [
    "", "secret", "-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nMII*\n-----END CERTIFICATE-----\n",
  ])
  func refusesWhatIsNoCertificate(_ text: String) throws {
    let failure = try #require(throws: ClientAssertionFailure.self) {
      try ClientAssertionKey(pem: Secret(P256.Signing.PrivateKey().pemRepresentation), certificate: Secret(text))
    }
    #expect(failure.reason == .notACertificate && !failure.message.contains("AAAA"))
  }

  /// Damages each byte of a certificate in turn. The certificate is read or refused, and nothing else happens.
  @Test func survivesDamage() throws {
    let key = P256.Signing.PrivateKey()
    let own = try Self.certificate(of: .init(key))
    var read = 0
    for index in own.der.indices {
      var der = own.der
      der[index] ^= 0x20
      let pem = "-----BEGIN CERTIFICATE-----\n\(der.base64EncodedString())\n-----END CERTIFICATE-----\n"
      let assertionKey = try? ClientAssertionKey(pem: Secret(key.pemRepresentation), certificate: Secret(pem))
      if let assertionKey {
        #expect(try Self.header(assertionKey)["x5t"]?.text == Base64URL.encode(Array(Insecure.SHA1.hash(data: der))))
        read += 1
      }
    }
    #expect(read > 0 && read < own.der.count)
  }

  @Test(arguments: [(400.0, nil), (13, "expires"), (15, nil), (-1, "expired")] as [(Double, String?)])
  func warnsOfItsExpiry(days: Double, verb: String?) throws {
    let key = P256.Signing.PrivateKey()
    let own = try Self.certificate(of: .init(key), days: -2...days)
    let assertionKey = try ClientAssertionKey(pem: Secret(key.pemRepresentation), certificate: Secret(own.pem))
    let request = TokenRequest(
      clientID: "c", credentials: ClientCredentials(key: assertionKey), scope: [], policy: Sample.policy,
      timeout: .seconds(1))
    let warning = request.certificateWarnings(unixTime: Moment.now().unix)
    let start = verb.map { "the certificate of client assertions \($0) at 20" }
    #expect(warning.count == (verb == nil ? 0 : 1))
    #expect(warning.first.map { $0.hasPrefix(start ?? "") } ?? true, "\(warning)")
  }
}
