import Base
import Engine
import OAuth
import Settings
import TestSupport
import Testing

@testable import Broker

/// The requests of the engine, without a daemon.
@Suite struct RequestSenderTests {
  @Test @BrokerActor func aTokenIsAnEventAndBecomesTheNewestOneWhenTheEngineTakesIt() async throws {
    let parts = try BrokerParts(BrokerParts.settings(.opaque()))
    try await parts.fetch()
    #expect(parts.token?.record == nil && parts.sender.token(of: parts.attempt) != nil)
    let (attempt, times) = try #require(parts.accepted.last)
    parts.sender.accept(BrokerParts.name, attempt, times)
    let token = try #require(parts.token?.verifiedToken)
    #expect(token.accessToken == Secret("token-1") && token.requestedAt.boot == times.requestedAt)
    // What has passed until the response came is subtracted.
    #expect(token.lifetime > .seconds(3570) && token.lifetime <= .seconds(3600))
    #expect(parts.sender.token(of: attempt) == nil)
    #expect(parts.token?.history.requests == 1 && parts.token?.history.tally.successes == 1)
  }

  /// The server has returned it before: its lifetime does not begin again.
  @Test @BrokerActor func aTokenGetsTheTimesThatTheEngineGivesIt() async throws {
    let parts = try BrokerParts(BrokerParts.settings(.opaque()))
    try await parts.fetch()
    let (attempt, times) = try #require(parts.accepted.last)
    let received = try #require(parts.sender.token(of: attempt)?.requestedAt)
    var former = times
    former.requestedAt = times.requestedAt - .seconds(100)
    former.expiresAt = times.expiresAt - .seconds(1000)
    parts.sender.accept(BrokerParts.name, attempt, former)
    let token = try #require(parts.token?.verifiedToken)
    #expect(token.requestedAt.boot == former.requestedAt)
    #expect(token.requestedAt.boot + token.lifetime - .seconds(1) == former.expiresAt)
    #expect(abs(received.unix - token.requestedAt.unix - 100) < 0.001)
    #expect(received.monotonic - token.requestedAt.monotonic == .seconds(100))
  }

  @Test @BrokerActor func aTokenThatIsKeptCountsAsASuccess() async throws {
    let same = #"{"access_token": "same", "expires_in": 3600, "token_type": "Bearer"}"#
    let parts = try BrokerParts(BrokerParts.settings(.opaque { _ in same }))
    try await parts.take()
    let first = try #require(parts.token?.verifiedToken)
    let expiry = try #require(parts.lifecycle?.newest?.expiresAt)
    // Two requests are a second apart.
    try await Task.sleep(for: .seconds(1.1))
    parts.loop.post(.refreshAll)
    let second = parts.attempt
    parts.sender.send(BrokerParts.name, second, timeout: .seconds(20), mayFallBack: false)
    try await parts.wait {
      parts.effects.contains { if case .keep(_, second) = $0 { true } else { false } }
    }
    parts.sender.keep(BrokerParts.name, second)
    #expect(parts.token?.verifiedToken?.requestedAt == first.requestedAt && parts.sender.token(of: second) == nil)
    #expect(parts.token?.history.tally.successes == 2 && parts.accepted.count == 1)
    #expect(parts.lifecycle?.newest?.expiresAt == expiry)
  }

  @Test @BrokerActor func anAbandonedAttemptHasNoResult() async throws {
    let parts = try BrokerParts(BrokerParts.settings(.opaque()))
    let abandoned = parts.attempt
    parts.sender.send(BrokerParts.name, abandoned, timeout: .seconds(20), mayFallBack: false)
    parts.sender.abandon(abandoned)
    // A later attempt, which the engine does not know.
    parts.sender.send(BrokerParts.name, abandoned + 100, timeout: .seconds(20), mayFallBack: false)
    try await parts.wait { parts.sender.token(of: abandoned + 100) != nil }
    #expect(parts.accepted.isEmpty && parts.sender.token(of: abandoned) == nil)
  }

  @Test @BrokerActor func aFailureIsAnEventAndIsCountedByItsKind() async throws {
    let parts = try BrokerParts(BrokerParts.settings(.opaque { _ in #"{"error": "invalid_client"}"# }))
    let number = parts.attempt
    parts.sender.send(BrokerParts.name, number, timeout: .seconds(20), mayFallBack: false)
    try await parts.wait { parts.lifecycle?.failureStreak != nil }
    let failure = try #require(parts.lifecycle?.failureStreak?.failure)
    parts.sender.noteFailure(BrokerParts.name, number, failure)
    let tally = try #require(parts.token?.history.tally)
    #expect(tally.successes == 0 && tally.transientFailures + tally.refusals == 1)
    #expect(parts.token?.history.lastFailure?.failure == failure)
  }

  @Test @BrokerActor func aSecretThatCannotBeReadIsAnEventOfItsAttempt() async throws {
    var settings = BrokerParts.settings(try .opaque())
    settings.secrets = [.file("/nonexistent/secret")]
    let parts = try BrokerParts(settings)
    let wanted = parts.effects.compactMap { if case .readSecrets(_, let attempt) = $0 { attempt } else { nil } }
    let number = try #require(wanted.last)
    parts.sender.readSecrets(BrokerParts.name, number)
    try await parts.wait { parts.lifecycle?.failureStreak != nil }
    #expect(parts.lifecycle?.failureStreak?.failure.code == .credentials && parts.attempt == 0)
  }

  @Test @BrokerActor func tokensOfOneIssuerShareItsServer() throws {
    let settings = BrokerParts.settings(try .opaque())
    let parts = try BrokerParts(settings)
    var other = settings
    other.issuer = "http://127.0.0.1:1"
    let first = try #require(parts.token)
    let (same, another) = (
      ManagedToken(settings, allowsPersistentStorage: false), ManagedToken(other, allowsPersistentStorage: false)
    )
    #expect(parts.sender.serverID(of: first) == parts.sender.serverID(of: same))
    let unused = parts.sender.serverID(of: another)
    #expect(unused != parts.sender.serverID(of: first) && parts.sender.server(unused) != nil)
    parts.sender.forgetUnused()
    #expect(parts.sender.server(unused) == nil && parts.sender.server(parts.sender.serverID(of: first)) != nil)
  }
}
