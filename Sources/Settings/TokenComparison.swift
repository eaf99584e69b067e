import Cryptography
import OAuth

/// The effect of a changed key of `[token.NAME]` on the token that is in the file.
///
/// A new key belongs to one of these groups. Its property belongs to the comparison that the group names.
enum TokenKeyEffect: CaseIterable {
  /// The server would issue another token, or something else verifies it: `TokenSettings.requestFingerprint`. The
  /// previous token is not reused.
  case request
  /// The client authenticates in another way: `TokenSettings.authenticates(differentlyFrom:)`.
  case authentication
  /// The server is reached in another way: `TokenSettings.connects(differentlyFrom:)`.
  case connection
  /// The token must meet another requirement. A new token is needed only if the requirement is stricter.
  case requirement
  /// The token stays. These keys decide when it is refreshed and checked, and where it is written.
  case none

  /// The keys of the group.
  var keys: [String] {
    switch self {
    case .request:
      [
        "issuer", "client_id", "client_auth", "scope", "resource", "request_audience", "extra_parameters", "audience",
        "verify", "access_token_issuer", "discovery_url", "token_endpoint", "jwks_uri", "introspection_endpoint",
        "revocation_endpoint",
      ]
    case .authentication:
      [
        "client_secret", "client_secret_file", "basic_encoding", "private_key_file", "key_id", "assertion_algorithm",
        "assertion_audience", "assertion_certificate_file",
      ]
    case .connection: ["client_certificate_file", "client_key_file", "ca_file", "pinned_public_key", "proxy"]
    case .requirement: ["require_at_jwt", "token_type"]
    case .none:
      [
        "timeout", "refresh_at", "max_age", "recheck_interval", "api_url", "revoke_on_stop", "file", "mode",
        "allow_units", "min_validity",
      ]
    }
  }
}

extension TokenSettings {
  /// Whether these settings, which replace `other`, need a new token.
  package func asks(differentlyFrom other: TokenSettings) -> Bool {
    requestFingerprint != other.requestFingerprint || authenticates(differentlyFrom: other)
      || connects(differentlyFrom: other) || (requiresAccessTokenType && !other.requiresAccessTokenType)
      || introspectionClient != other.introspectionClient
      || !TokenType.includes(tokenTypes, allOf: other.tokenTypes)
  }

  /// Whether the client authenticates with another method, secret or key.
  package func authenticates(differentlyFrom other: TokenSettings) -> Bool {
    clientAuthentication != other.clientAuthentication || secrets != other.secrets
      || basicEncoding != other.basicEncoding
      || privateKeyFile != other.privateKeyFile || keyID != other.keyID
      || assertionAlgorithm != other.assertionAlgorithm || assertionAudience != other.assertionAudience
      || assertionCertificateFile != other.assertionCertificateFile
  }

  /// Whether connections to the server are made with other files, pins or proxies.
  func connects(differentlyFrom other: TokenSettings) -> Bool {
    caFile != other.caFile || clientCertificateFile != other.clientCertificateFile
      || clientKeyFile != other.clientKeyFile || pinnedPublicKey != other.pinnedPublicKey || proxy != other.proxy
      || allowsGroupRead != other.allowsGroupRead
  }

  /// SHA-256, in hex, of the settings that the token itself depends on. With equal fingerprints, the server issues
  /// equivalent tokens.
  ///
  /// After a restart it shows whether the token of the previous run belongs to these settings. Secrets, paths and times
  /// have no effect on it, nor has the order of scopes and audiences.
  public var requestFingerprint: String {
    var bytes: [UInt8] = []
    func add(_ label: String, _ values: [String]) {
      // The length of each text comes first, so that different lists never have the same bytes.
      for text in [label, "\(values.count)"] + values {
        bytes += "\(text.utf8.count):\(text)".utf8
      }
    }
    add("issuer", [issuer])
    add("client_id", [clientID])
    add("scope", scope.sorted())
    add("audience", audience.sorted())
    add("client_auth", [clientAuthentication.rawValue])
    add("resource", resource.sorted())
    add("request_audience", requestAudience.map { [$0] } ?? [])
    add("extra_parameters", extraParameters.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] })
    add("verify", [verification.rawValue])
    // Fingerprints of earlier releases stay valid. A setting that those did not know has an effect only if it is set.
    if let accessTokenIssuer { add("access_token_issuer", [accessTokenIssuer]) }
    for (name, url) in locations.named { add(name, [url]) }
    return SHA256.hex(of: bytes)
  }
}
