import Cryptography

extension TokenSettings {
  /// SHA-256, in hex, over the settings that the token itself depends on: two equal ones would get the same token.
  ///
  /// Tells after a restart whether a token left behind belongs to these settings, and on reload whether a new one is needed. Secrets,
  /// paths and times are not in it, nor is the order of scopes and audiences.
  public var requestFingerprint: String {
    var bytes: [UInt8] = []
    func add(_ label: String, _ values: [String]) {
      // Each text goes in with its length, so that no two lists run together to the same bytes.
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
    return SHA256.hex(of: bytes)
  }
}
