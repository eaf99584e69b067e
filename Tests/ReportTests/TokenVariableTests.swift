import Testing
@testable import Base
@testable import OAuth
@testable import Publication
@testable import Settings

/// Tokens of all visible characters in a file of a variable.
@Suite struct TokenVariableTests {
  private static let plain = "abcXYZ019-._~+/="

  private func content(_ token: String) -> Secret {
    let claims = AccessTokenClaims(
      issuer: "https://a", subject: nil, audience: [], scopes: [], clientID: nil, issuedAt: 0, notBefore: nil,
      expiry: 60, tokenID: nil, keyID: nil, algorithm: nil, type: nil)
    let metadata = ServerMetadata(
      issuer: "https://a", tokenEndpoint: "https://a/token", jwksURI: nil, introspectionEndpoint: nil,
      revocationEndpoint: nil)
    let verified = VerifiedToken(
      accessToken: Secret(token), claims: claims, requestedAt: .now(), lifetime: .seconds(60), scope: [], skew: nil,
      clientAuthentication: ClientAuthentication(.post), context: VerificationContext(metadata: metadata, keys: nil))
    return RenderedToken.content(of: verified, as: TokenOutput(path: "/x", format: .env, variable: "V"))
  }

  @Test(arguments: [
    (plain, "V=abcXYZ019-._~+/="), ("a!b", ##"V="a!b""##), ("\"", ##"V="\"""##), ("\\", ##"V="\\""##),
    ("$HOME`id`", ##"V="\$HOME\`id\`""##), ("'#;", ##"V="'#;""##), ("\\\"", ##"V="\\\"""##),
  ])
  func variable(_ token: String, _ line: String) {
    #expect(content(token).exposed == line + "\n")
  }
}
