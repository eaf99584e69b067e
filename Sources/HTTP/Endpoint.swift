import Base
internal import CCurl

/// An absolute http or https URL, parsed by libcurl, so that the checked host is the host of the connection.
///
/// Only unambiguous forms are accepted: printable ASCII, `//` after the scheme, no user information, no fragment. Plain
/// http is accepted for this host only: `localhost`, 127.0.0.0/8, `[::1]`.
public struct Endpoint: Hashable, Sendable {
  /// The URL as given.
  public let url: String
  /// Whether it is https.
  public let isSecure: Bool
  /// The host in lower case, an IPv6 address without brackets.
  public let host: String
  /// The port; the scheme's default if the URL has none.
  public let port: Int
  /// The path as given; `/` if there is none.
  public let path: String
  /// The text after the `?`, as given.
  public let query: String?

  /// Checks and parses `url`.
  ///
  /// - Throws: `HTTPFailure` with the reason `invalidURL`, or `insecureURL` for http to a remote host.
  public init(_ url: String) throws(HTTPFailure) {
    try Self.checkForm(url)
    let parts = curl_url()
    defer { curl_url_cleanup(parts) }
    let code = curl_url_set(parts, CURLUPART_URL, url, UInt32(CURLU_DISALLOW_USER | CURLU_PATH_AS_IS))
    guard code == CURLUE_OK else {
      // libcurl has a text for the code only since 7.80.
      let isPort = code == CURLUE_BAD_PORT_NUMBER
      throw Self.invalid(url, isPort ? "its port is not within 1 to 65535" : "its host is malformed")
    }

    func part(_ part: CURLUPart, flags: Int32 = 0) -> String? {
      var text: UnsafeMutablePointer<CChar>?
      guard curl_url_get(parts, part, &text, UInt32(flags)) == CURLUE_OK, let text else { return nil }
      defer { curl_free(text) }
      return String(cString: text)
    }
    let scheme = part(CURLUPART_SCHEME)
    guard let rawHost = part(CURLUPART_HOST)?.lowercased(), !rawHost.isEmpty else {
      throw Self.invalid(url, "it names no host")
    }
    guard let port = part(CURLUPART_PORT, flags: CURLU_DEFAULT_PORT).flatMap({ Int($0) }), (1...65535).contains(port)
    else {
      throw Self.invalid(url, "its port is not within 1 to 65535")
    }
    self.url = url
    isSecure = scheme == "https"
    host = rawHost.hasPrefix("[") ? String(rawHost.dropFirst().dropLast()) : rawHost
    self.port = port
    path = part(CURLUPART_PATH) ?? "/"
    query = part(CURLUPART_QUERY)
    guard isSecure || isLoopback else {
      throw HTTPFailure(
        reason: .insecureURL,
        message: "\(url) is plain http to another host, which would show secrets to the network: use https")
    }
  }

  /// Scheme, host and port, without the scheme's default port: `https://auth.example.com`.
  public var origin: String {
    let scheme = isSecure ? "https" : "http"
    let host = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? "\(scheme)://\(host)" : "\(scheme)://\(host):\(port)"
  }

  /// Whether the host is this host by its name: `localhost`, 127.0.0.0/8 or `::1`.
  public var isLoopback: Bool {
    // libcurl resolves `localhost` without DNS (RFC 6761 6.3), and writes every form of an IPv4 address as a dotted
    // quad.
    if host == "localhost" || host == "::1" { return true }
    let octets = host.split(separator: ".", omittingEmptySubsequences: false)
    return octets.count == 4 && octets[0] == "127" && octets.allSatisfy { UInt8($0) != nil }
  }

  /// The host and port for messages.
  package var place: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Refuses forms that parsers read differently, before libcurl's lenient parser reads them.
  private static func checkForm(_ url: String) throws(HTTPFailure) {
    guard url.utf8.count <= 8000 else { throw invalid(String(url.prefix(100)) + "...", "it is too long") }
    guard url.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: "\\") }) else {
      throw invalid(url, "it has characters that a URL cannot have (write an international host name as xn--...)")
    }
    let lowered = url.lowercased()
    guard lowered.hasPrefix("https://") || lowered.hasPrefix("http://") else {
      throw invalid(url, "it does not begin with https://")
    }
    guard !url.contains("#") else { throw invalid(url, "it has a fragment (#...)") }
    let rest = lowered.drop { $0 != "/" }.dropFirst(2)
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    // The message must not repeat a password.
    guard !authority.contains("@") else { throw invalid("a URL", "it has a user name or password in it (...@)") }
    let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" }.dropFirst() : authority.prefix { $0 != ":" }
    let permitted = authority.hasPrefix("[") ? "0123456789abcdef:." : "abcdefghijklmnopqrstuvwxyz0123456789.-_"
    guard !host.isEmpty, host.allSatisfy({ permitted.contains($0) }) else {
      throw invalid(url, host.isEmpty ? "it names no host" : "its host name has characters that no host name has")
    }
  }

  private static func invalid(_ url: String, _ why: String) -> HTTPFailure {
    let shown = Printable.escapedASCII(url, to: .max)
    return HTTPFailure(reason: .invalidURL, message: "\(shown) is not a URL that can be used: \(why)")
  }
}
