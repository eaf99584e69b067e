import Testing
@testable import Base
@testable import Publication
@testable import Settings

/// What the files of a token can hold.
@Suite struct RenderedTokenTests {
  /// No server can write settings of a program through a template.
  @Test(
    arguments: [
      "a\"; proxy_pass https://x; #", "a|b", "a!b", "a b", "a{b", "a$b", "a%b", "a\\b", "a'b", "a:b", "ä",
    ])
  func noTemplateHoldsOtherCharacters(_ token: String) {
    for format in TokenOutput.Format.allCases {
      let fault = RenderedToken.fault(of: Secret(token), as: TokenOutput(path: "/x", format: format))
      #expect((fault != nil) == (format == .template), "\(format)")
      #expect(fault?.contains(token) != true)
    }
  }

  @Test func aTemplateHoldsTokensOfRFC6750() {
    let token = "ABCXYZabcxyz0189-._~+/=="
    #expect(RenderedToken.fault(of: Secret(token), as: TokenOutput(path: "/x", format: .template)) == nil)
  }
}
