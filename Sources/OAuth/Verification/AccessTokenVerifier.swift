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
  ) throws(VerificationFailure) -> AccessTokenClaims {
    let token = try CompactToken(token)
    let header = try TokenHeader(json: token.header)
    try header.checkType(demandingAccessToken: policy.requiresAccessTokenType)
    try checkSignature(of: token, header: header, keys: keys)
    try JSONObjectScan(ofToken: "claims set", token.claims).checkUnique(part: "claims set")
    let body = try ClaimsBody.decoded(from: token.claims, part: "claims set")
    return try policy.check(body, header: header, grantedScope: grantedScope, unixTime: unixTime)
  }

  /// As above, for a token that is held as a secret.
  public static func verify(
    token: Secret, keys: KeySet, policy: AccessTokenPolicy, grantedScope: [String]?, unixTime: Double
  ) throws(VerificationFailure) -> AccessTokenClaims {
    try verify(
      token: token.withBytes { Array($0) }, keys: keys, policy: policy, grantedScope: grantedScope, unixTime: unixTime)
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
      "the token's signature (\(header.algorithm.rawValue)) is not that of \(named): it was altered or signed by someone else"
    )
  }
}
