/// A request to a server, as an administrator can repeat it. It holds no secret.
public struct FailedRequest: Hashable, Sendable {
  /// The URL.
  public var url: String
  /// The options of curl(1) for the same connection, one argument each: CA certificates, proxy, client certificate.
  public var options: [String]

  /// A request for `url`.
  public init(url: String, options: [String] = []) {
    self.url = url
    self.options = options
  }

  /// The host of the URL, without brackets.
  package var host: String {
    let rest = url.drop { $0 != "/" }.drop { $0 == "/" }
    guard !rest.hasPrefix("[") else { return String(rest.dropFirst().prefix { $0 != "]" }) }
    return String(rest.prefix { !"/?#:".contains($0) })
  }

  /// The command for a shell that sends a GET request.
  package func curl(_ option: String) -> String {
    (["curl", option] + options + [url]).map(\.shellQuoted).joined(separator: " ")
  }
}

extension FailedRequest {
  /// The command that shows the addresses of the host.
  var resolve: String { "getent ahosts \(host.shellQuoted)" }
}

extension FailedRequest? {
  /// A text, and the command for the request if there is one.
  func remedy(_ text: String, _ command: (FailedRequest) -> String) -> String {
    map { "\(text): \(command($0))" } ?? text
  }
}
