import Files
import Synchronization

/// An HTTP/1.1 client over TLS 1.2 or newer, by libcurl.
///
/// It returns redirects and does not follow them. It asks for content without a coding, and decodes gzip and deflate.
/// Header fields are limited to 64 KiB, the content to `maximumBodyBytes`, encoded and decoded. While exchanges are
/// under way, one thread of the client drives them all. A slow server delays no other exchange, and connections are
/// reused. About a second after the last exchange, the thread ends and the connections are closed. An idle client costs
/// nothing.
public final class HTTPClient: Sendable {
  private let loop: TransferLoop
  private let limits: TransferLimits
  private let userAgent: String
  private let authorities: SystemAuthorities
  /// Whether the hashed directory once lacked a CA certificate that the bundle has. Then the client does not use the
  /// directory alone any more.
  private let isDirectoryShort = Atomic(false)

  /// Makes a client. It starts nothing before the first request.
  ///
  /// - Parameters:
  ///   - maximumBodyBytes: The longest accepted content.
  ///   - userAgent: The value of `User-Agent` as in RFC 9110 10.1.5: `name/version`.
  public convenience init(maximumBodyBytes: Int = 1 << 20, userAgent: String = "konexus-tokend") {
    // Long enough for discovery, token request and keys to share a connection.
    self.init(maximumBodyBytes: maximumBodyBytes, userAgent: userAgent, linger: .seconds(1))
  }

  init(
    maximumBodyBytes: Int, userAgent: String, linger: Duration, authorities: SystemAuthorities = SystemAuthorities()
  ) {
    self.authorities = authorities
    loop = TransferLoop(linger: linger)
    limits = TransferLimits(bodyBytes: maximumBodyBytes, headerBytes: 64 << 10)
    self.userAgent = userAgent
  }

  deinit {
    loop.endLinger()
  }

  /// Sends `request` and returns the complete response, with any status.
  ///
  /// Cancelling the task ends the exchange at once, with the reason `cancelled`. After the return, nothing of the
  /// exchange continues.
  /// - Throws: `HTTPFailure` if there is no complete response within the request's time.
  public func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
    let begin = ContinuousClock.now
    var prepared = try PreparedRequest(
      request, files: try await files(for: request), limits: limits, userAgent: userAgent, authorities: authorities)
    prepared.request.timeout = max(.milliseconds(1), request.timeout - (ContinuousClock.now - begin))
    guard prepared.goesBySystem, !isDirectoryShort.load(ordering: .relaxed) else { return try await exchange(prepared) }
    let start = ContinuousClock.now
    prepared.authoritiesPart = .directory
    do {
      return try await exchange(prepared)
    } catch  where error.isOfUnknownAuthority {
      // The handshake had not ended: nothing of the request was sent.
      prepared.request.timeout = max(.milliseconds(1), request.timeout - (ContinuousClock.now - start))
      prepared.authoritiesPart = .all
      let response = try await exchange(prepared)
      isDirectoryShort.store(true, ordering: .relaxed)
      return response
    }
  }

  /// Reads the files that the request's transport names. They can be on a file system that hangs. Requests with other
  /// files must not wait for it.
  private func files(for request: HTTPRequest) async throws(HTTPFailure) -> TransportFiles {
    let transport = request.transport
    guard let lane = transport.fileLane, try Endpoint(request.url).isSecure else { return .none }
    let authorities = loop.authorities
    let result: Result<TransportFiles, HTTPFailure>
    do throws(FileCalls.Overdue) {
      result = try await FileCalls.run(lane, limit: min(request.timeout, FileCalls.usualLimit)) {
        Result { () throws(HTTPFailure) in try TransportFiles(transport, authorities) }
      }
    } catch {
      throw HTTPFailure(reason: .tls(transport.fault(ofOverdue: error.path)), message: "\(error)")
    }
    return try result.get()
  }

  private func exchange(_ prepared: PreparedRequest) async throws(HTTPFailure) -> HTTPResponse {
    // The request of a cancelled task must not reach the server.
    if Task.isCancelled { throw prepared.cancellation }
    let id = loop.reserve()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<HTTPResponse, HTTPFailure>, Never>) in
        loop.start(prepared, id: id) { continuation.resume(returning: $0) }
        // The task was cancelled before the loop knew the transfer. The handler below found nothing to cancel then.
        if Task.isCancelled { loop.cancel(id) }
      }
    } onCancel: {
      loop.cancel(id)
    }
    return try result.get().decoded(limit: limits.bodyBytes, from: prepared.endpoint)
  }
}

extension HTTPFailure {
  /// Whether the request can succeed with more CA certificates.
  fileprivate var isOfUnknownAuthority: Bool { reason == .tls(.unknownAuthority) || reason == .tls(.selfSigned) }
}

/// The limits of a response.
struct TransferLimits: Hashable, Sendable {
  /// The longest content.
  var bodyBytes: Int
  /// The longest header fields. Status lines, interim responses, trailers and a proxy's response count.
  var headerBytes: Int
}

/// A checked request and the contents of its files. The loop's thread needs nothing else for a transfer.
struct PreparedRequest: Sendable {
  let endpoint: Endpoint
  var request: HTTPRequest
  let files: TransportFiles
  let limits: TransferLimits
  let userAgent: String
  /// The CA certificates if the request names no `caFile`.
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
          message: "request failed: the header field \(Self.shown(header.name)) has characters that end a line")
      }
    }
    if let authorization = request.authorization {
      guard authorization.withBytes({ Self.isFieldValue($0) }) else {
        throw HTTPFailure(
          reason: .other, message: "request to \(endpoint.place) failed: the authorization has control characters")
      }
    }
    try Self.checkProxy(request.transport.proxy)
    self.files = files
    self.request = request
    self.limits = limits
    self.userAgent = userAgent
  }

  /// The value of CURLOPT_PROXY. With nil, the environment decides. An empty text means no proxy.
  var proxy: String? {
    guard endpoint.isSecure else { return "" }
    return switch request.transport.proxy {
    case .environment: endpoint.isLoopback ? "" : nil
    case .none: ""
    case .url(let url): url
    }
  }

  /// Whether the system's CA certificates are trusted.
  var goesBySystem: Bool { endpoint.isSecure && files.authorities == nil }

  /// The failure of a request whose task was cancelled.
  var cancellation: HTTPFailure {
    HTTPFailure(reason: .cancelled, message: "request to \(endpoint.place) cancelled")
  }

  private static func checkProxy(_ proxy: ProxySetting) throws(HTTPFailure) {
    guard case .url(let url) = proxy else { return }
    let lowered = url.lowercased()
    guard lowered.hasPrefix("http://") || lowered.hasPrefix("https://"),
      url.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
    else {
      // The URL can hold a password: the message does not repeat it.
      throw HTTPFailure(reason: .proxy, message: "the proxy is not of the form http://HOST:PORT or https://HOST:PORT")
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
