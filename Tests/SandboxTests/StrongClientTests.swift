import Crypto
import CryptoExtras
import FoundationEssentials
import JWTKit
import KonexusSandbox
import Testing

@Suite("Clients prove themselves by keys and certificates")
struct StrongClientTests {
  @Test("private_key_jwt: a right assertion, once")
  func assertion() async throws {
    let key = ES256PrivateKey()
    try await withClient(publicKey: key.publicKey.pemRepresentation) { sandbox, curl in
      let signer = JWTKeyCollection()
      await signer.add(ecdsa: key)
      for audience in [sandbox.issuer, sandbox.issuer + "/connect/token"] {
        let assertion = try await signer.sign(Assertion(audience: audience))
        #expect(await ask(sandbox, curl, assertion).status == 200)
        #expect(await ask(sandbox, curl, assertion).status == 400, "the jti was used")
      }
      #expect(sandbox.requests.first?.authentication == "private_key_jwt")
      let methods = await curl(sandbox.issuer + "/.well-known/openid-configuration")
        .json?["token_endpoint_auth_methods_supported"]
      #expect(methods?.array?.contains("private_key_jwt") == true)
    }
  }

  @Test("private_key_jwt: whatever is wrong, it is refused, and the log tells why")
  func wrongAssertions() async throws {
    let key = ES256PrivateKey()
    try await withClient(publicKey: key.publicKey.pemRepresentation) { sandbox, curl in
      let signer = JWTKeyCollection()
      await signer.add(ecdsa: key)
      let stranger = JWTKeyCollection()
      await stranger.add(ecdsa: ES256PrivateKey())
      let wrong: [(String, String)] = [
        (try await signer.sign(Assertion(audience: "https://elsewhere.example")), "aud"),
        (try await signer.sign(Assertion(audience: sandbox.issuer, life: -10)), "expired"),
        (try await signer.sign(Assertion(audience: sandbox.issuer, subject: "other")), "iss and sub differ"),
        (
          try await signer.sign(Assertion(issuer: "other", audience: sandbox.issuer, subject: "other")),
          "client_id differs"
        ),
        (try await stranger.sign(Assertion(audience: sandbox.issuer)), "signature"),
        ("nonsense", "malformed"),
      ]
      for (assertion, reason) in wrong {
        let answer = await ask(sandbox, curl, assertion)
        #expect(answer.json == ["error": "invalid_client"])
        #expect(sandbox.requests.last?.refusal?.contains(reason) == true, "\(sandbox.requests.last?.refusal ?? "")")
      }
    }
  }

  @Test("private_key_jwt by RSA and Ed25519 keys too")
  func otherKeys() async throws {
    let rsa = try Insecure.RSA.PrivateKey(backing: _RSA.Signing.PrivateKey(keySize: .bits2048))
    try await withClient(publicKey: rsa.publicKey.pemRepresentation) { sandbox, curl in
      let signer = JWTKeyCollection()
      await signer.add(rsa: rsa, digestAlgorithm: .sha256, kid: "rs")
      await signer.add(pss: rsa, digestAlgorithm: .sha256, kid: "ps")
      for kid in ["rs", "ps"] {
        let assertion = try await signer.sign(Assertion(audience: sandbox.issuer), kid: JWKIdentifier(string: kid))
        #expect(await ask(sandbox, curl, assertion).status == 200)
      }
    }
    let edward = Curve25519.Signing.PrivateKey()
    // SubjectPublicKeyInfo of Ed25519: a fixed head, then the key (RFC 8410).
    let info: [UInt8] =
      [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00] + edward.publicKey.rawRepresentation
    let pem = "-----BEGIN PUBLIC KEY-----\n\(base64(info))\n-----END PUBLIC KEY-----\n"
    try await withClient(publicKey: pem) { sandbox, curl in
      let signer = JWTKeyCollection()
      await signer.add(
        eddsa: EdDSA.PrivateKey(backing: edward))
      let assertion = try await signer.sign(Assertion(audience: sandbox.issuer))
      #expect(await ask(sandbox, curl, assertion).status == 200)
    }
  }

