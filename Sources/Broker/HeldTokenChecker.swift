import Base
import Engine
import HTTP
import OAuth

/// Checks held tokens when the engine requests it. It uses the issuer's key set, introspection, and the API.
@BrokerActor final class HeldTokenChecker {
  /// A held token to be verified.
  private struct Subject: Sendable {
    var name: String
    var token: VerifiedToken
    var policy: AccessTokenPolicy
  }

  /// The limit of one exchange of a check.
  private static let timeout = Duration.seconds(15)

  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let sender: RequestSender
  private let http: HTTPClient
  /// The last key set of each issuer that its held tokens were verified by.
  private var readAt: [ServerID: BootTime] = [:]

  nonisolated init(_ tokens: ManagedTokens, _ loop: EngineLoop, _ sender: RequestSender, http: HTTPClient) {
    self.tokens = tokens
    self.loop = loop
    self.sender = sender
    self.http = http
  }

  // MARK: Key sets

  /// Reads the key set of an issuer, and verifies its held tokens by it.
  func readKeySet(_ id: ServerID) {
    guard let server = sender.server(id) else { return }
    Task(executorPreference: BrokerActor.requests) {
      do throws(AcquisitionFailure) {
        let check = try await server.recheckKeys(timeout: Self.timeout)
        await self.verify(id, check.keys, freshness: check.freshness, readAt: check.readAt)
      } catch {
        await self.loop.post(.keySetRead(id, .failure(error)))
      }
    }
  }

  /// Verifies the held tokens of an issuer by a key set that another request has read, unless this was done already.
  func use(_ known: KnownKeySet?, of id: ServerID) {
    guard let known, readAt[id] != known.readAt else { return }
    verify(id, known.keys, freshness: known.freshness, readAt: known.readAt)
  }

  private func verify(_ id: ServerID, _ keys: KeySet, freshness: Duration?, readAt: BootTime) {
    self.readAt[id] = readAt
    let subjects = tokens.all.compactMap { token -> Subject? in
      // A token that was requested later can be signed by a key that the set does not have yet. A token of previous
      // settings can be of another issuer.
      guard let record = token.record, token.settings.verification == .jwt, sender.serverID(of: token) == id,
        record.policy.issuer == token.settings.issuer, record.verifiedToken.requestedAt.boot <= readAt
      else { return nil }
      return Subject(name: token.name, token: record.verifiedToken, policy: record.policy)
    }
    // This runs beside the queue, because a host can have thousands of tokens.
    Task(executorPreference: BrokerActor.requests) {
      let reading = Self.reading(keys, freshness: freshness, of: subjects)
      await self.loop.post(.keySetRead(id, .success(reading)))
    }
  }

  private nonisolated static func reading(
    _ keys: KeySet, freshness: Duration?, of subjects: [Subject]
  ) -> KeySetReading {
    let fingerprint = keys.fingerprint
    var reading = KeySetReading(keySet: fingerprint, freshness: freshness)
    let now = Moment.now()
    for subject in subjects {
      let requestedAt = subject.token.requestedAt.boot
      let verdict = subject.token.verdict(
        by: keys, policy: subject.policy, unixTime: subject.token.serverTime(at: now))
      switch verdict {
      case .valid: reading.valid.append((subject.name, requestedAt))
      case .keyWithdrawn(let failure):
        reading.withdrawn.append(
          (subject.name, requestedAt, .keyWithdrawn(failure, issuer: subject.policy.issuer)))
      // It is about to expire, for example.
      case .other: break
      }
    }
    return reading
  }

  // MARK: Introspection

  /// Introspects a held token again.
  func introspect(_ name: String) {
    guard let token = tokens[name], let verified = token.verifiedToken else { return }
    let server = sender.server(of: token)
    let (issuer, last) = (token.settings.issuer, token.lastRequest)
    Task(executorPreference: BrokerActor.requests) {
      let verdict: HeldTokenVerdict
      do throws(AcquisitionFailure) {
        let request = try await last.request()
        let check = try await server.recheckByIntrospection(of: verified, as: request, timeout: Self.timeout)
        verdict = check == .active ? .active : .inactive(.tokenRevoked(issuer: issuer))
      } catch {
        verdict = .unknown
      }
      await self.loop.post(.checked(name, requestedAt: verified.requestedAt.boot, verdict))
    }
  }

  // MARK: The API

  /// Tries a held token at the API.
  func probe(_ name: String) {
    guard let token = tokens[name], let verified = token.verifiedToken, let probe = probe(of: token) else { return }
    Task(executorPreference: BrokerActor.requests) {
      let outcome = await probe.send(verified.accessToken, timeout: Self.timeout)
      await self.finish(name, verified, outcome, probe.url)
    }
  }

  private func finish(
    _ name: String, _ verified: VerifiedToken, _ outcome: ResourceProbe.Outcome, _ url: String
  ) {
    let verdict = note(outcome, name, url)
    loop.post(.checked(name, requestedAt: verified.requestedAt.boot, .api(verdict)))
  }

  /// Tries the new token of an attempt at the API.
  func probe(_ name: String, _ attempt: UInt64, timeout: Duration) {
    guard let token = tokens[name], let verified = sender.token(of: attempt), let probe = probe(of: token) else {
      return loop.post(.probed(name, attempt: attempt, .unknown))
    }
    Task(executorPreference: BrokerActor.requests) {
      let outcome = await probe.send(verified.accessToken, timeout: timeout)
      await self.finish(name, attempt, outcome, probe.url)
    }
  }

  private func finish(_ name: String, _ attempt: UInt64, _ outcome: ResourceProbe.Outcome, _ url: String) {
    loop.post(.probed(name, attempt: attempt, note(outcome, name, url)))
  }

  private func probe(of token: ManagedToken) -> ResourceProbe? {
    token.settings.apiURL.map { ResourceProbe(url: $0.url, transport: token.settings.transport, http: http) }
  }

  private func note(_ outcome: ResourceProbe.Outcome, _ name: String, _ url: String) -> ProbeVerdict {
    // A reload can have named another API.
    guard let settings = tokens[name]?.settings, settings.apiURL?.url == url else { return .unknown }
    switch outcome {
    case .accepted:
      tokens[name]?.apiAcceptedAt = Moment.now().unix
      return .accepted
    case .rejected(let error): return .rejected(.apiRejection(of: url, error: error, transport: settings.transport))
    case .unknown: return .unknown
    }
  }
}
