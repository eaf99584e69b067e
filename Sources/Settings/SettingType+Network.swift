import Base
import HTTP

extension SettingType<ProxySetting> {
  /// A proxy's URL, or "none". Messages do not show it, because it can hold a password.
  static let proxy = SettingType(name: "a proxy's URL or \"none\"") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a proxy's URL or \"none\"", node, context) }
    if text == "none" { return .none }
    let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, ["http", "https"].contains(parts[0]) else {
      throw SettingFault(
        message: "is no http or https URL; give one, as in \"http://proxy.example.org:3128\", or \"none\"")
    }
    let place = parts[1].split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).last ?? ""
    // The proxy alone interprets user and password. The rest is parsed as an https URL.
    guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }), !place.contains("@"), !place.contains("?"),
      !place.contains("#"), place.prefix(while: { $0 != "/" }).count >= place.count - 1,
      (try? Endpoint("https://\(place)")) != nil
    else {
      throw SettingFault(message: "has no valid host and port; give it as in \"http://proxy.example.org:3128\"")
    }
    return .url(text)
  }
}

extension SettingType<String> {
  /// Public key pins in curl's format: `sha256//` and the base64 of a SHA-256, several separated by `;`.
  static let publicKeyPins = SettingType(name: "a pin, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a pin, as a string", node, context) }
    for pin in text.split(separator: ";", omittingEmptySubsequences: false) {
      let digest = pin.dropFirst("sha256//".count)
      // 32 bytes are 43 characters and one '='. The last character carries four bits.
      guard pin.hasPrefix("sha256//"), digest.utf8.count == 44, digest.hasSuffix("="),
        let last = digest.dropLast().last,
        digest.dropLast().utf8.allSatisfy({
          ($0.isBareKeyByte && $0 != UInt8(ascii: "_") && $0 != UInt8(ascii: "-")) || "+/".utf8.contains($0)
        }),
        "AEIMQUYcgkosw048".contains(last)
      else {
        throw SettingFault(
          message:
            "holds \(String(pin).shown); give \"sha256//\" and the base64 of the SHA-256 of the server's public key, "
            + "as curl --pinnedpubkey takes it"
        )
      }
    }
    return text
  }

  /// A path of at most 107 bytes, the limit for sockets (unix(7)).
  static let socketPath = SettingType(name: "an absolute path, as a string") { node, context throws(SettingFault) in
    let path = try SettingType<String>.outputPath.read(node, context)
    guard path.utf8.count <= 107 else {
      throw SettingFault(message: "is \(path.utf8.count) bytes long; a socket's path has 107 at most (unix(7))")
    }
    return path
  }
}

extension SettingType<[String]> {
  /// RFC 8707, section 2: absolute URIs without a fragment.
  static let resources = SettingType(name: "a URI or an array of URIs") { node, context throws(SettingFault) in
    let texts = try SettingType<[String]>.texts.read(node, context)
    for text in texts {
      let scheme = text.prefix { $0 != ":" }
      guard let first = scheme.utf8.first, first | 0x20 >= 0x61, first | 0x20 <= 0x7a, scheme.count < text.count - 1,
        scheme.utf8.allSatisfy({ $0.isBareKeyByte && $0 != UInt8(ascii: "_") || "+.".utf8.contains($0) }),
        !text.contains("#"),
        !text.contains(" ")
      else {
        throw SettingFault(
          message: "holds \(text.shown), which is no absolute URI without a fragment (RFC 8707, section 2)")
      }
    }
    return texts
  }

  /// Names of systemd units, or globs that match them.
  static let unitGlobs = SettingType(name: "an array of units, as in [\"flood-alert.service\", \"sync@*.service\"]") {
    node, context throws(SettingFault) in
    guard case .array = node.content else {
      throw mismatch("an array of units, as in [\"flood-alert.service\", \"sync@*.service\"]", node, context)
    }
    let globs = try SettingType<[String]>.texts.read(node, context)
    for glob in globs {
      let known = [".service", ".socket", ".mount", ".swap", "*"].contains { glob.hasSuffix($0) }
      guard glob.utf8.allSatisfy({ $0.isBareKeyByte || ":.\\@*?[]!".utf8.contains($0) }), known else {
        throw SettingFault(
          message: "holds \(glob.shown), which is no unit's name; give it in full, as in \"flood-alert.service\"")
      }
    }
    return globs
  }
}

extension SettingType<[String: String]> {
  /// The parameters that the daemon itself sends, and the keys that set them.
  private static let reservedParameters: [String: String] = [
    "grant_type": "it is always client_credentials", "client_id": "set it by 'client_id'",
    "client_secret": "set it by 'client_secret' or 'client_secret_file'", "scope": "set it by 'scope'",
    "resource": "set it by 'resource'", "audience": "set it by 'request_audience'",
    "client_assertion": "set 'private_key_file'", "client_assertion_type": "set 'private_key_file'",
  ]

