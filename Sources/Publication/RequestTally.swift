package import Base

/// How the attempts for one token ended since the daemon started.
public struct RequestTally: Hashable, Sendable, Codable {
  /// Attempts that brought a verified token.
  public var successes = 0
  /// Attempts that failed in a way that may pass.
  public var transientFailures = 0
  /// Attempts that were refused.
  public var refusals = 0
  /// When the last good token was asked for, seconds since 1970.
  public var lastSuccess: Double?
  /// How long the attempts took, good and bad.
  public var durations = DurationHistogram()

  /// Nothing yet.
  public init() {}

  /// Counts an attempt; `failure` is `nil` for a good one.
  package mutating func count(_ failure: AcquisitionFailure?, sentAt: Moment, took duration: Duration) {
    switch failure?.kind {
    case nil:
      successes += 1
      lastSuccess = sentAt.unix
    case .transient: transientFailures += 1
    case .refused: refusals += 1
    }
    durations.add(duration.seconds)
  }
}

/// Durations sorted into buckets, as Prometheus takes them: each bucket holds what is at most its bound.
public struct DurationHistogram: Hashable, Sendable, Codable {
  /// The buckets' upper bounds in seconds; what is longer than the last counts in the total only.
  public static let bounds: [Double] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

  /// How many fell into each bucket and into no smaller one.
  public private(set) var counts = Array(repeating: 0, count: bounds.count)
  /// How many there were.
  public private(set) var total = 0
  /// All of them together, in seconds.
  public private(set) var sum = 0.0

  /// Nothing yet.
  public init() {}

  /// Adds a duration in seconds.
  public mutating func add(_ seconds: Double) {
    total += 1
    sum += seconds
    if let bucket = Self.bounds.firstIndex(where: { seconds <= $0 }), bucket < counts.count { counts[bucket] += 1 }
  }
}
