package import Base
import Cryptography
import Files
import FoundationEssentials
import Glibc
package import OAuth

/// The state file. The next run needs it to reuse the token without a request and without a gap.
///
/// It holds digests of tokens, no secrets. It is written before the token's files and lists each token that they can
/// contain. So a daemon that is killed in between leaves files that the next run can identify.
package struct TokenState: Codable {
  package var version = Self.currentVersion
  /// The boot that the times belong to.
  package var bootID: String
  /// The tokens, newest first.
  package var tokens: [Token]
  /// The files that can contain one of the tokens.
  package var outputs: [String]
  /// Whether these files can be on a disk.
  package var arePersistent: Bool

  package static let currentVersion = 5

  /// A token that a file can contain.
  package struct Token: Codable {
    /// The SHA-256 of the token, in hex.
    package var digest: String
    /// The `TokenSettings.requestFingerprint` of the request.
    package var fingerprint: String
    /// The policy that the token was verified with.
    package var policy: AccessTokenPolicy
    package var requestedAt: BootTime
    var lifetimeNanoseconds: Int64
    /// The server's time when the request was sent, seconds since 1970. It corrects a wrong host clock.
    package var serverTime: Double
    package var grantedScope: [String]
    package var clientAuthentication: ClientAuthentication
    /// A `VerificationContext` as JSON within JSON (`EncodedContext`).
    package var context: String
    /// The server's information about an opaque token; `nil` for a JWT.
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

    /// Whether all numbers are in range.
    fileprivate var isPlausible: Bool {
      requestedAt.nanoseconds >= 0 && lifetimeNanoseconds >= 0 && PlausibleNumbers.areSeconds(serverTime)
        && [claims?.expiry, claims?.issuedAt, claims?.notBefore].allSatisfy {
          PlausibleNumbers.areSeconds($0.map(Double.init))
        }
    }
  }

  package init(_ tokens: [TokenRecord], outputs: [String], arePersistent: Bool, bootID: String) {
    self.bootID = bootID
    self.arePersistent = arePersistent
    self.outputs = outputs
    self.tokens = tokens.map(Token.init)
  }

  /// The content of the state file. It has no secret.
  package func encoded() throws -> [UInt8] { try JSONText.encode(self) }

  /// Decodes a state file; `nil` if it is of another version, or has numbers that no daemon writes.
  ///
  /// The daemon's user could have written it. Each number is checked here, so that later arithmetic cannot overflow.
  package static func decode(_ content: Secret) -> TokenState? {
    let state = content.withBytes { try? JSONDecoder().decode(TokenState.self, from: Data($0)) }
    guard let state, state.version == currentVersion, state.tokens.allSatisfy(\.isPlausible) else { return nil }
    return state
  }

  /// The keys in a state file; `nil` if this user cannot read it, or `decode` refuses it.
  package static func keys(at path: String, of owner: UInt32) -> KeySet? {
    guard let content = try? DaemonDirectory.read(path, of: owner, maximum: sizeLimit) else { return nil }
    return decode(content)?.tokens.first.flatMap { EncodedContext.decode($0.context) }?.keys
  }

  /// Whether one of these state files shows that the token and its files are in memory only.
  package static func areInMemory(_ paths: Set<String>) -> Bool {
    paths.contains { path in
      (try? PrivateFile.read(path, maximum: sizeLimit)).flatMap(decode).map { !$0.arePersistent } ?? false
    }
  }

  /// The size limit, larger than the keys of three tokens.
  package static let sizeLimit = 1 << 22

  package static func digest(_ token: Secret) -> String { token.withBytes { SHA256.hex(of: $0) } }
}

/// A verified token with the settings of its request, which can have changed since.
package struct TokenRecord {
  package var verifiedToken: VerifiedToken
  /// The `TokenSettings.requestFingerprint` of the settings.
  var fingerprint: String
  /// The `TokenSettings.policy` of the settings.
  package var policy: AccessTokenPolicy
  /// The encoded `verifiedToken.context`.
  var context: EncodedContext

  package init(verifiedToken: VerifiedToken, fingerprint: String, policy: AccessTokenPolicy, context: EncodedContext) {
    self.verifiedToken = verifiedToken
    self.fingerprint = fingerprint
    self.policy = policy
    self.context = context
  }
}

/// A verification context, encoded for the state file.
///
/// It is encoded once for all tokens of a server, so that no token waits for the encoding.
package struct EncodedContext {
  package let context: VerificationContext
  /// The context as JSON; empty if it cannot be encoded. A token with an empty context is not reused after a restart.
  let json: String

  package init(_ context: VerificationContext) {
    self.context = context
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    json = (try? encoder.encode(context)).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  /// Decodes a context; `nil` if the text is not a context.
  package static func decode(_ json: String) -> VerificationContext? {
    try? JSONDecoder().decode(VerificationContext.self, from: Data(json.utf8))
  }
}
