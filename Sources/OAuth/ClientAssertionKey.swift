public import Base
import Cryptography
import FoundationEssentials

/// A client's private key for `private_key_jwt` (RFC 7523 section 2.2, OpenID Connect Core 9).
///
/// Neither the key nor an assertion is ever printed. The mirror of the key has no children, and assertions are secrets.
public struct ClientAssertionKey: Sendable {
  /// The algorithm of the assertions.
  public private(set) var algorithm: SignatureAlgorithm
  /// The `kid` of the assertions, if the server knows the key by one.
  public let keyID: String?
  /// The certificate of the key, if the server knows the key by one.
  private let certificate: Certificate?
  private let key: PrivateKey
  /// Whether the settings name the algorithm. If they do, the server's metadata is not used.
  private let isChosen: Bool

  /// Reads a private key.
  ///
  /// - Parameters:
  ///   - pem: Text with an unencrypted private key in PEM: PKCS#8, PKCS#1 (RSA) or SEC1 (EC). Usable are RSA of at
  ///     least 2048 bits, EC on P-256, P-384 or P-521, and Ed25519.
  ///   - algorithm: The algorithm; by default RS256 for RSA, and the curve's own otherwise.
  ///   - keyID: The `kid` of the assertions.
  ///   - certificate: Text with the key's certificate in PEM. The assertions name it by `x5t` and `x5t#S256` (RFC 7515,
  ///     4.1.7 and 4.1.8).
  /// - Throws: ``ClientAssertionFailure``, which never quotes the key.
  public init(
    pem: Secret, algorithm: SignatureAlgorithm? = nil, keyID: String? = nil, certificate: Secret? = nil
  ) throws(ClientAssertionFailure) {
    isChosen = algorithm != nil
    do throws(PrivateKey.Failure) { key = try PrivateKey(pem: pem) } catch { throw ClientAssertionFailure(error) }
    guard let algorithm = algorithm ?? key.algorithms.first, key.algorithms.contains(algorithm) else {
      throw ClientAssertionFailure(
        reason: .algorithmMismatch,
        message: "the private key is \(key.name), which cannot sign by \(algorithm?.rawValue ?? "?"); it can by "
          + key.algorithms.map(\.rawValue).joined(separator: ", "))
    }
    self.algorithm = algorithm
    self.keyID = keyID
    do throws(Certificate.Failure) {
      self.certificate = if let certificate { try Certificate(pem: certificate) } else { nil }
    } catch {
      throw ClientAssertionFailure(
        reason: .notACertificate,
        message: error == .missing ? "there is no certificate in PEM" : "the certificate in PEM is damaged")
    }
    if let certificate = self.certificate, !key.isKey(of: certificate) {
      throw ClientAssertionFailure(
        reason: .otherCertificate, message: "the first certificate is not that of the private key")
    }
  }

  /// Whether both sign the same assertions.
  func isEqual(to other: ClientAssertionKey) -> Bool {
    key.isEqual(to: other.key) && algorithm == other.algorithm && keyID == other.keyID
      && certificate == other.certificate
  }

  /// Whether assertions name a certificate.
  var namesCertificate: Bool { certificate != nil }

  /// The warning about a certificate that expires within two weeks, or has expired; nil if there is none.
  func certificateWarning(unixTime: Double) -> String? {
    guard let end = certificate.map({ Double($0.notAfter) }), end - unixTime < 14 * 86_400 else { return nil }
    return "the certificate of client assertions \(end > unixTime ? "expires" : "expired") at \(Timestamp.rfc3339(end))"
  }

  /// Returns the key with an algorithm that the server accepts (`token_endpoint_auth_signing_alg_values_supported`, RFC
  /// 8414, 2). The key stays as it is if the settings name an algorithm, or if the server names no algorithm of the
  /// key.
  func signing(byOneOf supported: [String]?) -> ClientAssertionKey {
    let known = (supported ?? []).compactMap(SignatureAlgorithm.init(name:))
    guard !isChosen, !known.contains(algorithm), let other = key.algorithms.first(where: known.contains) else {
      return self
    }
    var copy = self
    copy.algorithm = other
    return copy
  }

