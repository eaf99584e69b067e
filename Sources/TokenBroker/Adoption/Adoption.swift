import FoundationEssentials
import OAuthClient

/// Takes over the token that a former run left in its file, if all about it is as that run left it.
enum Adoption {
  /// The grant as it was; refused if anything does not fit.
  ///
  /// - Throws: why not, for a line at info level.
  static func grant(
    from statePath: String, for settings: TokenSettings, now: Moment
  ) async throws(PrivateFile.Unreadable) -> Grant {
    let content = try PrivateFile.read(statePath, maximum: 1 << 21)
    guard let state = try? JSONDecoder().decode(TokenState.self, from: content.withBytes { Data($0) }),
      state.version == TokenState.currentVersion
    else { throw .init(reason: "the state file is of another version") }
    guard !state.bootID.isEmpty, state.bootID == BootID.current else {
      throw .init(reason: "it is from before this boot")
    }
    guard state.fingerprint == settings.requestFingerprint else {
      throw .init(reason: "it was asked for with other settings")
    }
    guard let output = settings.outputs.first else { throw .init(reason: "there is no output") }
    let file = try PrivateFile.read(output.path, maximum: 1 << 18)
    guard let token = RenderedToken.token(in: file, as: output), TokenState.digest(token) == state.tokenDigest else {
      throw .init(reason: "the file does not hold the token that was put there")
    }
    let age = now.boot - state.requestedAt
    guard age >= .zero, age < state.lifetime - RefreshSchedule.rounding else {
      throw .init(reason: "it has ended")
    }
    let claims = try await claims(of: token, state, settings, unixTime: state.serverTime + age.seconds)
    var requestedAt = now
    requestedAt.boot = state.requestedAt
    requestedAt.unix -= age.seconds
    return Grant(
      accessToken: token, claims: claims, requestedAt: requestedAt, lifetime: state.lifetime, scope: state.grantedScope,
      skew: .seconds(state.serverTime + age.seconds - now.unix), proof: state.proof,
      evidence: state.evidence)
  }

  /// What the token says. A JWT is verified again, by the keys that it was verified with. Of other tokens nobody but the server can tell more than the digest:
  /// it shows that this is the token that was published, and the state file is this user's own.
  private static func claims(
    of token: Secret, _ state: TokenState, _ settings: TokenSettings, unixTime: Double
  ) async throws(PrivateFile.Unreadable) -> AccessTokenClaims {
    guard settings.verification == .jwt else {
      guard let known = state.claims else { throw .init(reason: "its state does not tell what is known of it") }
      return known
    }
    guard let keys = state.evidence.keys else { throw .init(reason: "there are no keys to verify it with") }
    do {
      return try await AccessTokenVerifier.verify(
        token: token, keys: keys, policy: settings.policy, grantedScope: state.grantedScope, unixTime: unixTime)
    } catch {
      throw .init(reason: "it does not verify: \(error.message)")
    }
  }
}
