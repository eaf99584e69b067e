import HTTP

/// What an issuer may look like: RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3.
enum IssuerSyntax {
  /// What is wrong with `text` as an issuer, to be read behind "which"; nil if nothing is.
  static func fault(in text: String) -> String? {
    if text.isEmpty { return "is empty; give the authorization server's https URL" }
    if text.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7f || "\"<>\\^`{|}".utf8.contains($0) }) {
      return "contains a character that no URL has; remove it or write it as %XX"
    }
    let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty else { return "is no URL; give it with https:// in front" }
    guard ["https", "http"].contains(parts[0]) else { return "is no https URL; give it with https:// in front" }
    if parts[1].contains("?") {
      return "has a query; an issuer has none (RFC 8414, section 2): remove it from the '?' on"
    }
    if parts[1].contains("#") {
      return "has a fragment; an issuer has none (RFC 8414, section 2): remove it from the '#' on"
    }
    if parts[1].prefix(while: { $0 != "/" }).contains("@") {
      return "holds a user name or password; remove all up to the '@'"
    }
    do throws(HTTPFailure) {
      // What requests will be sent to is read by the one that sends them.
      _ = try Endpoint(text)
      return nil
    } catch {
      return error.reason == .insecureURL
        ? "would send the secret in clear text; give it with https:// in front (http is for localhost alone)"
        : "has no valid host and port behind '://'; correct it"
    }
  }
}
