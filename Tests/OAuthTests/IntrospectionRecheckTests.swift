import Glibc
import TestSupport
import Testing
@testable import Base
@testable import OAuth

/// Held tokens about which the server is asked again.
@Suite(.timeLimit(.minutes(1))) struct IntrospectionRecheckTests {
  private static let token = "opaque-token-0123456789-abcdefghij"
  private static let limit = Duration.seconds(30)

  private let issuer: TestIssuer
  private let client: AuthorizationServer

  init() throws {
    issuer = try TestIssuer()
    client = issuer.client()
    issuer.answer("/token", #"{"access_token":"\#(Self.token)","token_type":"Bearer","expires_in":3600}"#)
    issuer.answer("/introspect", #"{"active":true}"#)
  }

  private func held() async throws -> VerifiedToken { try await client.acquire(issuer.request(.introspection)) }

  private func recheck(_ token: VerifiedToken, timeout: Duration = limit) async throws -> IntrospectionCheck {
    try await client.recheckByIntrospection(of: token, as: issuer.request(.introspection), timeout: timeout)
  }

  private func failure(_ token: VerifiedToken, timeout: Duration = limit) async throws -> AcquisitionFailure {
    let failure = await #expect(throws: AcquisitionFailure.self) { try await recheck(token, timeout: timeout) }
    let unwrapped = try #require(failure)
    #expect(!unwrapped.message.contains(Self.token.prefix(16)) && !unwrapped.message.contains(TestIssuer.secret))
    return unwrapped
  }

  @Test(arguments: [
    (#"{"active":true}"#, IntrospectionCheck.active), (#"{"active":false}"#, .inactive),
    (#"{"active":true,"exp":1,"scope":"other","client_id":"other","aud":5}"#, .active),
    (#"{"active":false,"exp":9999999999}"#, .inactive),
  ])
  func answers(_ body: String, _ expected: IntrospectionCheck) async throws {
    let token = try await held()
    issuer.answer("/introspect", body)
    #expect(try await recheck(token) == expected)
    let requests = issuer.requests("/introspect")
    #expect(requests.count == 2)
    let form = String(decoding: try #require(requests.last).body, as: UTF8.self)
    #expect(form.hasPrefix("token=\(Self.token)&token_type_hint=access_token"))
    #expect(requests.last?.header("Authorization") == requests.first?.header("Authorization"))
    #expect(issuer.requests("/token").count == 1)
    #expect(issuer.requests("/.well-known/openid-configuration").count == 1)
  }

  @Test(arguments: [
    "", "{}", "[]", "<html>\(token)", #"{"active":"true"}"#, #"{"active":1}"#, #"{"active":null}"#,
    #"{"active":false,"active":true}"#, #"{"active":true,"\#(token)":1,"\#(token)":2}"#,
  ])
  func malformed(_ body: String) async throws {
    let token = try await held()
    issuer.answer("/introspect", body)
    #expect(try await failure(token).code == .malformedAnswer)
  }

  @Test(arguments: [
    ("503 Service Unavailable", FailureCode.serverError), ("429 Too Many Requests", .tooManyRequests),
    ("302 Found", .redirect), ("404 Not Found", .rejected), ("401 Unauthorized", .rejected),
  ])
  func outages(_ status: String, _ code: FailureCode) async throws {
    let token = try await held()
    issuer.answer("/introspect", #"{"active":false}"#, status: status, headers: ["Location: /elsewhere"])
    #expect(try await failure(token).code == code)
    #expect(issuer.requests("/elsewhere").isEmpty)
  }

  @Test(
    "a rejection of the client says nothing about the token, and can quote secrets",
    arguments: [TestIssuer.secret, token, String(token.suffix(20))])
  func rejectedClient(_ quoted: String) async throws {
    let token = try await held()
    issuer.answer(
      "/introspect", #"{"error":"invalid_client","error_description":"no \#(quoted)"}"#, status: "401 Unauthorized")
    let failure = try await failure(token)
    #expect(failure.code == .invalidClient && !failure.message.contains(quoted))
  }

  @Test func silence() async throws {
    let token = try await held()
    let isReleased = Flag()
    issuer.answer("/introspect") { _ in
      while !isReleased.isSet { usleep(1000) }
      return .init()
    }
    let failure = try await failure(token, timeout: .milliseconds(300))
    isReleased.set()
    #expect(failure.code == .timeout)
  }

  @Test("an endpoint that has moved is found")
  func moved() async throws {
    let token = try await held()
    issuer.publish(keysAt: "/keys", introspectionAt: "/moved")
    issuer.answer("/introspect", "", status: "404 Not Found")
    issuer.answer("/moved", #"{"active":false}"#)
    #expect(try await recheck(token) == .inactive)
  }

  @Test func noEndpoint() async throws {
    let token = try await held()
    let document = json(["issuer": "\"\(issuer.url)\"", "token_endpoint": "\"\(issuer.url)/token\""])
    issuer.answer("/.well-known/openid-configuration", document)
    let other = issuer.client()
    let failure = await #expect(throws: AcquisitionFailure.self) {
      try await other.recheckByIntrospection(of: token, as: issuer.request(.introspection), timeout: Self.limit)
    }
    #expect(failure?.code == .discoveryIncomplete)
  }
}
