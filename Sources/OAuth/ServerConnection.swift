import Base
import HTTP
import Synchronization

/// The HTTP requests to one authorization server.
struct ServerConnection: Sendable {
  let issuer: String
  let transport: TransportSettings
  let http: HTTPClient
  /// Receives each step of an attempt, if set.
  let observe: (@Sendable (AcquisitionStep) -> Void)?
  let clock = RemoteClock()

  /// Fetches a JSON document. `what` names it in messages.
  ///
  /// - Parameter conditions: The conditions of the request. The server may answer 304 to them.
  /// - Throws: Unless the response has content and a 2xx status. A 304 to a conditional request is also accepted.
  func get(
    _ url: String, _ what: String, timeout: Duration, conditions: [HTTPHeader] = [], collectsCertificates: Bool = false
  ) async throws(AcquisitionFailure) -> HTTPResponse {
    let sentAt = Moment.now()
    let response = try await send(
      HTTPRequest(
        method: .get, url: url, headers: conditions, timeout: timeout, transport: transport,
        collectsCertificates: collectsCertificates),
      what)
    if let observe {
      let receivedAt = Moment.now()
      let skew = ClockSkew.serverTime(of: response).map {
        ClockSkew.of(serverTime: $0, sentAt: sentAt, receivedAt: receivedAt)
      }
      observe(.fetched(AcquisitionStep.Document(url: url, response: response, skew: skew)))
    }
    if response.status == 304, !conditions.isEmpty { return response }
    guard response.isSuccess else { throw failure(of: response, what, url, isDocument: true) }
    try requireContent(of: response, what, url)
    return response
  }

  /// Sends a request, and reads the server's clock from the response. The status of the response does not matter.
  func send(_ request: HTTPRequest, _ what: String) async throws(AcquisitionFailure) -> HTTPResponse {
    observe?(.requested(url: request.url))
    do {
      let response = try await http.send(request)
      clock.note(response)
      return response
    } catch {
      throw located(AcquisitionFailure(error, while: what), at: request.url)
    }
  }

  /// Checks that a successful response has content that can be read.
  ///
  /// - Throws: `malformedAnswer` if there is none, `contentEncoding` if its content coding is not supported.
  func requireContent(of response: HTTPResponse, _ what: String, _ url: String) throws(AcquisitionFailure) {
    guard !response.body.isEmpty else {
      let failure = AcquisitionFailure(
        .malformedAnswer, "the \(what) endpoint \(url) answered \(response.status) without content")
      throw located(failure, at: url)
    }
    // Some servers name a coding that the content does not have, such as utf-8.
    if response.undecodedCoding != nil, (try? StrictJSON(document: response.body)) == nil {
      let failure = AcquisitionFailure(
        .contentEncoding, "the \(what) endpoint \(url) answered \(response.status)\(Self.codingHint(response))")
      throw located(failure, at: url)
    }
  }

  /// The end of a message about a response whose content is in an unsupported coding.
  private static func codingHint(_ response: HTTPResponse) -> String {
    guard let name = response.undecodedCoding else { return "" }
    return " with the content coding \(Printable.quoted(name)), which cannot be decoded here"
  }

  /// The failure, with a request that shows its cause. The request is for `url`, or else for the discovery document.
  func located(_ failure: AcquisitionFailure, at url: String? = nil) -> AcquisitionFailure {
    guard failure.request == nil else { return failure }
    var located = failure
    let url = url ?? ServerMetadata.locations(of: issuer).first ?? issuer
    located.request = FailedRequest(url: url, options: transport.curlOptions)
    return located
  }

  /// The failure that a response without success and without an OAuth error means.
  func failure(
    of response: HTTPResponse, _ what: String, _ url: String, isDocument: Bool = false
  ) -> AcquisitionFailure {
    let retryAfter = RetryAfter.parse(response.headers, unixTime: Int64(Moment.now().unix))
    let code: FailureCode =
      switch response.status {
      case 300..<400: isDocument ? .documentRejected : .redirect
      case 429: .tooManyRequests
      // These are Request Timeout and Too Early. The server asks for the same request again.
      case 408, 425: .serverError
      case 400..<500: isDocument ? .documentRejected : .rejected
      case 500...: .serverError
      default: .malformedAnswer
      }
    let failure = AcquisitionFailure(
      code, "the \(what) endpoint \(url) answered \(response.status)\(Self.codingHint(response))",
      retryAfter: retryAfter)
    return located(failure, at: url)
  }
}

extension HTTPResponse {
  /// Whether the request was successful (RFC 9110, 15.3).
  var isSuccess: Bool { (200..<300).contains(status) }
}

/// The clock of a server, read from its responses. Safe to use from any thread.
final class RemoteClock: Sendable {
  /// The server's time when this host's boot-time clock shows zero, in seconds since 1970.
  private let timeAtBoot = Mutex<Double?>(nil)

  /// A smaller difference is no skew. `Date` has whole seconds, and the response needs some time to arrive.
  private static let noticeableSkew = 5.0

  /// Reads the server's clock.
  func note(_ response: HTTPResponse) {
    guard let time = ClockSkew.serverTime(of: response) else { return }
    let boot = Moment.now().boot.nanoseconds
    timeAtBoot.withLock { $0 = time - Double(boot) / 1e9 }
  }

  /// The present time in seconds since 1970. It is that of this host's clock, unless the server's clock shows another
  /// time.
  var unixTime: Double {
    let now = Moment.now()
    guard let timeAtBoot = timeAtBoot.withLock({ $0 }) else { return now.unix }
    let atServer = timeAtBoot + Double(now.boot.nanoseconds) / 1e9
    return abs(atServer - now.unix) < Self.noticeableSkew ? now.unix : atServer
  }
}

/// The clock skew by the `Date` of a response (RFC 9110, 6.6.1).
extension ClockSkew {
  /// Computes how far the server's clock is ahead.
  ///
  /// The server dated the response between sending and receiving, and dates have whole seconds. A difference within
  /// these bounds is no skew.
  static func of(serverTime: Double, sentAt: Moment, receivedAt: Moment) -> Duration {
    let earliest = serverTime - receivedAt.unix
    let latest = serverTime + 1 - sentAt.unix
    if earliest <= 0, latest >= 0 { return .zero }
    return .seconds(earliest > 0 ? earliest : latest)
  }

  /// The server's time in seconds since 1970; nil without a `Date`. A cache on the way keeps `Date` and adds `Age`
  /// (RFC 9111, 5.1).
  static func serverTime(of response: HTTPResponse) -> Double? {
    response.headers["Date"].flatMap(HTTPDate.parse).map { Double($0) + Double(CacheLifetime.age(response.headers)) }
  }
}
