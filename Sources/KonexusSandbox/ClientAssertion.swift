import Crypto
import CryptoExtras
import SwiftASN1
import X509

/// The check of a client assertion for `private_key_jwt` (RFC 7523, section 3).
struct ClientAssertion {
  let state: ServerState

  struct Invalid: Error {
    var reason: String
  }

  /// The client that made the assertion. After this call, the same `jti` is rejected.
  func client(of text: String, clientID: String?) throws(Invalid) -> SandboxClient {
    guard let assertion = CompactJWT(text) else { throw Invalid(reason: "malformed") }
    let claims = assertion.claims
    guard let id = claims["iss"]?.string, claims["sub"]?.string == id else {
      throw Invalid(reason: "iss and sub differ")
    }
    guard clientID == nil || clientID == id else { throw Invalid(reason: "client_id differs from iss") }
    guard let client = state.withContents({ $0.clients.first { $0.id == id } }) else {
      throw Invalid(reason: "unknown client")
    }
    let algorithm = assertion.header["alg"]?.string ?? ""
    guard
      client.publicKeys.contains(where: {
        Self.isValid(assertion.signature, for: assertion.signingInput, key: $0, algorithm: algorithm)
      })
    else { throw Invalid(reason: "signature") }
    if state.settings.requiresCertificateThumbprint {
      guard Self.names(assertion.header, oneOf: client.certificates) else { throw Invalid(reason: "x5t") }
    }
    let audiences = CompactJWT.audiences(of: claims)
    let accepted = [state.issuer] + Discovery(state: state).tokenEndpoints
    guard audiences.contains(where: accepted.contains) else { throw Invalid(reason: "aud") }
    let now = state.now
    guard let end = CompactJWT.time(claims, "exp"), end > now else { throw Invalid(reason: "expired") }
    guard (CompactJWT.time(claims, "nbf") ?? now) <= now + 60 else { throw Invalid(reason: "not yet valid") }
    guard let identifier = claims["jti"]?.string else { throw Invalid(reason: "no jti") }
    let isNew = state.withContents { contents in
      contents.usedAssertions = contents.usedAssertions.filter { $0.value > now }
      return contents.usedAssertions.updateValue(end, forKey: "\(id) \(identifier)") == nil
    }
    guard isNew else { throw Invalid(reason: "jti was used before") }
    return client
  }

  /// The members of an assertion that are in the log of requests.
  static func summary(of assertion: CompactJWT) -> [String: String] {
    var summary: [String: String] = [:]
    for name in ["alg", "kid", "x5t", "x5t#S256"] { summary[name] = assertion.header[name]?.string }
    summary["aud"] = CompactJWT.audiences(of: assertion.claims).joined(separator: " ")
    return summary
  }

  /// Whether each thumbprint in a header is that of one of these certificates (RFC 7515, 4.1.7 and 4.1.8).
  private static func names(_ header: JSON, oneOf certificates: [String]) -> Bool {
    let (sha1, sha256) = (header["x5t"]?.string, header["x5t#S256"]?.string)
    guard sha1 != nil || sha256 != nil else { return false }
    return certificates.contains { pem in
      guard let certificate = try? Certificate(pemEncoded: pem) else { return false }
      var serializer = DER.Serializer()
      guard (try? serializer.serialize(certificate)) != nil else { return false }
      let names = (
        Base64URL.encode(Insecure.SHA1.hash(data: serializer.serializedBytes)),
        Base64URL.encode(SHA256.hash(data: serializer.serializedBytes))
      )
      return sha1 ?? names.0 == names.0 && sha256 ?? names.1 == names.1
    }
  }

  private static func isValid(_ signature: [UInt8], for input: [UInt8], key pem: String, algorithm: String) -> Bool {
    guard let key = try? Certificate.PublicKey(pemEncoded: pem) else { return false }
    switch algorithm {
    case "RS256", "PS256":
      return _RSA.Signing.PublicKey(key)?.isValidSignature(
        .init(rawRepresentation: signature), for: SHA256.hash(data: input),
        padding: algorithm == "PS256" ? .PSS : .insecurePKCS1v1_5) ?? false
    case "ES256":
      guard let signature = try? P256.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
      return P256.Signing.PublicKey(key)?.isValidSignature(signature, for: input) ?? false
    case "ES384":
      guard let signature = try? P384.Signing.ECDSASignature(rawRepresentation: signature) else { return false }
      return P384.Signing.PublicKey(key)?.isValidSignature(signature, for: input) ?? false
    case "EdDSA":
      return Curve25519.Signing.PublicKey(key)?.isValidSignature(signature, for: input) ?? false
    default:
      return false
    }
  }
}
