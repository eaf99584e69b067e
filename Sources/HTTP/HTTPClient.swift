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
