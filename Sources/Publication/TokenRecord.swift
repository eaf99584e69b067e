package import OAuth

/// A verified token, and what it was asked for with: settings may have changed since.
package struct TokenRecord {
  package var verifiedToken: VerifiedToken
  /// `TokenSettings.requestFingerprint` of the settings then.
  var fingerprint: String
  /// What it was verified by: `TokenSettings.policy` of the settings then.
  var policy: AccessTokenPolicy
  /// `verifiedToken.context` as the state file has it.
  var context: EncodedContext

  package init(verifiedToken: VerifiedToken, fingerprint: String, policy: AccessTokenPolicy, context: EncodedContext) {
    self.verifiedToken = verifiedToken
    self.fingerprint = fingerprint
    self.policy = policy
    self.context = context
  }
}
