public import Base

/// The check that stands between a token response and the file that programs read.
public enum AccessTokenVerifier {
  /// Verifies an access token in JWT form (RFC 7519 section 7.2, RFC 8725, RFC 9068 section 4) and returns what it says.
  ///
  /// - Parameters:
  ///   - token: the token as received, at most 64 KiB.
  ///   - keys: the issuer's keys.
  ///   - policy: what the token must say.
  ///   - grantedScope: the `scope` of the token response, if it had one; it counts when the token has no scope claim.
  ///   - unixTime: the time by which `exp`, `nbf` and `iat` are judged, in seconds since 1970.
  /// - Throws: ``VerificationFailure`` with the first thing that is wrong. Claims are not read before the signature is right.
  public static func verify(
    token: [UInt8], keys: KeySet, policy: AccessTokenPolicy, grantedScope: [String]?, unixTime: Double
  ) async throws(VerificationFailure) -> AccessTokenClaims {
    let token = try CompactToken(token)
    let header = try TokenHeader(json: token.header)
    try header.checkType(demandingAccessToken: policy.requiresAccessTokenType)
    try await checkSignature(of: token, header: header, keys: keys)
    let claims = try TokenPart("claims set", token.claims)
    try claims.checkUnique()
    return try policy.check(ClaimsBody(claims), header: header, grantedScope: grantedScope, unixTime: unixTime)
  }

  /// As above, for a token that is held as a secret.
  public static func verify(
    token: Secret, keys: KeySet, policy: AccessTokenPolicy, grantedScope: [String]?, unixTime: Double
  ) async throws(VerificationFailure) -> AccessTokenClaims {
    try await verify(
      token: token.withBytes { Array($0) }, keys: keys, policy: policy, grantedScope: grantedScope, unixTime: unixTime)
  }

  private static func checkSignature(
    of token: CompactToken, header: TokenHeader, keys: KeySet
  ) async throws(VerificationFailure) {
    let candidates = try keys.candidates(keyID: header.keyID, algorithm: header.algorithm)
    for key in candidates
    where await key.verifies(token.signature, over: token.signedBytes, by: header.algorithm) {
      return
    }
    let named = header.keyID.map { "the key \($0.quotedForMessage)" } ?? "any of the \(candidates.count) keys that fit"
    throw VerificationFailure(
      .signature,
      "the token's signature (\(header.algorithm.rawValue)) is not that of \(named): it was altered or signed by someone else"
    )
  }
}

/// Why a token is not accepted.
///
/// Neither the reason nor the message ever holds the token or its signature. Texts taken from the token are escaped and cut at 64
/// characters, in both.
public struct VerificationFailure: Error, Hashable, Sendable {
  /// The kinds of refusal.
  public enum Reason: Hashable, Sendable {
    /// Longer than 64 KiB.
    case oversized(bytes: Int)
    /// Not a signed JWT in compact form (RFC 7515 section 7.1), or a header or claim of the wrong type or range.
    case malformed
    /// A JSON object in it holds this name twice (RFC 7515 section 4, RFC 7519 section 4).
    case duplicateMember(String)
    /// `alg` is not on the allow-list (RFC 8725 section 3.1).
    case algorithmNotAllowed(String)
    /// The header demands an extension by `crit` (RFC 7515 section 4.1.11); none is known here.
    case criticalHeader
    /// `typ` names another kind of token (RFC 8725 section 3.11, RFC 9068 section 4).
    case typeMismatch
    /// No key has this `kid`; with nil, the token names none and no key fits its algorithm.
    case unknownKey(String?)
    /// The key of this `kid` is of another type than the algorithm needs, or meant for another algorithm.
    case keyMismatch(String)
    /// The signature is not that of the key over these bytes.
    case signature
    /// A claim that must be there is not.
    case missingClaim(String)
    /// `iss` is another one.
    case issuer
    /// `aud` names none of the expected audiences.
    case audience
    /// `client_id` or `azp` is another client.
    case clientID
    /// These scopes were asked for and not granted.
    case scope(missing: [String])
    /// A scope has characters that no scope may have (RFC 6749 section 3.3).
    case scopeSyntax
    /// `exp` passed this many seconds ago, which is more than the leeway.
    case expired(by: Int64)
    /// `nbf` or `iat` is this many seconds ahead, which is more than the leeway.
    case notYetValid(by: Int64)
  }

  /// Which kind of refusal it is.
  public let reason: Reason
  /// What was expected, what came and what to do, for a person. One line of plain text.
  public let message: String

  init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }

  /// Whether another set of keys could lead to another result: the server may have changed its keys, so the caller should load the
  /// JWKS again once. Forged tokens lead here too: the reload needs a limit of its rate.
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

/// The signature algorithms that are accepted, by their JOSE names (RFC 7518 section 3.1, RFC 8037).
///
/// This list is the whole allow-list (RFC 8725 section 3.1): `none` and the HMACs are not in it, so no path leads to them.
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
  /// Ed25519; RFC 9864 gives it the name `Ed25519` as well.
  case edDSA = "EdDSA"

  /// The algorithm that a header's or a key's `alg` names, exactly as written; nil if it is not on the list.
  public init?(name: String) {
    // `init(rawValue:)` compares with ==, which takes the Kelvin sign for a K: letters of no name here, yet not to be relied on.
    if name.isExactly("Ed25519") {
      self = .edDSA
    } else if let known = Self.allCases.first(where: { $0.rawValue.isExactly(name) }) {
      self = known
    } else {
      return nil
    }
  }
}
