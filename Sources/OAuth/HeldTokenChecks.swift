public import Base
public import HTTP

/// The result of a new reading of the key set.
public struct KeySetCheck: Sendable {
  /// The server's keys.
  public var keys: KeySet
  /// Whether these are other keys than those that the server had before. Their order does not matter.
  public var isModified: Bool
  /// How long the server calls them fresh; nil if it says nothing. Zero if they must not be stored.
  public var freshness: Duration?
  /// The time at which they were requested. They are no evidence about a token that was requested later.
  public var readAt: BootTime
}

/// The key set that the server had last.
public struct KnownKeySet: Sendable {
  /// The keys.
  public var keys: KeySet
  /// The time at which they were requested, as in `KeySetCheck`.
  public var readAt: BootTime
  /// How long the server called them fresh; nil if it said nothing.
  public var freshness: Duration?
}

/// The result of a new introspection.
public enum IntrospectionCheck: Hashable, Sendable {
  /// The server calls the token active.
  case active
  /// The server calls the token inactive.
  case inactive
}

extension AuthorizationServer {
  /// The key set that this process read last. Nil if it has read none.
  public var currentKeySet: KnownKeySet? {
    guard let cached = keys.cached, cached.value.location != nil else { return nil }
    return KnownKeySet(keys: cached.value.keys, readAt: cached.readAt, freshness: cached.value.freshness)
  }

  /// Reads the server's key set now, to verify held tokens again. A reading that is under way is shared.
  ///
  /// The request is conditional (RFC 9110, 13.1). The discovery document is read only if it is stale, or if the key set
  /// is not at its location any more.
  /// - Parameter timeout: The limit for one exchange. All together have twice the limit.
  /// - Throws: `AcquisitionFailure` if the key set cannot be read. The cached one stays.
  public func recheckKeys(timeout: Duration) async throws(AcquisitionFailure) -> KeySetCheck {
    let attempt = Attempt(timeout: timeout, at: Moment.now().boot)
    let metadata = try await currentMetadata(attempt, needsKeys: true)
    let before = keys.cached?.value.keys.fingerprint
    let fetched: FetchedKeys
    do throws(AcquisitionFailure) {
      fetched = try await readKeys(metadata, attempt, longest: nil)
    } catch {
      guard error.suggestsMovedKeys, let moved = await rereadMetadata(attempt), moved.jwksURI != metadata.jwksURI
      else { throw error }
      fetched = try await readKeys(moved, attempt, longest: nil)
    }
    return KeySetCheck(
      keys: fetched.keys, isModified: fetched.keys.fingerprint != before, freshness: fetched.freshness,
      readAt: fetched.readAt)
  }

  /// Asks the server whether a held token is still active (RFC 7662).
  ///
  /// - Parameters:
  ///   - held: The token.
  ///   - request: The request that would bring a token now.
  ///   - timeout: The limit for one exchange. All together have twice the limit.
  /// - Throws: `AcquisitionFailure` if the server gives no answer to this. Its message contains no secret.
  public func recheckByIntrospection(
    of held: VerifiedToken, as request: TokenRequest, timeout: Duration
  ) async throws(AcquisitionFailure) -> IntrospectionCheck {
    do throws(AcquisitionFailure) {
      return try await introspect(held, request, Attempt(timeout: timeout, at: Moment.now().boot)) ? .active : .inactive
    } catch {
      throw error.without(request.sensitive + [held.accessToken])
    }
  }

  private func introspect(
    _ held: VerifiedToken, _ request: TokenRequest, _ attempt: Attempt
  ) async throws(AcquisitionFailure) -> Bool {
    let metadata = try await currentMetadata(attempt, needsKeys: false)
    do throws(AcquisitionFailure) {
      return try await endpoint.isActive(held, as: request, at: metadata, attempt)
    } catch {
      guard error.suggestsMovedEndpoint, let moved = await rereadMetadata(attempt),
        moved.introspectsElsewhere(than: metadata)
      else { throw error }
      return try await endpoint.isActive(held, as: request, at: moved, attempt)
    }
  }
}

/// The result of a new verification of a held token.
public enum KeyVerdict: Hashable, Sendable {
  /// A key of the set verifies the token, and the token satisfies the policy.
  case valid
  /// No key of the set verifies the token. Its key is absent, or another key has the name of its key.
  case keyWithdrawn(VerificationFailure)
  /// The token does not satisfy the policy for another reason, such as its expiry.
  case other(VerificationFailure)
}

extension VerifiedToken {
  /// Verifies the token again, by the keys that its issuer has now. For a token with `context.keys` only.
  ///
  /// The signature is not computed again if the same keys verified it before.
  ///
  /// - Parameters:
  ///   - keys: The issuer's keys.
  ///   - policy: The policy by which the token was accepted.
  ///   - unixTime: The present, by the server's clock: `serverTime(at:)`.
  public func verdict(by keys: KeySet, policy: AccessTokenPolicy, unixTime: Double) -> KeyVerdict {
    do throws(VerificationFailure) {
      _ = try AccessTokenVerifier.verify(
        token: accessToken, keys: keys, policy: policy, grantedScope: claims.scopes, unixTime: unixTime,
        verifiedBy: context.keys)
      return .valid
    } catch {
      return error.suggestsKeyReload ? .keyWithdrawn(error) : .other(error)
    }
  }

  /// The time by the server's clock, in seconds since 1970. It is counted from the token's request, so that a change of
  /// the host's clock has no effect.
  public func serverTime(at now: Moment) -> Double {
    requestedAt.unix + (skew ?? .zero).seconds + (now.boot - requestedAt.boot).seconds
  }
}

extension AcquisitionFailure {
  /// The failure of a held token whose key is not in the key set of `issuer` any more.
  public static func keyWithdrawn(_ failure: VerificationFailure, issuer: String) -> AcquisitionFailure {
    AcquisitionFailure(.keyWithdrawn, "the keys of \(issuer) no longer verify the published token: \(failure)")
  }

  /// The failure of a held token that `issuer` calls inactive.
  public static func tokenRevoked(issuer: String) -> AcquisitionFailure {
    AcquisitionFailure(.tokenRevoked, "the introspection endpoint of \(issuer) reports the published token as inactive")
  }

  /// The failure of a token that the API at `url` rejects.
  ///
  /// - Parameters:
  ///   - error: The error code of the API's response.
  ///   - transport: The settings of the request. The pin is not used.
  public static func apiRejection(
    of url: String, error: String?, transport: TransportSettings
  ) -> AcquisitionFailure {
    let code = error.map { " " + Printable.quoted($0) } ?? ""
    var failure = AcquisitionFailure(.apiProbe, "\(url) answered 401\(code)")
    var transport = transport
    transport.pinnedPublicKey = nil
    failure.request = FailedRequest(url: url, options: transport.curlOptions)
    return failure
  }
}
