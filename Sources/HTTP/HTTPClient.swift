import Files
import Synchronization

/// Makes HTTP/1.1 exchanges over TLS 1.2 or newer, by libcurl.
///
/// Redirects are returned, not followed; content is taken as it is, never decompressed; header fields are limited to 64 KiB and
/// the content to `maximumBodyBytes`. While exchanges are under way one thread of the client's own drives them all, so that a
/// slow server delays nobody else, and connections are used again. About a second after the last exchange the thread ends and
/// the connections are closed: an idle client costs nothing.
public final class HTTPClient: Sendable {
  private let loop: TransferLoop
  private let limits: TransferLimits
  private let userAgent: String
  private let authorities: SystemAuthorities
  /// Whether the system's hashed directory was once found to lack an authority that its bundle has: it is not asked first any more.
  private let isDirectoryShort = Atomic(false)

  /// Makes a client; nothing is started before the first request.
  /// - Parameters:
  ///   - maximumBodyBytes: The longest content that is accepted.
  ///   - userAgent: The `User-Agent` to send, as RFC 9110 10.1.5 has it: `name/version`.
  public convenience init(maximumBodyBytes: Int = 1 << 20, userAgent: String = "konexus-tokend") {
    // Long enough that discovery, token request and keys share a connection.
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

  /// Sends `request` and returns the complete answer, whatever its status.
  ///
  /// Cancelling the task ends the exchange at once, with the reason `cancelled`. After the return nothing of the exchange goes on.
  /// - Throws: `HTTPFailure` if there is no complete answer within the request's time.
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
      // Nothing of the request was sent: the handshake had not ended.
      prepared.request.timeout = max(.milliseconds(1), request.timeout - (ContinuousClock.now - start))
      prepared.authoritiesPart = .all
      let response = try await exchange(prepared)
      isDirectoryShort.store(true, ordering: .relaxed)
      return response
    }
  }

  /// The files that the request's transport names. Another request's files may be on a file system that hangs: this one must not wait.
  private func files(for request: HTTPRequest) async throws(HTTPFailure) -> TransportFiles {
    let transport = request.transport
    guard let lane = transport.fileLane, try Endpoint(request.url).isSecure else { return .none }
    let result: Result<TransportFiles, HTTPFailure>
    do throws(FileCalls.Overdue) {
      result = try await FileCalls.run(lane, limit: min(request.timeout, FileCalls.usualLimit)) {
        Result { () throws(HTTPFailure) in try TransportFiles(transport) }
      }
    } catch {
      throw HTTPFailure(reason: .tls(transport.fault(ofOverdue: error.path)), message: "\(error)")
    }
    return try result.get()
  }

  private func exchange(_ prepared: PreparedRequest) async throws(HTTPFailure) -> HTTPResponse {
    // A task that is cancelled already must not even reach the server.
    if Task.isCancelled { throw prepared.cancellation }
    let id = loop.reserve()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<HTTPResponse, HTTPFailure>, Never>) in
        loop.start(prepared, id: id) { continuation.resume(returning: $0) }
        // Cancelled before the loop knew the transfer: the handler below has then found nothing to cancel.
        if Task.isCancelled { loop.cancel(id) }
      }
    } onCancel: {
      loop.cancel(id)
    }
    return try result.get()
  }
}

extension HTTPFailure {
  /// Whether more authorities could make it a success.
  fileprivate var isOfUnknownAuthority: Bool { reason == .tls(.unknownAuthority) || reason == .tls(.selfSigned) }
}

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