  /// Makes a signed assertion (RFC 7523 section 3) for one use: its `jti` is random.
  ///
  /// - Parameters:
  ///   - clientID: `iss` and `sub`.
  ///   - audience: `aud`, the token endpoint or the issuer.
  ///   - unixTime: The present in seconds since 1970.
  ///   - lifetime: The time from `iat` to `exp` in whole seconds.
  /// - Throws: ``ClientAssertionFailure`` if the key cannot sign.
  public func assertion(
    clientID: String, audience: String, unixTime: Double, lifetime: Duration = .seconds(60)
  ) throws(ClientAssertionFailure) -> Secret {
    let now = Int64(unixTime)
    let payload = Payload(
      iss: clientID, sub: clientID, aud: audience, jti: Self.randomID(), iat: now,
      exp: now + lifetime.components.seconds)
    let header = Header(
      alg: algorithm.rawValue, typ: "JWT", kid: keyID, x5t: certificate.map { Base64URL.encode($0.sha1) },
      x5tS256: certificate.map { Base64URL.encode($0.sha256) })
    guard let header = try? JSONEncoder().encode(header), let payload = try? JSONEncoder().encode(payload),
      case let signed = "\(Base64URL.encode(header)).\(Base64URL.encode(payload))",
      let signature = key.signature(over: Array(signed.utf8), by: algorithm.scheme)
    else {
      throw ClientAssertionFailure(
        reason: .signing, message: "the private key (\(key.name)) could not sign the client assertion")
    }
    return Secret("\(signed).\(Base64URL.encode(signature))")
  }

  private struct Header: Encodable {
    let alg, typ: String
    let kid, x5t, x5tS256: String?

    enum CodingKeys: String, CodingKey {
      case alg, typ, kid, x5t
      case x5tS256 = "x5t#S256"
    }
  }

  private struct Payload: Encodable {
    let iss, sub, aud, jti: String
    let iat, exp: Int64
  }

  /// 128 random bits.
  private static func randomID() -> String {
    var generator = SystemRandomNumberGenerator()
    return Base64URL.encode((0..<16).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
  }
}

extension ClientAssertionKey: CustomReflectable, CustomStringConvertible {
  /// The algorithm and the `kid`, nothing of the key.
  public var description: String { "\(algorithm.rawValue) key" + (keyID.map { " \($0.quotedForMessage)" } ?? "") }
  /// A mirror without children, so that `dump` shows nothing.
  public var customMirror: Mirror { Mirror(self, children: []) }
}

extension PrivateKey {
  /// The type for messages.
  fileprivate var name: String {
    switch type {
    case .rsa: "RSA"
    case .ellipticCurve(let curve): "EC \(curve.rawValue)"
    case .ed25519: "Ed25519"
    }
  }

  /// The possible algorithms, the default first.
  fileprivate var algorithms: [SignatureAlgorithm] { SignatureAlgorithm.allCases.filter { $0.scheme.keyType == type } }
}

extension ClientAssertionFailure {
  fileprivate init(_ failure: PrivateKey.Failure) {
    switch failure {
    case .missing:
      self.init(
        reason: .notAPrivateKey,
        message: "there is no private key in PEM: expected a block that begins with \"-----BEGIN PRIVATE KEY-----\"")
    case .encrypted:
      self.init(
        reason: .encrypted,
        message: "the private key is protected by a passphrase; write it without one with "
          + "`openssl pkey -in FILE -out NEWFILE`, or hand it over as an encrypted systemd credential")
    case .unusable:
      self.init(
        reason: .notAPrivateKey,
        message: "the private key cannot be used: it must be RSA of at least 2048 bits, EC on P-256, P-384 or P-521, "
          + "or Ed25519, and undamaged; look at it with `openssl pkey -text -noout -in FILE`")
    }
  }
}

/// The reason why there is no client assertion.
public struct ClientAssertionFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The kinds of failure.
  public enum Reason: Hashable, Sendable {
    /// The text holds no private key in PEM that can sign.
    case notAPrivateKey
    /// The private key is protected by a passphrase.
    case encrypted
    /// The text for the certificate contains no readable certificate in PEM.
    case notACertificate
    /// The certificate belongs to another key.
    case otherCertificate
    /// The key cannot sign by the requested algorithm.
    case algorithmMismatch
    /// Signing failed.
    case signing
  }

  /// The kind of failure.
  public let reason: Reason
  /// What is wrong and what to do. One line of plain text, with nothing of the key.
  public let message: String

  /// The message.
  public var description: String { message }
}
