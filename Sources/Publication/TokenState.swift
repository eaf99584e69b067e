package import Base
import Cryptography
import Files
import FoundationEssentials
import Glibc
package import OAuth

/// What a run leaves for the next beside the token's file, so that a restart costs no request and leaves no gap. Holds no secret: the tokens are
/// known by their digests only.
///
/// It is written before the token's files are, and names every token that one of them may hold then: a daemon that is killed in
/// between leaves a file that the next one knows.
package struct TokenState: Codable {
  package var version = Self.currentVersion
  /// The boot that times are counted from.
  package var bootID: String
  /// Newest first.
  package var tokens: [Token]
  /// The files that may hold one of them.
  package var outputs: [String]
  /// Whether these may be on a disk.
  package var arePersistent: Bool

  package static let currentVersion = 5

  /// One token that may be in a file.
  package struct Token: Codable {
    /// SHA-256 of the token, in hex.
    package var digest: String
    /// What it was asked for with (`TokenSettings.requestFingerprint`).
    package var fingerprint: String
    /// What it was verified by then.
    package var policy: AccessTokenPolicy
    package var requestedAt: BootTime
    var lifetimeNanoseconds: Int64
    /// The server's clock when the request was sent, seconds since 1970, as well as it is known: a wrong host clock does not matter then.
    package var serverTime: Double
    package var grantedScope: [String]
    package var clientAuthentication: ClientAuthentication
    /// A `VerificationContext` as JSON within JSON (`EncodedContext`).
    package var context: String
    /// What the server told of a token that is no JWT; `nil` for one that says it itself.
    package var claims: AccessTokenClaims?

    init(_ kept: TokenRecord) {
      let verifiedToken = kept.verifiedToken
      digest = TokenState.digest(verifiedToken.accessToken)
      fingerprint = kept.fingerprint
      policy = kept.policy
      requestedAt = verifiedToken.requestedAt.boot
      lifetimeNanoseconds = verifiedToken.lifetime.nanoseconds
      serverTime = verifiedToken.requestedAt.unix + (verifiedToken.skew?.seconds ?? 0)
      grantedScope = verifiedToken.scope
      clientAuthentication = verifiedToken.clientAuthentication
      context = kept.context.json
      claims = verifiedToken.claims.algorithm == nil ? verifiedToken.claims : nil
    }

    package var lifetime: Duration { .nanoseconds(lifetimeNanoseconds) }
  }

  package init(_ tokens: [TokenRecord], outputs: [String], arePersistent: Bool, bootID: String) {
    self.bootID = bootID
    self.arePersistent = arePersistent
    self.outputs = outputs
    self.tokens = tokens.map(Token.init)
  }

  /// The keys in a state file; `nil` if this user may not read it, or it is of another version.
  package static func keys(at path: String, of owner: UInt32) -> KeySet? {
    guard let content = try? DaemonDirectory.read(path, of: owner, maximum: sizeLimit) else { return nil }
    let state = try? JSONDecoder().decode(TokenState.self, from: content.withBytes { Data($0) })
    return state?.tokens.first.flatMap { EncodedContext.decode($0.context) }?.keys
  }

  /// Larger than three tokens' keys are ever.
  package static let sizeLimit = 1 << 22

  package static func digest(_ token: Secret) -> String { token.withBytes { SHA256.hex(of: $0) } }
}
