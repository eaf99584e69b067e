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
    if daemon.credentialSocket != nil { unbuilt.append("credential_socket in [daemon]") }
    for token in tokens {
      let isAsked: [(key: String, Bool)] = [
        ("allow_units", !token.allowUnits.isEmpty),
        ("signal", token.signal != nil),
      ]
      unbuilt += isAsked.filter(\.1).map { "\($0.key) in [token.\(token.name)]" }
    }
    guard unbuilt.isEmpty else { throw UnbuiltSettings(path, unbuilt) }
  }
}
