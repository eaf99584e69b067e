/// One request that the sandbox saw.
public struct RequestRecord: Sendable, Hashable, Codable {
  /// Its endpoint.
  public var endpoint: SandboxEndpoint
  /// Its method.
  public var method: String
  /// Its path, without the query.
  public var path: String
  /// When its head and body had arrived, in seconds of CLOCK_MONOTONIC, which is the same for all processes of a
  /// machine.
  public var time: Double
  /// The status of the answer; nil if there was none, or none yet.
  public var status: Int?
  /// Why the sandbox refused it; nil if it did not.
  public var refusal: String?
  /// The method of client authentication, named as in RFC 8414: `client_secret_post`, `private_key_jwt`, ...
  /// `nil` if the client did not authenticate, or did not need to.
  public var authentication: String?
  /// The form fields of the request, without the client's secret and assertion and without the tokens.
  public var parameters: [String: [String]] = [:]
  /// `alg`, `kid`, `x5t`, `x5t#S256` and `aud` of the client assertion, as far as it has them; nil without one.
  public var assertion: [String: String]?
  /// Whether the client authenticated with a certificate when the TLS connection was made.
  public var showsCertificate = false
}

/// The counts since the start, or since they were reset.
public struct Counts: Sendable, Hashable, Codable {
  /// Accepted connections, also those without a request.
  public var connections = 0
  /// Requests by endpoint.
  public var requests: [SandboxEndpoint: Int] = [:]
  /// Tokens that were made and put into an answer.
  public var tokensIssued = 0
  /// Token requests refused.
  public var tokenRefusals = 0
  /// Requests that the API accepted.
  public var apiAccepted = 0
  /// Requests that the API refused with 401 or 403.
  public var apiRefused = 0
  /// The API's refusals by reason.
  public var apiRefusals: [String: Int] = [:]
  /// Alerts that the API accepted.
  public var alerts = 0

  /// No counts yet.
  public init() {}

  /// Requests to one endpoint.
  public subscript(endpoint: SandboxEndpoint) -> Int { requests[endpoint] ?? 0 }
}
