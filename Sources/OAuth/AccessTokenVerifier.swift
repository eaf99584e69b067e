public import Base
import Cryptography

/// The verification of access tokens before they are published.
public enum AccessTokenVerifier {
  /// Verifies an access token in JWT form (RFC 7519 section 7.2, RFC 8725, RFC 9068 section 4) and returns its claims.
  ///
  /// - Parameters:
  ///   - token: The token as received, at most 64 KiB.
  ///   - keys: The issuer's keys.
  ///   - policy: The requirements.
  ///   - grantedScope: The `scope` of the token response, if it had one. It is used if the token has no scope claim.
  ///   - unixTime: The present for `exp`, `nbf` and `iat`, in seconds since 1970.
  ///   - previous: The keys that verified the signature of the same token before. If the token has the same keys to try
  ///     in `keys`, the signature is valid without a new computation. A host can have thousands of tokens.
  /// - Throws: ``VerificationFailure`` with the first fault. Claims are read only after the signature was verified.
  public static func verify(
    token: [UInt8], keys: KeySet, policy: AccessTokenPolicy, grantedScope: [String]?, unixTime: Double,
    verifiedBy previous: KeySet? = nil
  ) throws(VerificationFailure) -> AccessTokenClaims {
    let token = try CompactToken(token)
    let header = try TokenHeader(json: token.header)
    try header.checkType(demandingAccessToken: policy.requiresAccessTokenType)
    if !(previous?.hasSameCandidates(as: keys, keyID: header.keyID, algorithm: header.algorithm) ?? false) {
      try checkSignature(of: token, header: header, keys: keys)
    }
    let claims = try TokenPart("claims set", token.claims)
    try claims.checkUnique()
    return try policy.check(ClaimsBody(claims), header: header, grantedScope: grantedScope, unixTime: unixTime)
  }

  /// Verifies a token that is held as a secret, as above.
  public static func verify(
    token: Secret, keys: KeySet, policy: AccessTokenPolicy, grantedScope: [String]?, unixTime: Double,
    verifiedBy previous: KeySet? = nil
  ) throws(VerificationFailure) -> AccessTokenClaims {
    try verify(
      token: token.withBytes { Array($0) }, keys: keys, policy: policy, grantedScope: grantedScope, unixTime: unixTime,
      verifiedBy: previous)
  }

  private static func checkSignature(
    of token: CompactToken, header: TokenHeader, keys: KeySet
  ) throws(VerificationFailure) {
    let candidates = try keys.candidates(keyID: header.keyID, algorithm: header.algorithm)
    for key in candidates
    where key.verifies(token.signature, over: token.signedBytes, by: header.algorithm.scheme) {
      return
    }
    let named = header.keyID.map { "the key \($0.quotedForMessage)" } ?? "any of the \(candidates.count) keys that fit"
    throw VerificationFailure(
      .signature,
      "the token's signature (\(header.algorithm.rawValue)) is not that of \(named): "
        + "it was changed, or signed with another key"
    )
  }
}

