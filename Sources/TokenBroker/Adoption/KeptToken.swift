import OAuthClient

/// A verified token, and what it was asked for with: settings may have changed since.
struct KeptToken {
  var grant: Grant
  /// `TokenSettings.requestFingerprint` of the settings then.
  var fingerprint: String
  /// What it was verified by: `TokenSettings.policy` of the settings then.
  var policy: AccessTokenPolicy
  /// `grant.evidence` as the state file has it.
  var evidence: EncodedEvidence
}
