import Settings

extension TokenSettings {
  /// Whether these settings, which replace the other ones, ask for another token, of another server, with other
  /// credentials, or want more of it.
  func asks(differentlyFrom other: TokenSettings) -> Bool {
    requestFingerprint != other.requestFingerprint || transport != other.transport
      || authenticates(differentlyFrom: other)
      || (requiresAccessTokenType && !other.requiresAccessTokenType)
  }

  /// Whether the client proves who it is by something else.
  func authenticates(differentlyFrom other: TokenSettings) -> Bool {
    clientAuthentication != other.clientAuthentication || secrets != other.secrets
      || basicEncoding != other.basicEncoding
      || privateKeyFile != other.privateKeyFile || keyID != other.keyID
      || assertionAlgorithm != other.assertionAlgorithm || assertionAudience != other.assertionAudience
  }
}
