import Testing
@testable import Base
@testable import OAuth

/// What a server says of secrets does not reach a message.
@Suite struct RedactionTests {
  private func redacted(_ message: String, _ secrets: [String]) -> String {
    AcquisitionFailure(.oauthError, message).without(secrets.map { Secret($0) }).message
  }

  @Test func wholeSecrets() {
    #expect(redacted("you sent hunter-two!, wrong", ["hunter-two!"]) == "you sent (secret), wrong")
    #expect(redacted("hunter-two!hunter-two!", ["hunter-two!"]) == "(secret)")
    #expect(redacted("ünsinn hunter-two!", ["hunter-two!", "ünsinn"]) == "(secret) (secret)")
    #expect(redacted("nothing of it", ["hunter-two!"]) == "nothing of it")
    #expect(redacted("", ["hunter-two!"]) == "")
  }

  @Test("a secret that a message shows with escapes")
  func escapedOnes() {
    let secret = "пароль-\"сервера\""
    #expect(redacted("the issuer is \(secret.quotedForMessage)", [secret]) == "the issuer is \"(secret)\"")
    #expect(
      redacted("the type is \(Printable.quoted("a\u{1b}b-secret"))", ["a\u{1b}b-secret"]) == "the type is '(secret)'")
  }

  @Test func partsOfLongOnes() {
    let token = (0..<200).map { "\($0)." }.joined()
    #expect(redacted("the type is '\(token.prefix(64))…'", [token]) == "the type is '(secret)…'")
    #expect(redacted("the type is '\(token.suffix(20))'", [token]) == "the type is '(secret)'")
    #expect(redacted("the type is '\(token.dropFirst(50).prefix(15))'", [token]).contains("(secret)") == false)
  }

  @Test func shortOnesDoNotSpoilEveryMessage() {
    #expect(redacted("the token endpoint answered 400", ["token", "", "a"]) == "the token endpoint answered 400")
  }

  /// A server can put a secret that it knows into the URL of an endpoint.
  @Test func requestWithASecret() {
    var failure = AcquisitionFailure(.serverError, "no")
    failure.request = FailedRequest(url: "https://auth.example/hunter-two!/keys")
    #expect(failure.without([Secret("hunter-two!")]).request == nil)
    #expect(failure.without([Secret("hunter-one!")]) == failure)
  }

  @Test func everyFormOfASecret() {
    let request = TokenRequest(
      clientID: "gauge one", credentials: ClientCredentials(secrets: [Secret("s3cret/with+odd&chars=%"), nil]),
      scope: [],
      policy: AccessTokenPolicy(issuer: "https://a", audience: ["x"], clientID: "gauge one", scopes: []),
      timeout: .seconds(1))
    let forms = request.sensitive.map(\.exposed)
    #expect(
      forms == [
        "s3cret/with+odd&chars=%", "s3cret%2Fwith%2Bodd%26chars%3D%25",
        "Z2F1Z2Urb25lOnMzY3JldCUyRndpdGglMkJvZGQlMjZjaGFycyUzRCUyNQ==", "Z2F1Z2Ugb25lOnMzY3JldC93aXRoK29kZCZjaGFycz0l",
      ])
    for form in forms { #expect(redacted("<\(form)>", forms) == "<(secret)>") }
  }

  @Test func otherValuesThatAreNobodyElses() {
    let request = TokenRequest(
      clientID: "gauge", credentials: ClientCredentials(secrets: []), scope: [],
      parameters: [("api_key", "k-0123/4567")], confidential: [Secret("k-0123/4567")],
      policy: AccessTokenPolicy(issuer: "https://a", audience: ["x"], clientID: "gauge", scopes: []),
      timeout: .seconds(1))
    #expect(request.sensitive.map(\.exposed) == ["k-0123/4567", "k-0123%2F4567"])
  }
}
