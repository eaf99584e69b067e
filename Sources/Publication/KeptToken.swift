package import OAuth

/// A verified token, and what it was asked for with: settings may have changed since.
package struct KeptToken {
  package var grant: Grant
  /// `TokenSettings.requestFingerprint` of the settings then.
  var fingerprint: String
  /// What it was verified by: `TokenSettings.policy` of the settings then.
  var policy: AccessTokenPolicy
  /// `grant.evidence` as the state file has it.
  var evidence: EncodedEvidence

  package init(grant: Grant, fingerprint: String, policy: AccessTokenPolicy, evidence: EncodedEvidence) {
    self.grant = grant
    self.fingerprint = fingerprint
    self.policy = policy
    self.evidence = evidence
  }
}
