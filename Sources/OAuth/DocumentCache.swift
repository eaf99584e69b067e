import Base
import HTTP

/// The state of one of the server's documents. It belongs to the actor `AuthorizationServer`.
final class DocumentCache<Value: Sendable> {
  var cached: Cached<Value>?
  /// The reading under way, if any.
  var reading: Reading<Value>?
  /// The limit of readings that a failure suggests, before the cached value is stale.
  var reloads = RateLimiter()
}

/// A value from the server, and the time until which it is fresh.
struct Cached<Value: Sendable>: Sendable {
  var value: Value
  var readAt: BootTime
  var freshUntil: BootTime
}

/// A reading of a document that is under way. All attempts that need the document wait for the same response.
struct Reading<Value: Sendable> {
  let task: Task<Result<Value, AcquisitionFailure>, Never>
  private let url: String
  private let limit: BootTime

  /// - Parameter limit: The time at which it is over, on a host that is awake.
  init(of url: String, limit: BootTime, _ task: Task<Result<Value, AcquisitionFailure>, Never>) {
    self.url = url
    self.limit = limit
    self.task = task
  }

  /// Whether it reads this document and can still succeed.
  ///
  /// A suspend of the host kills its connection. libcurl notices that only when the timeout has passed while awake.
  func serves(_ url: String, at now: BootTime) -> Bool { self.url == url && now <= limit }

  /// The failure of an attempt that waited for this reading until its own time was over.
  func overdue(after allowance: Duration) -> AcquisitionFailure {
    AcquisitionFailure(.timeout, "\(url) did not answer within \(Int(allowance.seconds.rounded())) s")
  }
}

/// The rules for how long a document is fresh.
enum Freshness {
  /// The minimum, whatever the server says: tokens of 20 s must not mean a discovery every 10 s.
  static let shortest = Duration.seconds(60)
  /// The maximum: a signing key that was withdrawn must not be trusted for long.
  static let longest = Duration.seconds(86_400)
  /// The default if the server says nothing.
  static let usual = Duration.seconds(3600)
  /// The extension of the last good document while the server cannot be reached.
  static let afterOutage = Duration.seconds(60)

  /// The freshness of a response, within these bounds.
  static func of(_ response: HTTPResponse) -> Duration {
    min(max(CacheLifetime.freshness(response.headers, unixTime: Int64(Moment.now().unix)) ?? usual, shortest), longest)
  }
}

/// A limit of three reloads at once and then one per 30 s.
///
/// A real key rotation is noticed at once, and made-up key identifiers cannot cause a storm of requests.
struct RateLimiter {
  private static let burst = 3.0
  private static let refillPerSecond = 1.0 / 30

  private var permits = Self.burst
  private var refilledAt: BootTime?

  /// Takes a permit, if there is one.
  mutating func permits(at now: BootTime) -> Bool {
    if let refilledAt { permits = min(Self.burst, permits + (now - refilledAt).seconds * Self.refillPerSecond) }
    refilledAt = now
    guard permits >= 1 else { return false }
    permits -= 1
    return true
  }
}
