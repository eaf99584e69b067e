import Testing
@testable import Base
@testable import OAuth

@Suite struct TokenInspectionTests {
  private func token(_ header: String, _ claims: String, signature: String = "c2ln") -> [UInt8] {
    Array("\(Base64URL.encode(header.utf8)).\(Base64URL.encode(claims.utf8)).\(signature)".utf8)
  }

  @Test func showsEverythingButTheSignature() throws {
    let inspection = try TokenInspection(
      of: token(#"{"typ":"JWT","alg":"none"}"#, "{\"scope\":[\"a\",\n\t\"b\"],\"exp\":1, \"iss\":\"caf\u{E9}\"}"))
    #expect(inspection.header == [.init(name: "typ", json: #""JWT""#), .init(name: "alg", json: #""none""#)])
    #expect(
      inspection.claims == [
        .init(name: "scope", json: #"["a",  "b"]"#), .init(name: "exp", json: "1"),
        .init(name: "iss", json: "\"caf\u{E9}\""),
      ])
    #expect(inspection.signatureByteCount == 3)
    #expect(inspection.duplicates.isEmpty)
    var dumped = ""
    dump(inspection, to: &dumped)
    #expect(!dumped.contains("c2ln"))
  }

  @Test func escapesWhatWouldConfuseATerminal() throws {
    let inspection = try TokenInspection(
      of: token("{}", "{\"\u{9B}2J\\n\":\"\u{202E}x\u{7F}\u{2028}\u{E0001}\"}"))
    #expect(
      inspection.claims == [.init(name: #"\u009b2J\n"#, json: #""\u202ex\u007f\u2028\udb40\udc01""#)])
  }

  @Test func namesDuplicates() throws {
    let inspection = try TokenInspection(of: token(#"{"alg":1,"alg":2}"#, #"{"exp":1,"exp":2}"#))
    #expect(inspection.duplicates == ["alg", "exp"])
    #expect(inspection.claims.map(\.json) == ["1", "2"])
  }

  @Test(arguments: [
    ("2YotnFZFEjr1zCsicMWpAA", "it looks like an opaque token"), ("e30.e30.e30.e30.e30", "encrypted token (JWE)"),
    ("e30.W10.c2ln", "the token's claims set is not a JSON object"), ("e30.e30.", "its signature part is empty"),
  ])
  func tellsWhyNot(_ token: String, _ hint: String) throws {
    let failure = try #require(throws: VerificationFailure.self) { try TokenInspection(of: Array(token.utf8)) }
    #expect(failure.reason == .malformed)
    #expect(failure.message.contains(hint))
  }
}
