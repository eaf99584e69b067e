import Base
import Files
import HTTP
import OAuth
import TOML

extension ConfigurationReader {
  /// Checks the settings about the server's addresses and its tokens' issuer.
  ///
  /// A key that would have no effect is a fault, because the administrator expects an effect.
  mutating func checkLocations(_ settings: TokenSettings, _ map: TOMLMap, table: String) {
    func report(_ key: String, _ message: String, at pointer: (TOMLEntry) -> ConfigurationSource.Pointer) {
      guard let entry = map[key], !map.isDamaged else { return }
      if case .invalid = entry.value.content { return }
      self.report("'\(key)' \(message)", entry, table: table, at: pointer(entry))
    }
    func reportUnused(_ key: String, without needed: String) {
      report(key, "counts with \(needed) alone; set that, or remove it", at: { _ in .name })
    }
    if settings.verification != .jwt { reportUnused("jwks_uri", without: "verify = \"jwt\"") }
    if settings.verification != .introspection {
      for key in ["introspection_endpoint", "introspection"] {
        reportUnused(key, without: "verify = \"introspection\"")
      }
    }
    if settings.verification == .none {
      reportUnused("access_token_issuer", without: "verify = \"jwt\" or \"introspection\"")
    }
    if !settings.revokesOnStop { reportUnused("revocation_endpoint", without: "revoke_on_stop = true") }
    // The endpoints of the discovery document have the same rule, because any local user can open a port of this host.
    guard let issuer = try? Endpoint(settings.issuer), issuer.isSecure else { return }
    for (key, url) in settings.locations.named where (try? Endpoint(url))?.isSecure == false {
      report(
        key, "is an http URL, and 'issuer' is an https URL; give it with https:// in front",
        at: { .value($0.value.range) })
    }
  }

  /// Reads the table of the client that introspects the token; `nil` if there is none, or if it has a fault.
  mutating func readIntrospection(_ map: TOMLMap, of settings: TokenSettings, table: String) -> ClientSettings? {
    guard let entry = map["introspection"] else { return nil }
    switch entry.value.content {
    case .invalid: return nil
    case .table(let fields):
      let table = "\(table).introspection"
      var draft = TokenDraft(settings: TokenSettings(name: settings.name))
      draft.settings.clientAuthentication = .auto
      read(fields, keys: ConfigurationKeys.introspection, table: table, into: &draft)
      draft.settings.secrets = draft.literalSecrets + draft.secretFiles
      if let method = fields["client_auth"], [.tls, .selfSignedTLS].contains(draft.settings.clientAuthentication) {
        report(
          "'client_auth' of [\(table)] cannot be a certificate, which belongs to the connection; "
            + "give a client secret or key", method, table: table, at: .value(method.value.range), showsValue: true)
        return nil
      }
      checkClient(draft.settings, fields, entry, table: table, isIntrospection: true)
      checkFiles(draft, fields, table: table)
      return draft.settings.client
    default:
      report(
        "'introspection' takes a table, as in introspection = { client_id = \"api\", client_secret_file = \"PATH\" }, "
          + "not \(entry.value.kind)", entry, table: table, at: .value(entry.value.range))
      return nil
    }
  }
}

/// The check of `assertion_certificate_file`.
enum AssertionCertificate {
  /// Checks that the file at `path` has a certificate, and that it is of the key at `keyFile`.
  static func check(_ path: String, of keyFile: String?, rules: FileRules) throws(FileRefusal) {
    let certificate = try PEMFile.readClientCertificates(path, needsKey: false, rules: rules)
    // A key that cannot be read, or cannot sign, is a fault of its own.
    guard let keyFile, let key = try? PEMFile.readKey(keyFile, rules: rules) else { return }
    do throws(ClientAssertionFailure) {
      _ = try ClientAssertionKey(pem: key, certificate: certificate)
    } catch {
      switch error.reason {
      case .notACertificate:
        throw FileRefusal(
          path: path, problem: "holds a certificate that is damaged", remedy: "give a file with one in PEM form")
      case .otherCertificate:
        throw FileRefusal(
          path: path, problem: "does not begin with the certificate of the key in '\(keyFile.printable)'",
          remedy: "write that certificate first")
      default: return
      }
    }
  }
}
