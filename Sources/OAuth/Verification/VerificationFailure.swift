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
