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
    let claims: AccessTokenClaims
    do {
      claims = try await AccessTokenVerifier.verify(
        token: token, keys: state.evidence.keys, policy: settings.policy, grantedScope: state.grantedScope,
        unixTime: state.serverTime + age.seconds)
    } catch {
      throw .init(reason: "it does not verify: \(error.message)")
    }
    var requestedAt = now
    requestedAt.boot = state.requestedAt
    requestedAt.unix -= age.seconds
    return Grant(
      accessToken: token, claims: claims, requestedAt: requestedAt, lifetime: state.lifetime, scope: state.grantedScope,
      skew: .seconds(state.serverTime + age.seconds - now.unix), secretIndex: state.secretIndex,
      evidence: state.evidence)
  }
}
