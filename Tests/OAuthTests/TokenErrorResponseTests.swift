import Testing
@testable import Base
@testable import OAuth

@Suite("What a token endpoint says of an error is told, but never the secret")
struct TokenErrorResponseTests {
  static let secret = "s3cret/with+odd&chars=% 9"

  private func message(_ error: String, _ description: String?) throws -> String {
    func json(_ text: String) -> String { "\"" + text.replacing("\"", with: "\\\"") + "\"" }
    let body = #"{"error":\#(json(error))"# + (description.map { #","error_description":\#(json($0))"# } ?? "") + "}"
    let parsed = try #require(TokenErrorResponse(parsing: Array(body.utf8)))
    return parsed.failure(status: 400, retryAfter: nil, secrets: [Secret("other"), Secret(Self.secret)]).message
  }

  @Test("an ordinary one, word for word")
  func ordinary() throws {
    #expect(
      try message("invalid_client", "no such client")
        == "the token endpoint answered 400 'invalid_client': 'no such client'")
    #expect(try message("invalid_client", nil) == "the token endpoint answered 400 'invalid_client'")
  }

  @Test(
    "one that quotes the secret, as it is or as the form had it",
    arguments: ["wrong secret: \(secret)", "bad form: client_secret=s3cret%2Fwith%2Bodd%26chars%3D%25+9&scope=x"])
  func quoting(text: String) throws {
    for message in [try message("invalid_client", text), try message(text, nil)] {
      #expect(!message.contains("s3cret"), "\(message)")
      #expect(message.contains("(a text that quotes the client secret)"), "\(message)")
    }
  }
}