  /// Additional parameters of the token request. Messages do not show their values, because they can be secret.
  static let parameters = SettingType(name: "a table of strings, as in { tenant = \"north\" }") {
    node, context throws(SettingFault) in
    guard case .table(let map) = node.content else {
      throw mismatch("a table of strings, as in { tenant = \"north\" }", node, context)
    }
    var parameters: [String: String] = [:]
    for entry in map.entries {
      let name = entry.name
      // RFC 6749, appendix A: characters of a parameter's name. Names that need percent-encoding are not supported.
      guard !name.isEmpty, name.utf8.allSatisfy({ $0.isBareKeyByte || $0 == UInt8(ascii: ".") }) else {
        throw SettingFault(message: "holds \(name.shown), which is no parameter's name", range: entry.nameRange)
      }
      if let remedy = reservedParameters[name] {
        throw SettingFault(
          message: "may not hold '\(name)', which the daemon sends itself; \(remedy)", range: entry.nameRange)
      }
      guard let text = entry.value.string else {
        throw SettingFault(message: "takes strings, but '\(name)' is \(entry.value.kind)", range: entry.value.range)
      }
      parameters[name] = text
    }
    return parameters
  }
}

extension SettingType<Endpoint> {
  /// The URL of an API that gets a token: https, or http on localhost, without user name and fragment.
  static let apiURL = SettingType(name: "an https URL, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an https URL, as a string", node, context) }
    if let fault = APIURLSyntax.fault(in: text) { throw SettingFault(message: fault) }
    do throws(HTTPFailure) { return try Endpoint(text) } catch {
      throw SettingFault(message: "is \(text.shown), which cannot be used; correct it")
    }
  }
}

/// The syntax of an issuer: RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3.
enum IssuerSyntax {
  /// Why `text` is no issuer, as the end of a sentence after "which"; `nil` if it is one.
  static func fault(in text: String) -> String? {
    if text.isEmpty { return "is empty; give the authorization server's https URL" }
    return URLSyntax.fault(in: text, sends: "secret") { rest in
      if rest.contains("?") {
        return "has a query; an issuer has none (RFC 8414, section 2): remove it from the '?' on"
      }
      if rest.contains("#") {
        return "has a fragment; an issuer has none (RFC 8414, section 2): remove it from the '#' on"
      }
      return nil
    }
  }
}

extension IssuerSyntax {
  /// Whether an issuer is one of Konexus' own servers.
  static func isOfKonexus(_ issuer: String) -> Bool {
    guard let host = try? Endpoint(issuer).host else { return false }
    return host.hasSuffix(".alertsense.com") || host.hasSuffix(".alertsense.io")
  }

  /// Whether an issuer is an example's: its domain is reserved for examples (RFC 2606, section 3), or its host is a
  /// placeholder.
  static func isExample(_ issuer: String) -> Bool {
    let authority = issuer.split(separator: "://", maxSplits: 1).last?.prefix { $0 != "/" && $0 != ":" } ?? ""
    let labels = authority.split(separator: ".")
    let domain = labels.suffix(2).joined(separator: ".").lowercased()
    return ["example.com", "example.net", "example.org"].contains(domain)
      || labels.contains { $0.lowercased().hasPrefix("your") && Placeholder.matches(String($0)) }
      || (labels.count == 1 && ["ISSUER", "HOST", "SERVER"].contains(authority))
  }
}

extension SettingType<String> {
  /// The URL of a document or endpoint of the server: as an issuer's, with a query if it has one.
  static let serverURL = SettingType(name: "an https URL, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an https URL, as a string", node, context) }
    guard !text.isEmpty else { throw SettingFault(message: "is empty; give the https URL, or leave it out") }
    let fault = URLSyntax.fault(in: text, sends: "request") { rest in
      rest.contains("#") ? "has a fragment; remove it from the '#' on" : nil
    }
    if let fault { throw SettingFault(message: "is \(text.shown), which \(fault)") }
    return text
  }
}

/// The syntax of the URL of an API: as an issuer's, with a query if it needs one.
package enum APIURLSyntax {
  /// Why `text` is no such URL, as the end of a sentence after the name of the setting; `nil` if it is one.
  package static func fault(in text: String) -> String? {
    if text.isEmpty { return "is empty; give the https URL of the API, or leave it out" }
    let fault = URLSyntax.fault(in: text, sends: "token") { rest in
      rest.contains("#") ? "has a fragment; remove it from the '#' on" : nil
    }
    return fault.map { "is \(text.shown), which \($0)" }
  }
}

/// The rules that issuers and URLs of APIs have in common.
private enum URLSyntax {
  /// The fault of `text`, as the end of a sentence after "which"; `nil` if it has none.
  ///
  /// - Parameters:
  ///   - item: what is sent to the URL, for messages.
  ///   - further: the fault of the part after `://` that only one kind of URL has.
  static func fault(in text: String, sends item: String, further: (Substring) -> String?) -> String? {
    if text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f || "\"<>\\^`{|}".utf8.contains($0) }) {
      if let character = Lookalike.first(in: text.utf8)?.lookalike { return "contains \(character.name); remove it" }
      return "contains a character that no URL has; remove it or write it as %XX"
    }
    let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else { return "is no URL; give it with https:// in front" }
    guard ["https", "http"].contains(parts[0]) else { return "is no https URL; give it with https:// in front" }
    if let fault = further(parts[1]) { return fault }
    if parts[1].prefix(while: { $0 != "/" && $0 != "?" }).contains("@") {
      return "holds a user name or password; remove all up to the '@'"
    }
    do throws(HTTPFailure) {
      // The HTTP client decides which URLs are valid.
      _ = try Endpoint(text)
      return nil
    } catch {
      return error.reason == .insecureURL
        ? "would send the \(item) in clear text; give it with https:// in front (http is for localhost alone)"
        : "has no valid host and port behind '://'; correct it"
    }
  }
}