  @Test("tls_client_auth and self_signed_tls_client_auth, at the listener that discovery names")
  func certificates() async throws {
    let own = try Sandbox.makeSelfSignedCertificate(name: "gauge")
    var options = SandboxOptions.quick
    options.mutualTLSPort = 0
    options.clients = [
      SandboxClient(id: "named", certificateName: "river gauge"),
      SandboxClient(id: "pinned", certificates: [own.certificatePEM]),
    ]
    try await withSandbox(options) { sandbox, curl in
      let document = await curl(sandbox.issuer + "/.well-known/openid-configuration").json
      let methods = document?["token_endpoint_auth_methods_supported"]?.array ?? []
      #expect(methods.contains("tls_client_auth") && methods.contains("self_signed_tls_client_auth"))
      let url = try #require(document?["mtls_endpoint_aliases"]?["token_endpoint"]?.string)
      #expect(url != document?["token_endpoint"]?.string)
      let named = try ClientCertificateFiles(sandbox.issueClientCertificate(name: "river gauge"))
      let misnamed = try ClientCertificateFiles(sandbox.issueClientCertificate(name: "other gauge"))
      let forged = try ClientCertificateFiles(Sandbox.makeSelfSignedCertificate(name: "river gauge"))
      let pinned = try ClientCertificateFiles(own)
      let cases: [(String, ClientCertificateFiles, Int)] = [
        ("named", named, 200), ("named", misnamed, 400), ("named", forged, 400), ("named", pinned, 400),
        ("pinned", pinned, 200), ("pinned", named, 400), ("nobody", named, 400),
      ]
      for (id, files, status) in cases {
        let answer = await curl.run(
          [url, "--data", "grant_type=client_credentials&client_id=\(id)"] + files.arguments)
        #expect(answer.status == status, "\(id)")
      }
      #expect(
        sandbox.requests.compactMap(\.authentication) == ["tls_client_auth", "self_signed_tls_client_auth"])
      #expect(await curl(url, "--data", "grant_type=client_credentials&client_id=named").status == 0)
    }
  }

  private func withClient(publicKey: String, _ body: (Sandbox, Curl) async throws -> Void) async throws {
    var options = SandboxOptions.quick
    options.clients = [SandboxClient(id: "gauge", publicKeys: [publicKey])]
    try await withSandbox(options, body)
  }

  private func ask(_ sandbox: Sandbox, _ curl: Curl, _ assertion: String) async -> CurlResult {
    await curl(
      sandbox.issuer + "/connect/token", "--data",
      "grant_type=client_credentials&client_id=gauge&client_assertion=\(assertion)"
        + "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer")
  }

  private struct Assertion: JWTPayload {
    var iss: String
    var sub: String
    var aud: String
    var exp: ExpirationClaim
    var jti: String

    init(issuer: String = "gauge", audience: String, subject: String = "gauge", life: Double = 60) {
      iss = issuer
      sub = subject
      aud = audience
      exp = ExpirationClaim(value: .init(timeIntervalSinceNow: life))
      jti = "\(UInt64.random(in: .min ... .max))"
    }

    func verify(using algorithm: some JWTAlgorithm) throws {}
  }
}

private func base64(_ bytes: [UInt8]) -> String {
  let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  return stride(from: 0, to: bytes.count, by: 3).map { start in
    let group = bytes[start..<min(start + 3, bytes.count)]
    let bits = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << (8 * UInt32(3 - group.count))
    let characters = (0..<4).map { alphabet[Int(bits >> (18 - 6 * UInt32($0)) & 63)] }
    return String(characters[...group.count]) + String(repeating: "=", count: 3 - group.count)
  }.joined()
}
