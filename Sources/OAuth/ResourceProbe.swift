public import Base
public import HTTP

/// A request that shows whether an API accepts a token (RFC 6750).
///
/// It is one GET. Redirects are not followed, and the content of the response is not read. The token goes to the host
/// of `url` only.
public struct ResourceProbe: Sendable {
  /// What a response means.
  public enum Outcome: Hashable, Sendable {
    /// The API accepted the token. The status is 2xx, or 403, which is about the permissions of a valid token.
    case accepted(status: Int)
    /// The API rejected the token: 401. `error` is the error code of RFC 6750, 3.1, if there is a well-formed one.
    case rejected(error: String?)
    /// Any other response, or none. The reason is one line of plain text without secrets.
    case unknown(reason: String)
  }

  /// The URL of the request, `api_url`.
  public let url: String
  private let transport: TransportSettings
  private let http: HTTPClient

  /// Makes a probe.
  ///
  /// - Parameters:
  ///   - url: An https URL, or http for a loopback host (see `Endpoint`).
  ///   - transport: The settings of the token. Its pin is not used, because it is for the authorization server's key.
  public init(url: String, transport: TransportSettings, http: HTTPClient) {
    self.url = url
    self.transport = transport
    self.http = http
  }

  /// Sends the request with `token`.
  ///
  /// - Parameter timeout: The limit for the whole exchange.
  public func send(_ token: Secret, timeout: Duration) async -> Outcome {
    var transport = transport
    transport.pinnedPublicKey = nil
    let outcome: Outcome
    do throws(HTTPFailure) {
      let response = try await http.send(
        HTTPRequest(
          method: .get, url: url, authorization: Self.authorization(token), timeout: timeout, transport: transport,
          discardsBody: true))
      outcome = Self.outcome(of: response, from: try Endpoint(url))
    } catch {
      outcome = .unknown(reason: error.message)
    }
    return outcome.without(token)
  }

  /// The meaning of a response.
  static func outcome(of response: HTTPResponse, from endpoint: Endpoint) -> Outcome {
    switch response.status {
    case 200..<300, 403: return .accepted(status: response.status)
    case 401:
      let challenges = response.headers.values(for: "WWW-Authenticate")
      return .rejected(error: challenges.lazy.compactMap { BearerChallenge.error(in: $0) }.first)
    default:
      let hint = (300..<400).contains(response.status) ? ", and redirects are not followed" : ""
      return .unknown(reason: "\(endpoint.place) answered \(response.status)\(hint)")
    }
  }

  /// The value of an `Authorization` field (RFC 6750, 2.1), made in memory that is wiped.
  private static func authorization(_ token: Secret) -> Secret {
    let scheme = Array("Bearer ".utf8)
    return Secret(capacity: scheme.count + token.count) { output, _ in
      output.copyBytes(from: scheme)
      token.withBytes { UnsafeMutableRawBufferPointer(rebasing: output[scheme.count...]).copyBytes(from: $0) }
    }
  }
}

extension ResourceProbe.Outcome {
  /// This outcome without texts of the API that quote the token.
  fileprivate func without(_ token: Secret) -> Self {
    switch self {
    case .accepted, .rejected(error: .none): return self
    case .rejected(let error?):
      let shown = AcquisitionFailure(.apiProbe, error).without([token]).message
      return .rejected(error: shown == error ? error : nil)
    case .unknown(let reason): return .unknown(reason: AcquisitionFailure(.apiProbe, reason).without([token]).message)
    }
  }
}
