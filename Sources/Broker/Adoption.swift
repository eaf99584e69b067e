import Base
import Engine
import Files
import FoundationEssentials
import OAuth
import Publication
import Settings

/// Takes over the token that a former run left in its file, if all about it is as that run left it.
enum Adoption {
  /// The bytes of a former run's files.
  struct Leftovers: Sendable {
    let state: Secret
    let file: Secret

    /// Reads them.
    init(of settings: TokenSettings) throws(PrivateFile.Unreadable) {
      guard let output = settings.outputs.first else { throw .init(reason: "there is no output") }
      state = try PrivateFile.read(settings.statePath, maximum: TokenState.sizeLimit)
      file = try PrivateFile.read(output.path, maximum: 1 << 18)
    }
  }

  /// A token that is taken over.
  struct Adopted {
    var verifiedToken: VerifiedToken
    /// What it was asked for with.
    var fingerprint: String
    /// What it was verified by.
    var policy: AccessTokenPolicy
    /// Whether the present settings ask for the same.
    var isCurrent: Bool
  }

  /// The grant as it was; refused if anything does not fit.
  ///
  /// - Throws: why not, for a line at info level.
  static func verifiedToken(
    from leftovers: Leftovers, for settings: TokenSettings, now: Moment
  ) async throws(PrivateFile.Unreadable) -> Adopted {
    let stored = leftovers.state
    let file = leftovers.file
    guard let state = try? JSONDecoder().decode(TokenState.self, from: stored.withBytes { Data($0) }),
      state.version == TokenState.currentVersion
    else { throw .init(reason: "the state file is of another version") }
    guard !state.bootID.isEmpty, state.bootID == BootID.current else {
      throw .init(reason: "it is from before this boot")
    }
    guard let output = settings.outputs.first else { throw .init(reason: "there is no output") }
    let content = RenderedToken.token(in: file, as: output).map { (token: $0, digest: TokenState.digest($0)) }
    guard let content, let kept = state.tokens.first(where: { $0.digest == content.digest }) else {
      throw .init(reason: "the file does not hold a token that was put there")
    }
    let token = content.token
    guard let context = EncodedContext.decode(kept.context) else {
      throw .init(reason: "the state file does not tell what vouches for it")
    }
    let age = now.boot - kept.requestedAt
    guard age >= .zero, age < kept.lifetime - RefreshSchedule.rounding else {
      throw .init(reason: "it has ended")
    }
    // A token of former settings stays until its successor is there, as at a reload. It must be what those settings asked for.
    let isCurrent = kept.fingerprint == settings.requestFingerprint
    let policy = isCurrent ? settings.policy : kept.policy
    let claims = try claims(
      of: token, kept, context, isCurrent ? settings.verification : kept.claims == nil ? .jwt : .none, policy,
      unixTime: kept.serverTime + age.seconds)
    var requestedAt = now
    requestedAt.boot = kept.requestedAt
    requestedAt.unix -= age.seconds
    let verifiedToken = VerifiedToken(
      accessToken: token, claims: claims, requestedAt: requestedAt, lifetime: kept.lifetime, scope: kept.grantedScope,
      skew: .seconds(kept.serverTime + age.seconds - now.unix), clientAuthentication: kept.clientAuthentication,
      context: context)
    return Adopted(verifiedToken: verifiedToken, fingerprint: kept.fingerprint, policy: policy, isCurrent: isCurrent)
  }

  /// What the token says. A JWT is verified again, by the keys that it was verified with. Of other tokens nobody but the server can tell more than the digest:
  /// it shows that this is the token that was published, and the state file is this user's own.
  private static func claims(
    of token: Secret, _ kept: TokenState.Token, _ context: VerificationContext, _ verification: TokenVerification,
    _ policy: AccessTokenPolicy, unixTime: Double
  ) throws(PrivateFile.Unreadable) -> AccessTokenClaims {
    guard verification == .jwt else {
      guard let known = kept.claims else { throw .init(reason: "its state does not tell what is known of it") }
      return known
    }
    guard let keys = context.keys else { throw .init(reason: "there are no keys to verify it with") }
    do {
      return try AccessTokenVerifier.verify(
        token: token, keys: keys, policy: policy, grantedScope: kept.grantedScope, unixTime: unixTime)
    } catch {
      throw .init(reason: "it does not verify: \(error.message)")
    }
  }
}
