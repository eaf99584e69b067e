import Base
import HTTP

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
