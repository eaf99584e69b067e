import Crypto
import FoundationEssentials
import Glibc
import OAuthClient

/// What a run leaves for the next beside the token's file, so that a restart costs no request and leaves no gap. Holds no secret: the token is
/// known by its digest only.
struct TokenState: Codable {
  var version = Self.currentVersion
  /// SHA-256 of the token, in hex.
  var tokenDigest: String
  /// What the token was asked for with (`TokenSettings.requestFingerprint`).
  var fingerprint: String
  /// The boot that the two times are counted from.
  var bootID: String
  var requestedAt: BootTime
  var lifetimeNanoseconds: Int64
  /// The server's clock when the request was sent, seconds since 1970, as well as it is known: a wrong host clock does not matter then.
  var serverTime: Double
  var grantedScope: [String]
  var proof: ClientProof
  var evidence: Grant.Evidence
  /// What the server told of a token that is no JWT; `nil` for one that says it itself.
  var claims: AccessTokenClaims?

  static let currentVersion = 2

  init(_ grant: Grant, fingerprint: String, bootID: String) {
    tokenDigest = Self.digest(grant.accessToken)
    self.fingerprint = fingerprint
    self.bootID = bootID
    requestedAt = grant.requestedAt.boot
    lifetimeNanoseconds = grant.lifetime.nanoseconds
    serverTime = grant.requestedAt.unix + (grant.skew?.seconds ?? 0)
    grantedScope = grant.scope
    proof = grant.proof
    evidence = grant.evidence
    claims = grant.claims.algorithm == nil ? grant.claims : nil
  }

  /// The keys in a state file; `nil` if this user may not read it, or it is of another version.
  static func keys(at path: String) -> KeySet? {
    guard let content = try? PrivateFile.read(path, maximum: 1 << 21, owned: false) else { return nil }
    return (try? JSONDecoder().decode(TokenState.self, from: content.withBytes { Data($0) }))?.evidence.keys
  }

  var lifetime: Duration { .nanoseconds(lifetimeNanoseconds) }

  static func digest(_ token: Secret) -> String {
    token.withBytes { bytes in
      SHA256.hash(data: bytes).map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0" + digits : digits
      }.joined()
    }
  }
}

/// The running boot's id: boot-time readings of another boot mean nothing.
enum BootID {
  /// 32 hex digits; empty if nobody tells.
  static let current: String = {
    if let content = try? PrivateFile.read("/proc/sys/kernel/random/boot_id", maximum: 64, owned: false) {
      return digits(content.exposed)
    }
    // With ProcSubset=pid there is no /proc/sys: the unit passes it on (`%b`, systemd.unit(5)).
    return getenv("KONEXUS_TOKEND_BOOT_ID").map { digits(String(cString: $0)) } ?? ""
  }()

  private static func digits(_ text: String) -> String { text.filter(\.isHexDigit).lowercased() }
}
