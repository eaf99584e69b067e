import Base
public import HTTP

/// One attempt's allowance of time: each exchange has its timeout, all together have twice that.
struct Attempt {
  let start: BootTime
  private let timeout: Duration
  /// When it is over, on a host that is awake.
  let limit: BootTime

  /// What is waited for something that there is a substitute for, such as a newer discovery document.
  static let substituteTimeout = Duration.seconds(5)

  /// What is waited for something that may help, after something else has failed already.
  var lastResortTimeout: Duration { max(Self.substituteTimeout, timeout / 2) }

  init(_ request: TokenRequest, at now: BootTime) {
    self.init(timeout: request.timeout, at: now)
  }

  init(timeout: Duration, at now: BootTime) {
    start = now
    self.timeout = timeout
    limit = now + timeout * 2
  }

  /// What the next exchange may take, `longest` at the most.
  ///
  /// - Throws: `timeout` if nothing is left.
  func allowance(at now: BootTime, longest: Duration? = nil) throws(AcquisitionFailure) -> Duration {
    let left = limit - now
    guard left > .zero else {
      throw AcquisitionFailure(.timeout, "the attempt took longer than \(Int(timeout.seconds * 2)) s in all")
    }
    return min(timeout, left, longest ?? timeout)
  }
}

/// Something read from the server, and until when it is good.
struct Cached<Value: Sendable>: Sendable {
  var value: Value
  var readAt: BootTime
  var freshUntil: BootTime
}

/// How long what a server published is taken for fresh.
enum Freshness {
  /// At least this, whatever the server says: tokens of 20 s must not mean a discovery every 10 s.
  static let shortest = Duration.seconds(60)
  /// At most this: a signing key that was withdrawn must not be trusted for ever.
  static let longest = Duration.seconds(86_400)
  /// If the server says nothing.
  static let usual = Duration.seconds(3600)
  /// When the server could not be asked and the last good answer serves on.
  static let afterOutage = Duration.seconds(60)

  static func of(_ response: HTTPResponse) -> Duration {
    min(max(CacheLifetime.freshness(response.headers, unixTime: Int64(Moment.now().unix)) ?? usual, shortest), longest)
  }
}

/// What is told of an attempt while it is under way, for a person who watches it (`konexus-tokend check`). Holds no secret and no token.
public enum AcquisitionStep: Sendable {
  /// The server answered a request for one of its documents, well or not.
  case fetched(Document)
  /// The discovery document is good.
  case discovered(ServerMetadata)
  /// The token endpoint gave a token, not verified yet.
  case answered(Answer)
  /// The keys that the token is verified with.
  case keys(count: Int)

  /// A document of the server's and how it came.
  public struct Document: Sendable {
    /// Its URL.
    public var url: String
    /// The answer, certificates included for the first document of an attempt.
    public var response: HTTPResponse
    /// How far the server's clock is ahead of this host's; `nil` if the answer has no `Date`.
    public var skew: Duration?
  }

  /// A token endpoint's good answer (RFC 6749, 5.1), without its token.
  public struct Answer: Sendable {
    /// The endpoint.
    public var url: String
    /// From sending to the whole answer.
    public var duration: Duration
    /// `expires_in` in seconds.
    public var expiresIn: Double?
    /// `scope`, if the answer has it.
    public var scope: [String]?
    /// By what the server knew the client.
    public var clientAuthentication: ClientAuthentication
    /// How far the server's clock is ahead of this host's.
    public var skew: Duration?
    /// What the token says; `nil` if it is no JWT.
    public var token: TokenInspection?
  }
}

/// How far a server's clock is from this host's, told by the `Date` of an answer (RFC 9110, 6.6.1).
enum ClockSkew {
  /// By how much the server is ahead. The answer was dated between sending and receiving, and dates are cut to the second: what lies
  /// within that is no skew.
  static func of(serverTime: Double, sentAt: Moment, receivedAt: Moment) -> Duration {
    let earliest = serverTime - receivedAt.unix
    let latest = serverTime + 1 - sentAt.unix
    if earliest <= 0, latest >= 0 { return .zero }
    return .seconds(earliest > 0 ? earliest : latest)
  }

  /// The server's clock as the answer tells it, seconds since 1970. A cache on the way keeps `Date` as it was and adds `Age` (RFC 9111, 5.1).
  static func serverTime(of response: HTTPResponse) -> Double? {
    guard let date = response.headers["Date"].flatMap(HTTPDate.parse) else {
      return nil
    }
    return Double(date) + Double(CacheLifetime.age(response.headers))
  }
}
