/// Settings that the configuration file may hold, and that this version does not act on yet.
///
/// A setting that was read and then ignored would be worse than none: somebody would rely on it. So the daemon refuses to run with one.
public struct UnbuiltSettings: Error, Hashable, Sendable, CustomStringConvertible {
  /// One line for each setting, with what to do.
  public var description: String

  fileprivate init(_ path: String, _ settings: [String]) {
    description = settings.map { "\(path): error: \($0) is not in this version; remove it" }.joined(separator: "\n")
  }
}

extension Configuration {
  /// Checks that this version does all that is asked for.
  ///
  /// - Throws: every setting that it does not act on, at once.
  public func requireBuilt() throws(UnbuiltSettings) {
    var unbuilt: [String] = []
    for token in tokens {
      let isAsked: [(key: String, Bool)] = [
        ("client_auth (other than \"client_secret_post\")", token.clientAuthentication != .post),
        ("private_key_file", token.privateKeyFile != nil),
        ("key_id", token.keyID != nil),
        ("resource", !token.resource.isEmpty),
        ("request_audience", token.requestAudience != nil),
        ("extra_parameters", !token.extraParameters.isEmpty),
        ("verify (other than \"jwt\")", token.verification != .jwt),
        ("revoke_on_stop", token.revokesOnStop),
      ]
      unbuilt += isAsked.filter(\.1).map { "\($0.key) in [token.\(token.name)]" }
    }
    guard unbuilt.isEmpty else { throw UnbuiltSettings(path, unbuilt) }
  }
}