/// The reason why a token is not accepted.
///
/// Neither the reason nor the message ever holds the token or its signature. In both, texts from the token are escaped
/// and cut at 64 characters.
public struct VerificationFailure: Error, Hashable, Sendable {
  /// The kinds of faults.
  public enum Reason: Hashable, Sendable {
    /// Longer than 64 KiB.
    case oversized(bytes: Int)
    /// Not a signed JWT in compact form (RFC 7515 section 7.1), or a header or claim of the wrong type or range.
    case malformed
    /// A JSON object in it holds this name twice (RFC 7515 section 4, RFC 7519 section 4).
    case duplicateMember(String)
    /// `alg` is not on the allow-list (RFC 8725 section 3.1).
    case algorithmNotAllowed(String)
    /// The header demands an extension by `crit` (RFC 7515 section 4.1.11). None is supported here.
    case criticalHeader
    /// `typ` names another kind of token (RFC 8725 section 3.11, RFC 9068 section 4).
    case typeMismatch
    /// No key has this `kid`. With nil, the token names no key and no key fits its algorithm.
    case unknownKey(String?)
    /// The key of this `kid` has another type than the algorithm needs, or is for another algorithm.
    case keyMismatch(String)
    /// The signature does not match the key.
    case signature
    /// A required claim is missing.
    case missingClaim(String)
    /// `iss` is another issuer.
    case issuer
    /// `aud` names none of the expected audiences.
    case audience
    /// `client_id` or `azp` is another client.
    case clientID
    /// These scopes were requested and not granted.
    case scope(missing: [String])
    /// A scope has characters that RFC 6749 section 3.3 does not allow.
    case scopeSyntax
    /// The token expired this many seconds ago, which is more than the leeway.
    case expired(by: Int64)
    /// `nbf` or `iat` is this many seconds ahead, which is more than the leeway.
    case notYetValid(by: Int64)
  }

  /// The kind of fault.
  public let reason: Reason
  /// What was expected, what was received and what to do. One line of plain text.
  public let message: String

  init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }

  /// Whether another key set can lead to another result, because the server changed its keys. The caller should read
  /// the key set again once. A forged token has the same effect, so the caller must limit the rate of its reloads.
  public var suggestsKeyReload: Bool {
    switch reason {
    case .unknownKey, .keyMismatch, .signature: true
    default: false
    }
  }
}

extension VerificationFailure: CustomStringConvertible {
  /// The message.
  public var description: String { message }
}

/// The accepted signature algorithms, by their JOSE names (RFC 7518 section 3.1, RFC 8037).
///
/// This is the whole allow-list (RFC 8725 section 3.1). `none` and the HMACs are not in it.
public enum SignatureAlgorithm: String, CaseIterable, Codable, Hashable, Sendable {
  /// RSASSA-PKCS1-v1_5 with SHA-256.
  case rs256 = "RS256"
  /// RSASSA-PKCS1-v1_5 with SHA-384.
  case rs384 = "RS384"
  /// RSASSA-PKCS1-v1_5 with SHA-512.
  case rs512 = "RS512"
  /// RSASSA-PSS with SHA-256.
  case ps256 = "PS256"
  /// RSASSA-PSS with SHA-384.
  case ps384 = "PS384"
  /// RSASSA-PSS with SHA-512.
  case ps512 = "PS512"
  /// ECDSA on P-256 with SHA-256.
  case es256 = "ES256"
  /// ECDSA on P-384 with SHA-384.
  case es384 = "ES384"
  /// ECDSA on P-521 with SHA-512.
  case es512 = "ES512"
  /// Ed25519. RFC 9864 gives it the name `Ed25519` as well.
  case edDSA = "EdDSA"

  /// The algorithm with exactly this name in a header's or key's `alg`; nil if it is not on the list.
  public init?(name: String) {
    // `init(rawValue:)` compares with ==, which treats the Kelvin sign as equal to K.
    if name.isExactly("Ed25519") {
      self = .edDSA
    } else if let known = Self.allCases.first(where: { $0.rawValue.isExactly(name) }) {
      self = known
    } else {
      return nil
    }
  }
}

extension SignatureAlgorithm {
  /// The signature scheme of libcrypto.
  var scheme: SignatureScheme {
    switch self {
    case .rs256: .rsaPKCS1(.sha256)
    case .rs384: .rsaPKCS1(.sha384)
    case .rs512: .rsaPKCS1(.sha512)
    case .ps256: .rsaPSS(.sha256)
    case .ps384: .rsaPSS(.sha384)
    case .ps512: .rsaPSS(.sha512)
    case .es256: .ecdsa(.p256)
    case .es384: .ecdsa(.p384)
    case .es512: .ecdsa(.p521)
    case .edDSA: .ed25519
    }
  }
}
