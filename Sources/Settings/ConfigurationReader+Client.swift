import Base
import TOML

extension ConfigurationReader {
  /// Checks that the table says who the server and the client are, that it has what its way of authentication needs, and nothing
  /// that would go unused: whoever wrote it expects it to count.
  mutating func checkClient(_ settings: TokenSettings, _ map: TOMLMap, _ entry: TOMLEntry, table: String) {
    checkUnused(settings, map, table: table)
    // A statement that could not be read may be the very one that seems to be missing.
    guard !map.isDamaged else { return }
    let misspelt = misspelt(in: map)
    func missing(_ keys: [String], _ what: String) {
      // A misspelling of one of them is told already.
      guard misspelt.isDisjoint(with: keys) else { return }
      report("[\(table)] has no \(what)", entry, table: table, at: .name)
    }
    let secrets = ["client_secret", "client_secret_file"]
    if map["issuer"] == nil {
      missing(["issuer"], "'issuer'; name the authorization server, as in issuer = \"https://auth.alertsense.com\"")
    }
    if map["client_id"] == nil {
      missing(["client_id"], "'client_id'; give the one that the authorization server's operator handed out")
    }
    let method = settings.clientAuthentication
    let (needed, advice): ([String], String) =
      switch method {
      case .post, .basic:
        (secrets, "client secret; give client_secret_file = \"PATH\" or client_secret = \"SECRET\"")
      case .privateKeyJWT:
        (
          ["private_key_file"],
          "'private_key_file', which client_auth = \"\(method.rawValue)\" needs; name the key's file"
        )
      case .tls, .selfSignedTLS:
        (
          ["client_certificate_file"],
          "'client_certificate_file', which client_auth = \"\(method.rawValue)\" needs; name the certificate's file"
        )
      case .auto:
        (
          secrets + ["private_key_file", "client_certificate_file"],
          "client secret, key or certificate; give client_secret_file, private_key_file or client_certificate_file"
        )
      }
    if needed.allSatisfy({ map[$0] == nil }) { missing(needed, advice) }
  }

  /// The keys that unknown ones in `map` were probably meant to be.
  private func misspelt(in map: TOMLMap) -> Set<String> {
    let known = ConfigurationKeys.token.map(\.name)
    return Set(map.entries.filter { !known.contains($0.name) }.compactMap { NearestName.to($0.name, among: known) })
  }

  private mutating func checkUnused(_ settings: TokenSettings, _ map: TOMLMap, table: String) {
    func report(_ key: String, _ message: String) {
      guard let entry = map[key] else { return }
      if case .invalid = entry.value.content { return }
      self.report("'\(key)' \(message)", entry, table: table, at: .name)
    }
    if let literal = map["client_secret"], let file = map["client_secret_file"] {
      let (first, second) = literal.nameRange.lowerBound < file.nameRange.lowerBound ? (literal, file) : (file, literal)
      let line = source.position(of: first.nameRange.lowerBound).line
      report(second.name, "comes in addition to '\(first.name)' (line \(line)); keep one of the two")
    }
    let method = settings.clientAuthentication
    if [.privateKeyJWT, .tls, .selfSignedTLS].contains(method) {
      for key in ["client_secret", "client_secret_file"] {
        report(key, "is not used with client_auth = \"\(method.rawValue)\"; remove it")
      }
    }
    if method != .basic, method != .auto {
      report(
        "basic_encoding", "counts with client_auth = \"client_secret_basic\" or \"auto\" alone; set that, or remove it")
    }
    if method != .privateKeyJWT, method != .auto {
      for key in ["private_key_file", "key_id", "assertion_algorithm", "assertion_audience"] {
        report(key, "counts with client_auth = \"private_key_jwt\" or \"auto\" alone; set that, or remove it")
      }
    }
    if map["client_certificate_file"] == nil, !map.isDamaged {
      report("client_key_file", "goes with a 'client_certificate_file', which is missing; add it")
    }
    if settings.requiresAccessTokenType, settings.verification != .jwt {
      report("require_at_jwt", "counts with verify = \"jwt\" alone; remove one of the two")
    }
  }
}
