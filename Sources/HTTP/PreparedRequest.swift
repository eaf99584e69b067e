/// How much of an answer is taken.
struct TransferLimits: Hashable, Sendable {
  /// The longest content.
  var bodyBytes: Int
  /// The longest header fields, status lines, interim responses, trailers and a proxy's answer included.
  var headerBytes: Int
}

/// A request that was checked and whose files were read: all that a transfer needs, ready to be handed to the loop's thread.
struct PreparedRequest: Sendable {
  let endpoint: Endpoint
  var request: HTTPRequest
  let files: TransportFiles
  let limits: TransferLimits
  let userAgent: String
  /// Whom to trust if the request names no `caFile`.
  let authorities: SystemAuthorities
  var authoritiesPart = SystemAuthorities.Part.all

  init(
    _ request: HTTPRequest, files: TransportFiles, limits: TransferLimits, userAgent: String,
    authorities: SystemAuthorities = SystemAuthorities()
  ) throws(HTTPFailure) {
    self.authorities = authorities
    endpoint = try Endpoint(request.url)
    for header in request.headers + [
      HTTPHeader("Content-Type", request.contentType), HTTPHeader("User-Agent", userAgent),
    ] {
      guard Self.isToken(header.name), Self.isFieldValue(header.value.utf8) else {
        throw HTTPFailure(
          reason: .other,
          message: "the header field \(Self.shown(header.name)) cannot be sent: it has characters that end a line")
      }
    }
    if let authorization = request.authorization {
      guard authorization.withBytes({ Self.isFieldValue($0) }) else {
        throw HTTPFailure(
          reason: .other, message: "the authorization for \(endpoint.place) cannot be sent: it has control characters")
      }
    }
    try Self.checkProxy(request.transport.proxy)
    self.files = files
    self.request = request
    self.limits = limits
    self.userAgent = userAgent
  }

  /// What libcurl is told about proxies: nil leaves it to the environment, the empty text means none.
  var proxy: String? {
    guard endpoint.isSecure else { return "" }
    return switch request.transport.proxy {
    case .environment: endpoint.isLoopback ? "" : nil
    case .none: ""
    case .url(let url): url
    }
  }

  /// Whether the system says whom to trust.
  var goesBySystem: Bool { endpoint.isSecure && files.authorities == nil }

  /// The failure of a request whose task was cancelled.
  var cancellation: HTTPFailure {
    HTTPFailure(reason: .cancelled, message: "the request to \(endpoint.place) was cancelled")
  }

  private static func checkProxy(_ proxy: ProxySetting) throws(HTTPFailure) {
    guard case .url(let url) = proxy else { return }
    let lowered = url.lowercased()
    guard lowered.hasPrefix("http://") || lowered.hasPrefix("https://"),
      url.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
    else {
      // The URL may hold a password: it is not repeated.
      throw HTTPFailure(reason: .proxy, message: "the proxy is not given as http://HOST:PORT or https://HOST:PORT")
    }
  }

  /// RFC 9110 5.6.2.
  private static func isToken(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "A")...UInt8(ascii: "Z"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  /// RFC 9110 5.5, without `obs-text`.
  private static func isFieldValue(_ bytes: some Collection<UInt8>) -> Bool {
    bytes.allSatisfy { (0x20...0x7e).contains($0) || $0 == 0x09 }
  }

  private static func shown(_ name: String) -> String {
    isToken(name) ? name : "name"
  }
}
