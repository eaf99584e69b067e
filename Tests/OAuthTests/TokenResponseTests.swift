import Testing
@testable import Base
@testable import OAuth

@Suite struct TokenResponseTests {
  private func failure(_ body: String) -> AcquisitionFailure? {
    do throws(AcquisitionFailure) {
      _ = try TokenResponse(parsing: Array(body.utf8))
      return nil
    } catch {
      return error
    }
  }

  @Test(
    arguments: [
      (#"{"access_token":"a","token_type":"Bearer"}"#, nil, nil),
      (#"{"access_token":"a","token_type":"bearer","expires_in":60,"scope":"x y"}"#, 60, ["x", "y"]),
      (
        #"{"access_token":"a","token_type":"Bearer","expires_in":"60","scope":["x","y"],"z":[{"a":1}]}"#, 60,
        ["x", "y"]
      ),
      (#"{"access_token":"a","token_type":"Bearer","expires_in":null,"scope":7}"#, nil, nil),
      ("\u{FEFF}" + #"{"access_token":"a","token_type":"Bearer"}"#, nil, nil),
    ] as [(String, Double?, [String]?)])
  func isRead(_ body: String, _ expiresIn: Double?, _ scope: [String]?) throws {
    let response = try TokenResponse(parsing: Array(body.utf8))
    #expect(response.accessToken == Secret("a"))
    #expect(response.expiresIn == expiresIn && response.scope == scope)
  }

  @Test(arguments: [
    #"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
    #"{"access_token":"a","\u0061ccess_token":"a","token_type":"Bearer"}"#,
    #"{"access_token":"a","token_type":"Bearer","expires_in":60,"expires_in":3600}"#,
    #"{"access_token":"a","token_type":"Bearer","x":[{"y":1,"y":2}]}"#,
  ])
  func duplicateMembersAreRefused(_ body: String) {
    let failure = failure(body)
    #expect(failure?.code == .malformedAnswer)
    #expect(failure?.message.contains("twice") == true)
  }

  @Test(arguments: [
    ("", FailureCode.malformedAnswer), ("[]", .malformedAnswer), ("<html>", .malformedAnswer),
    (#"{"token_type":"Bearer"}"#, .malformedAnswer), (#"{"access_token":7,"token_type":"Bearer"}"#, .malformedAnswer),
    (#"{"access_token":"a b","token_type":"Bearer"}"#, .unsendableToken), (#"{"access_token":"a"}"#, .tokenType),
    (#"{"access_token":"a","token_type":"mac"}"#, .tokenType),
    (#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#, .lifetime),
    (#"{"access_token":"a","token_type":"Bearer","expires_in":1e400}"#, .lifetime),
    (#"{"access_token":"a","token_type":"Bearer","expires_in":"soon"}"#, .lifetime),
    (#"{"access_token":"a","token_type":"Bearer","expires_in":true}"#, .lifetime),
    (#"{"access_token":"a","token_type":"Bearer","scope":"a\"b"}"#, .malformedAnswer),
  ])
  func isRefused(_ body: String, _ code: FailureCode) {
    #expect(failure(body)?.code == code)
  }
}
