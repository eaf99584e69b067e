import Testing
@testable import Base
@testable import OAuth
@testable import Publication
@testable import Settings

/// Tokens of all visible characters in each format of a file.
@Suite struct TokenVariableTests {
  private static let plain = "abcXYZ019-._~+/="
  private static let special = ##"!"#$%&'()*,:;<>?@[\]^`{|}"##

  private func content(_ token: String, _ format: TokenOutput.Format) -> Secret {
    let claims = AccessTokenClaims(
      issuer: "https://a", subject: nil, audience: [], scopes: [], clientID: nil, issuedAt: 0, notBefore: nil,
      expiry: 60, tokenID: nil, keyID: nil, algorithm: nil, type: nil)
    let metadata = ServerMetadata(
      issuer: "https://a", tokenEndpoint: "https://a/token", jwksURI: nil, introspectionEndpoint: nil,
      revocationEndpoint: nil)
    let verified = VerifiedToken(
      accessToken: Secret(token), claims: claims, requestedAt: .now(), lifetime: .seconds(60), scope: [], skew: nil,
      clientAuthentication: ClientAuthentication(.post), context: VerificationContext(metadata: metadata, keys: nil))
    return RenderedToken.content(of: verified, as: TokenOutput(path: "/x", format: format, variable: "V"))
  }

  @Test(arguments: [
    (plain, "V=abcXYZ019-._~+/="), ("a!b", ##"V="a!b""##), ("\"", ##"V="\"""##), ("\\", ##"V="\\""##),
    ("$HOME`id`", ##"V="\$HOME\`id\`""##), ("'#;", ##"V="'#;""##), ("\\\"", ##"V="\\\"""##),
  ])
  func variable(_ token: String, _ line: String) {
    #expect(content(token, .env).exposed == line + "\n")
  }

  @Test(arguments: TokenOutput.Format.allCases)
  func theTokenIsFoundAgain(_ format: TokenOutput.Format) {
    let output = TokenOutput(path: "/x", format: format, variable: "V")
    let characters = Array(Self.plain + Self.special)
    #expect(Set(characters).isSuperset(of: Self.special) && Set(Self.special).isDisjoint(with: Self.plain))
    var tokens = [Self.plain, Self.special, "\"", "\"\"", "\\\\", "\"a", "a\"", "\\\"\\\""]
    for _ in 0..<500 { tokens.append(String((0..<12).map { _ in characters.randomElement() ?? "a" })) }
    for token in tokens {
      #expect(RenderedToken.token(in: content(token, format), as: output) == Secret(token), "\(format): \(token)")
    }
  }
}
