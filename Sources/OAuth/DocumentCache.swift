import Base
import HTTP

/// The state of one of the server's documents. It belongs to the actor `AuthorizationServer`.
final class DocumentCache<Value: Sendable> {
  var cached: Cached<Value>?
  /// The reading under way, if any.
  var reading: Reading<Value>?
  /// The limit of the readings that a failure causes before the cached value is stale.
  var reloads = RateLimiter()

  /// Whether the cached value can be used if the document cannot be read.
  func hasSubstitute(at now: BootTime) -> Bool { cached.map { now < $0.readAt + Freshness.substitution } ?? false }

  /// The cached value, to be used for another minute because `failure` prevents a reading. Nil if the document is
  /// wrong rather than absent, or if the value is too old.
  func substitute(after failure: AcquisitionFailure, at now: BootTime) -> Value? {
    guard failure.isOutage, hasSubstitute(at: now), let lastGood = cached else { return nil }
    cached?.freshUntil = min(now + Freshness.afterOutage, lastGood.readAt + Freshness.substitution)
    return lastGood.value
  }
}

/// A value from the server, and the time until which it is fresh.
struct Cached<Value: Sendable>: Sendable {
  var value: Value
  var readAt: BootTime
  var freshUntil: BootTime
}

/// A key set, and what a later request for it needs.
struct FetchedKeys: Sendable {
  var keys: KeySet
  /// Its URL; nil if a previous run read it.
  var location: String?
  /// The validators of the response.
  var validators: CacheValidators?
  /// The freshness that the server stated last.
  var freshness: Duration?
  /// The time at which they were requested.
  var readAt: BootTime
}

extension FetchedKeys {
  /// Reads the key set of a response.
  ///
  /// - Throws: `malformedAnswer` if it is none.
  init(
    parsing response: HTTPResponse, from location: String, readAt: BootTime
  ) throws(AcquisitionFailure) {
    do throws(KeySetFailure) { keys = try KeySet(parsing: response.body) } catch {
      throw AcquisitionFailure(.malformedAnswer, "\(location) answered with no usable key set: \(error)")
    }
    self.location = location
    validators = CacheValidators(response.headers)
    freshness = Freshness.stated(by: response)
    self.readAt = readAt
  }

  /// These keys, after a response with the status 304. Nil if it is about another key set.
  ///
  /// The response's freshness replaces the former one, if it states any (RFC 9111, 3.2 and 4.3.4).
  func confirmed(by response: HTTPResponse, readAt: BootTime) -> FetchedKeys? {
    guard validators?.agree(withNotModified: response.headers) ?? false else { return nil }
    var confirmed = self
    confirmed.freshness = Freshness.stated(by: response) ?? freshness
    confirmed.readAt = readAt
    return confirmed
  }
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
  /// A suspend of the host ends its connection. libcurl notices this only after the timeout, which does not count the
  /// suspend.
  func serves(_ url: String, at now: BootTime) -> Bool { self.url == url && now <= limit }

  /// The failure of an attempt whose time limit passed while it waited for this reading.
  func overdue(after allowance: Duration) -> AcquisitionFailure {
    AcquisitionFailure(.timeout, "\(url) did not answer within \(Int(allowance.seconds.rounded())) s")
  }
}

/// The rules for how long a document is fresh.
enum Freshness {
  /// The minimum, even if the server says less. Tokens of 20 s must not cause a discovery every 10 s.
  static let shortest = Duration.seconds(60)
  /// The maximum. If the server cannot be reached then, half a day is left to read the document again.
  static let longest = Duration.seconds(43_200)
  /// How long after its reading a document can be used as a substitute. A signing key that was withdrawn must not be
  /// trusted for long.
  static let substitution = Duration.seconds(86_400)
  /// The default if the server says nothing.
  static let usual = Duration.seconds(3600)
  /// The extension of the last valid document while the server cannot be reached.
  static let afterOutage = Duration.seconds(60)

  /// The freshness that a response states; nil if it states none.
  static func stated(by response: HTTPResponse) -> Duration? {
    CacheLifetime.freshness(response.headers, unixTime: Int64(Moment.now().unix))
  }

  /// The freshness to use, within these bounds.
  static func bounded(_ stated: Duration?) -> Duration { min(max(stated ?? usual, shortest), longest) }
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
