import FoundationEssentials
import Testing
@testable import Base
@testable import OAuth

/// RFC 6749, section 3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
@Suite struct ScopeNamesTests {
  @Test(arguments: ["tamarack", "tamarack content", "directory:public", "!#[]~", "https://api.example/read", ""])
  func takesScopes(_ text: String) throws {
    let names = text.split(separator: " ").map(String.init)
    #expect(try response(scope: [text]).scope == names)
    #expect(try claims(scope: [text]).grantedScopes() == names)
  }

  @Test func takesArraysOfNames() throws {
    #expect(try response(scope: ["tamarack", "content"], isArray: true).scope == ["tamarack", "content"])
    #expect(
      try claims(scope: ["tamarack", "elm content"], isArray: true).grantedScopes() == ["tamarack", "elm", "content"])
  }

  static let bad = [
    "\"", "\\", "\u{7F}", "\t", "\n", "\u{0}", "\u{1B}]0;OWNED\u{7}", "\u{9B}31m", "\u{202E}", "é", "\u{200B}",
  ]

  @Test(arguments: bad, [false, true])
  func refusesOtherCharacters(_ text: String, isArray: Bool) throws {
    let scope = ["tamarack \(text)"]
    let answer = try #require(throws: AcquisitionFailure.self) { try response(scope: scope, isArray: isArray) }
    #expect(answer.code == .malformedAnswer)
    let claim = try #require(throws: VerificationFailure.self) {
      try claims(scope: scope, isArray: isArray).grantedScopes()
    }
    #expect(claim.reason == .scopeSyntax && AcquisitionFailure(claim, clockSkew: nil).code == .malformedAnswer)
    for message in [answer.message, claim.message] {
      #expect(message.contains("RFC 6749, section 3.3") && !message.contains("tamarack"), "\(message)")
      #expect(message.utf8.allSatisfy { (0x20...0x7e).contains($0) }, "\(message)")
    }
  }

  @Test func refusesMoreThanAnyServerMeans() throws {
    let scope = [String](repeating: "a", count: 40_000).joined(separator: " ")
    let failure = try #require(throws: AcquisitionFailure.self) { try response(scope: [scope]) }
    #expect(failure.code == .malformedAnswer)
  }

  private func response(scope: [String], isArray: Bool = false) throws -> TokenResponse {
    try TokenResponse(parsing: Array(json(scope, isArray, "\"access_token\":\"a.b.c\",\"token_type\":\"Bearer\",")))
  }

  private func claims(scope: [String], isArray: Bool = false) throws -> ClaimsBody {
    try ClaimsBody(TokenPart("claims set", Array(json(scope, isArray, ""))))
  }

  private func json(_ scope: [String], _ isArray: Bool, _ members: String) throws -> Data {
    let value = try isArray ? JSONEncoder().encode(scope) : JSONEncoder().encode(scope.joined(separator: " "))
    return Data("{\(members)\"scope\":".utf8) + value + Data("}".utf8)
  }
}
