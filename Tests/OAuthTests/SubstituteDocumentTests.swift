import FoundationEssentials
import TestSupport
import Testing
@testable import Base
@testable import OAuth

/// How long documents are used that cannot be read again.
@Suite(.timeLimit(.minutes(1))) struct SubstituteDocumentTests {
  private let issuer: TestIssuer

  init() throws {
    issuer = try TestIssuer()
    try issuer.answerKeys([.p256])
    try issuer.issue(by: .p256)
  }

  /// A client with the documents of a previous run, read so long ago.
  private func client(readBefore age: Duration) async throws -> AuthorizationServer {
    var context = try await issuer.client().acquire(issuer.request()).context
    #expect(context.readAt != nil)
    context.readAt = Moment.now().boot - age
    let client = issuer.client()
    await client.adopt(context)
    return client
  }

  /// Ways in which a document is unavailable. One of them is a response that is no document.
  static let faults: [(status: String, body: String, code: FailureCode)] = [
    ("200 OK", "<html>", .malformedAnswer), ("503 Service Unavailable", "", .serverError),
    ("404 Not Found", "", .documentRejected),
  ]

  @Test("a day after it was read, a key set is not used any more", arguments: faults)
  func keys(status: String, body: String, code: FailureCode) async throws {
    let recent = try await client(readBefore: .seconds(86_400 - 600))
    let old = try await client(readBefore: .seconds(86_400))
    issuer.answer("/keys", body, status: status)
    #expect(try await recent.acquire(issuer.request()).claims.keyID == "p256")
    let failure = await #expect(throws: AcquisitionFailure.self) { try await old.acquire(issuer.request()) }
    #expect(failure?.code == code)
    try issuer.answerKeys([.p256])
    #expect(try await old.acquire(issuer.request()).claims.keyID == "p256")
  }

  @Test("a day after it was read, a discovery document is not used any more", arguments: faults)
  func discovery(status: String, body: String, code: FailureCode) async throws {
    let recent = try await client(readBefore: .seconds(86_400 - 600))
    let old = try await client(readBefore: .seconds(86_400))
    issuer.answer("/.well-known/openid-configuration", body, status: status)
    issuer.answer("/.well-known/oauth-authorization-server", body, status: status)
    #expect(try await recent.acquire(issuer.request()).claims.keyID == "p256")
    let failure = await #expect(throws: AcquisitionFailure.self) { try await old.acquire(issuer.request()) }
    #expect(failure?.code == code)
  }

  @Test("each use extends the freshness, but not beyond the day")
  func extensions() async throws {
    let client = try await client(readBefore: .seconds(86_400 - 3))
    issuer.answer("/keys", "<html>")
    #expect(try await client.acquire(issuer.request()).claims.keyID == "p256")
    try await Task.sleep(for: .seconds(3))
    let failure = await #expect(throws: AcquisitionFailure.self) { try await client.acquire(issuer.request()) }
    #expect(failure?.code == .malformedAnswer)
  }

  @Test("the time of the reading survives a restart, and a 304 renews it")
  func readingTime() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    let client = try await client(readBefore: .seconds(3600))
    issuer.answer("/keys", "", status: "503 Service Unavailable")
    issuer.answer("/.well-known/openid-configuration", "", status: "503 Service Unavailable")
    let substituted = try await client.acquire(issuer.request()).context
    let age = Moment.now().boot - (try #require(substituted.readAt))
    #expect(age >= .seconds(3600) && age < .seconds(3700))
    let stored = try JSONDecoder().decode(VerificationContext.self, from: JSONEncoder().encode(substituted))
    #expect(stored == substituted)

    issuer.publish(keysAt: "/keys")
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    let other = issuer.client()
    _ = try await other.recheckKeys(timeout: .seconds(30))
    let middle = Moment.now().boot
    issuer.answer("/keys", "", status: "304 Not Modified")
    _ = try await other.recheckKeys(timeout: .seconds(30))
    #expect(try #require(await other.currentKeySet).readAt >= middle)
  }

  @Test("a context of an older version has no time of reading")
  func olderContext() async throws {
    struct Older: Encodable {
      var metadata: ServerMetadata
      var keys: KeySet?
    }
    let context = try await issuer.client().acquire(issuer.request()).context
    let stored = try JSONEncoder().encode(Older(metadata: context.metadata, keys: context.keys))
    let decoded = try JSONDecoder().decode(VerificationContext.self, from: stored)
    #expect(decoded.readAt == nil && decoded.keys == context.keys && decoded.metadata == context.metadata)
  }
}
