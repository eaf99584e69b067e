import Glibc
import TestSupport
import Testing
@testable import Base
@testable import OAuth

/// New readings of the key set, conditional or not.
@Suite(.timeLimit(.minutes(1))) struct KeySetRecheckTests {
  private static let date = "Date: Mon, 23 Nov 2026 01:00:00 GMT"
  private static let modified = "Mon, 23 Nov 2026 00:00:00 GMT"
  private static let limit = Duration.seconds(30)

  private let issuer: TestIssuer
  private let client: AuthorizationServer

  init() throws {
    issuer = try TestIssuer()
    client = issuer.client()
    try issuer.answerKeys([.p256, .ed25519])
  }

  private func conditions() throws -> [String?] {
    let request = try #require(issuer.requests("/keys").last)
    return ["If-None-Match", "If-Modified-Since"].map { request.header($0) }
  }

  private func failure() async throws -> AcquisitionFailure {
    let failure = await #expect(throws: AcquisitionFailure.self) { try await client.recheckKeys(timeout: Self.limit) }
    return try #require(failure)
  }

  // MARK: Conditions

  @Test("a 304 keeps the keys and renews their freshness")
  func notModified() async throws {
    let body = try TestIssuer.keySet([.p256, .ed25519])
    issuer.answer("/keys") { request in
      guard request.header("If-None-Match") == #""v1""# else {
        return .init(
          headers: [
            "ETag: \"v1\"", "Last-Modified: \(Self.modified)", Self.date, "Cache-Control: max-age=600",
          ], body: body)
      }
      return .init(status: "304 Not Modified", headers: ["ETag: W/\"v1\"", "Cache-Control: max-age=30"])
    }
    let first = try await client.recheckKeys(timeout: Self.limit)
    #expect(try conditions() == [nil, nil])
    #expect(first.isModified && first.keys.count == 2 && first.freshness == .seconds(600))
    for _ in 0..<2 {
      let second = try await client.recheckKeys(timeout: Self.limit)
      #expect(try conditions() == [#""v1""#, Self.modified])
      #expect(!second.isModified && second.keys == first.keys && second.freshness == .seconds(30))
    }
    #expect(issuer.requests("/keys").count == 3)
    #expect(issuer.requests("/.well-known/openid-configuration").count == 1)
    // Other keys, and another tag.
    try issuer.answerKeys([.ed25519], headers: ["ETag: \"v2\""])
    let third = try await client.recheckKeys(timeout: Self.limit)
    #expect(third.isModified && third.keys.count == 1 && third.freshness == nil)
    _ = try await client.recheckKeys(timeout: Self.limit)
    #expect(try conditions() == [#""v2""#, nil])
  }

  @Test("a 304 that states no freshness leaves the former one")
  func silentNotModified() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\"", "Cache-Control: max-age=600"])
    _ = try await client.recheckKeys(timeout: Self.limit)
    issuer.answer("/keys", "", status: "304 Not Modified")
    #expect(try await client.recheckKeys(timeout: Self.limit).freshness == .seconds(600))
    issuer.answer("/keys", "", status: "304 Not Modified", headers: ["Cache-Control: no-store"])
    #expect(try await client.recheckKeys(timeout: Self.limit).freshness == .zero)
  }

  @Test("a 304 about another key set is not believed")
  func notModifiedOfAnother() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    _ = try await client.recheckKeys(timeout: Self.limit)
    let body = try TestIssuer.keySet([.ed25519])
    issuer.answer("/keys") { request in
      request.header("If-None-Match") == nil
        ? .init(body: body) : .init(status: "304 Not Modified", headers: ["ETag: \"b\""])
    }
    let check = try await client.recheckKeys(timeout: Self.limit)
    let expected = try Sample.keySet([SigningKey.ed25519.jwk()])
    #expect(check.isModified && check.keys == expected)
    #expect(issuer.requests("/keys").count == 3)
  }

  @Test("a 304 without a condition is no response")
  func unaskedNotModified() async throws {
    issuer.answer("/keys", "", status: "304 Not Modified")
    #expect(try await failure().code == .documentRejected)
    try issuer.answerKeys([.p256])
    _ = try await client.recheckKeys(timeout: Self.limit)
    issuer.answer("/keys", "", status: "304 Not Modified")
    #expect(try await failure().code == .documentRejected)
    #expect(await client.currentKeySet?.keys.count == 1)
  }

  @Test(
    "hostile validators are not sent back",
    arguments: [
      "ETag: *", "ETag: \"a\", \"b\"", "ETag: \"a\r\n\tX-Evil: b\"", "ETag: a", "ETag: \"\u{1b}[2J\"", "ETag: \"é\"",
      "ETag: \"a\"\r\nETag: \"b\"", "ETag: \"\(String(repeating: "x", count: 30_000))\"", "Last-Modified: \(modified)",
      "Last-Modified: *\r\n\(date)",
    ])
  func hostileValidators(_ headers: String) async throws {
    try issuer.answerKeys([.p256], headers: [headers])
    for _ in 0..<2 {
      #expect(try await client.recheckKeys(timeout: Self.limit).keys.count == 1)
      #expect(try conditions() == [nil, nil])
      #expect(issuer.requests("/keys").last?.header("X-Evil") == nil)
    }
  }

  @Test("a condition that is rejected is not sent again")
  func rejectedCondition() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    _ = try await client.recheckKeys(timeout: Self.limit)
    issuer.answer("/keys", "", status: "412 Precondition Failed")
    #expect(try await failure().code == .documentRejected)
    #expect(try conditions() == [#""a""#, nil])
    try issuer.answerKeys([.p256], headers: ["ETag: \"b\""])
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified == false)
    #expect(try conditions() == [nil, nil])
  }

  @Test("an outage does not cost the validators")
  func outage() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    _ = try await client.recheckKeys(timeout: Self.limit)
    issuer.answer("/keys", "", status: "503 Service Unavailable", headers: ["Retry-After: 7"])
    let failure = try await failure()
    #expect(failure.code == .serverError && failure.retryAfter == .seconds(7))
    _ = try? await client.recheckKeys(timeout: Self.limit)
    #expect(try conditions() == [#""a""#, nil])
  }

  @Test("the conditions of one location are not sent to another")
  func moved() async throws {
    try issuer.answerKeys([.p256], headers: ["ETag: \"a\""])
    _ = try await client.recheckKeys(timeout: Self.limit)
    issuer.publish(keysAt: "/moved")
    try issuer.answerKeys([.ed25519], at: "/moved", headers: ["ETag: \"a\""])
    issuer.answer("/keys", "", status: "404 Not Found")
    let check = try await client.recheckKeys(timeout: Self.limit)
    let expected = try Sample.keySet([SigningKey.ed25519.jwk()])
    #expect(check.isModified && check.keys == expected)
    #expect(issuer.requests("/moved").map { $0.header("If-None-Match") } == [nil])
    _ = try await client.recheckKeys(timeout: Self.limit)
    #expect(issuer.requests("/moved").last?.header("If-None-Match") == #""a""#)
    #expect(issuer.requests("/.well-known/openid-configuration").count == 2)
  }

  @Test("an unknown key has the key set read without conditions: some servers change it and keep its ETag")
  func unchangedTag() async throws {
    let isRotated = Flag()
    let bodies = (try TestIssuer.keySet([.p256]), try TestIssuer.keySet([.ed25519]))
    issuer.answer("/keys") { request in
      guard request.header("If-None-Match") == nil else { return .init(status: "304 Not Modified") }
      return .init(headers: ["ETag: \"a\""], body: isRotated.isSet ? bodies.1 : bodies.0)
    }
    try issuer.issue(by: .p256)
    _ = try await client.acquire(issuer.request())
    isRotated.set()
    try issuer.issue(by: .ed25519)
    #expect(try await client.acquire(issuer.request()).claims.keyID == "ed25519")
  }

  // MARK: Key sets

  @Test(
    arguments: [
      ("Cache-Control: max-age=60", .seconds(60)), ("Cache-Control: max-age=999999", .seconds(999_999)),
      ("Cache-Control: no-cache", .zero), ("Cache-Control: public", nil), ("X: y", nil),
      ("Cache-Control: max-age=60\r\nAge: 50", .seconds(10)),
    ] as [(String, Duration?)])
  func freshness(_ header: String, _ freshness: Duration?) async throws {
    try issuer.answerKeys([.p256], headers: [header])
    #expect(try await client.recheckKeys(timeout: Self.limit).freshness == freshness)
    #expect(await client.currentKeySet?.freshness == freshness)
  }

  @Test("the order of the keys is no modification, any other difference is one")
  func order() async throws {
    _ = try await client.recheckKeys(timeout: Self.limit)
    try issuer.answerKeys([.ed25519, .p256])
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified == false)
    try issuer.answerKeys([.ed25519, SigningKey(material: .p256(.init()), kid: "p256", algorithm: "ES256")])
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified)
    try issuer.answerKeys([.ed25519])
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified)
  }

  @Test(
    "a key set that cannot be used is a failure, and the last one stays",
    arguments: [
      "", "{}", "[]", #"{"keys":[]}"#, #"{"keys":[],"keys":[]}"#, "<html>", #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
    ])
  func unusable(_ body: String) async throws {
    let before = try await client.recheckKeys(timeout: Self.limit).keys
    issuer.answer("/keys", body, headers: ["ETag: \"bad\""])
    #expect(try await failure().code == .malformedAnswer)
    let known = try #require(await client.currentKeySet)
    #expect(known.keys == before)
    try issuer.answerKeys([.p256, .ed25519])
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified == false)
    #expect(try conditions() == [nil, nil])
  }

  @Test func silence() async throws {
    _ = try await client.recheckKeys(timeout: Self.limit)
    let isReleased = Flag()
    issuer.answer("/keys") { _ in
      while !isReleased.isSet { usleep(1000) }
      return .init()
    }
    let failure = await #expect(throws: AcquisitionFailure.self) {
      try await client.recheckKeys(timeout: .milliseconds(300))
    }
    isReleased.set()
    #expect(failure?.code == .timeout)
    #expect(await client.currentKeySet?.keys.count == 2)
  }

  @Test("a reading that is under way is shared")
  func shared() async throws {
    let body = try TestIssuer.keySet([.ed25519])
    _ = try await client.recheckKeys(timeout: Self.limit)
    let isReleased = Flag()
    issuer.answer("/keys") { _ in
      while !isReleased.isSet { usleep(1000) }
      return .init(body: body)
    }
    let tasks = (0..<5).map { _ in Task { [client] in try await client.recheckKeys(timeout: Self.limit) } }
    while issuer.requests("/keys").count < 2 { try await Task.sleep(for: .milliseconds(1)) }
    // All of them wait by then, unless the machine is very busy.
    try await Task.sleep(for: .milliseconds(300))
    isReleased.set()
    for task in tasks {
      let check = try await task.value
      #expect(check.isModified && check.keys.count == 1)
    }
    #expect(issuer.requests("/keys").count == 2)
  }

  // MARK: Other readings

  @Test("the key set that a token's request has read is known")
  func ofARequest() async throws {
    #expect(await client.currentKeySet == nil)
    try issuer.issue(by: .p256)
    let start = Moment.now().boot
    _ = try await client.acquire(issuer.request())
    let known = try #require(await client.currentKeySet)
    #expect(known.keys.count == 2)
    #expect(start <= known.readAt && known.readAt <= Moment.now().boot)
    #expect(try await client.recheckKeys(timeout: Self.limit).isModified == false)
    let middle = Moment.now().boot
    let check = try await client.recheckKeys(timeout: Self.limit)
    #expect(middle <= check.readAt && check.readAt <= Moment.now().boot)
    #expect(await client.currentKeySet?.readAt == check.readAt)
  }

  @Test("the key set of a previous run does not count as read")
  func ofAPreviousRun() async throws {
    try issuer.issue(by: .p256)
    let context = try await client.acquire(issuer.request()).context
    let next = issuer.client()
    await next.adopt(context)
    #expect(await next.currentKeySet == nil)
    #expect(try await next.recheckKeys(timeout: Self.limit).isModified == false)
    #expect(await next.currentKeySet != nil)
  }
}
