public import OAuth

/// A client and the sources of its credentials: a part of `[token.NAME]`, or `[token.NAME.introspection]`.
public struct ClientSettings: Hashable, Sendable {
  /// `client_id`.
  public var id: String
  /// `client_auth`.
  public var authentication: ClientAuthenticationMethod
  /// `client_secret` or `client_secret_file`.
  public var secrets: [SecretSource]
  /// `basic_encoding`.
  public var basicEncoding: BasicEncoding
  /// `private_key_file`.
  public var privateKeyFile: String?
  /// `key_id`.
  public var keyID: String?
  /// `assertion_algorithm`.
  public var assertionAlgorithm: SignatureAlgorithm?
  /// `assertion_audience`.
  public var assertionAudience: AssertionAudience
  /// `assertion_certificate_file`.
  public var assertionCertificateFile: String?

  /// The files that its credentials are in, except those of TLS.
  package var inputFiles: [String] {
    let secretFiles = secrets.compactMap { if case .file(let path) = $0 { path } else { nil } }
    return secretFiles + [privateKeyFile, assertionCertificateFile].compactMap(\.self)
  }
}

extension TokenSettings {
  /// The client that requests the token.
  package var client: ClientSettings {
    get {
      ClientSettings(
        id: clientID, authentication: clientAuthentication, secrets: secrets, basicEncoding: basicEncoding,
        privateKeyFile: privateKeyFile, keyID: keyID, assertionAlgorithm: assertionAlgorithm,
        assertionAudience: assertionAudience, assertionCertificateFile: assertionCertificateFile)
    }
    set {
      (clientID, clientAuthentication, secrets) = (newValue.id, newValue.authentication, newValue.secrets)
      (basicEncoding, privateKeyFile, keyID) = (newValue.basicEncoding, newValue.privateKeyFile, newValue.keyID)
      (assertionAlgorithm, assertionAudience) = (newValue.assertionAlgorithm, newValue.assertionAudience)
      assertionCertificateFile = newValue.assertionCertificateFile
    }
  }

  /// The announcements of the server that settings replace, each with its setting, for the status.
  package var replacements: [String] {
    var replacements = locations.named.map { "\($0.name) is set to \($0.url), whatever the server announces" }
    if let accessTokenIssuer {
      replacements.insert("tokens of the issuer \(accessTokenIssuer) are accepted (access_token_issuer)", at: 0)
    }
    if let introspectionClient {
      replacements.append("the client \(introspectionClient.id) introspects tokens ([token.\(name).introspection])")
    }
    return replacements
  }
}
