import Base
public import HTTP

/// The time limits of one attempt. Each exchange has the timeout. All exchanges together have twice the timeout.
struct Attempt {
  let start: BootTime
  private let timeout: Duration
  /// The time at which it is over, on a host that is awake.
  let limit: BootTime

  /// The limit for a request whose cached result can be used instead.
  static let substituteTimeout = Duration.seconds(5)

  /// The limit for reading metadata again after a request has failed.
  var lastResortTimeout: Duration { max(Self.substituteTimeout, timeout / 2) }

  init(_ request: TokenRequest, at now: BootTime) {
    self.init(timeout: request.timeout, at: now)
  }

  init(timeout: Duration, at now: BootTime) {
    start = now
    self.timeout = timeout
    limit = now + timeout * 2
  }

  /// The time that the next exchange can take, at most `longest`.
  ///
  /// - Throws: `timeout` if no time is left.
  func allowance(at now: BootTime, longest: Duration? = nil) throws(AcquisitionFailure) -> Duration {
    let left = limit - now
    guard left > .zero else {
      throw AcquisitionFailure(.timeout, "the attempt took longer than \(Int(timeout.seconds * 2)) s in all")
    }
    return min(timeout, left, longest ?? timeout)
  }
}

/// A step of an attempt, as `konexus-tokend check` shows it. It contains no secret and no token.
public enum AcquisitionStep: Sendable {
  /// A request to this URL was sent.
  case requested(url: String)
  /// The server responded to a request for one of its documents, with any status.
  case fetched(Document)
  /// The discovery document is valid.
  case discovered(ServerMetadata)
  /// The token endpoint issued a token, which is not verified yet.
  case answered(Answer)
  /// The keys that can verify the token were read.
  case keys(count: Int)

  /// A document of the server and its response.
  public struct Document: Sendable {
    /// Its URL.
    public var url: String
    /// The response, with certificates for the first document of an attempt.
    public var response: HTTPResponse
    /// How far the server's clock is ahead of this host's; nil if the response has no `Date`.
    public var skew: Duration?
  }

  /// A successful token response (RFC 6749, 5.1), without its token.
  public struct Answer: Sendable {
    /// The endpoint.
    public var url: String
    /// The time from sending the request to receiving the whole response.
    public var duration: Duration
    /// `expires_in` in seconds.
    public var expiresIn: Double?
    /// `scope`, if the response has it.
    public var scope: [String]?
    /// The client authentication that the server accepted.
    public var clientAuthentication: ClientAuthentication
    /// How far the server's clock is ahead of this host's.
    public var skew: Duration?
    /// The content of the token; nil if it is no JWT.
    public var token: TokenInspection?
  }
}
