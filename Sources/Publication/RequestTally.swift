package import Base

/// The results of the attempts for one token since the daemon started.
public struct RequestTally: Hashable, Sendable, Codable {
  /// Attempts that brought a verified token.
  public var successes = 0
  /// Attempts that failed with a transient failure.
  public var transientFailures = 0
  /// Attempts that failed with a permanent failure.
  public var refusals = 0
  /// When the last valid token was requested, seconds since 1970.
  public var lastSuccess: Double?
  /// The durations of all attempts.
  public var durations = DurationHistogram()

  /// An empty tally.
  public init() {}

  /// Counts an attempt. `failure` is `nil` for a success.
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

/// A histogram of durations as Prometheus defines it.
public struct DurationHistogram: Hashable, Sendable, Codable {
  /// The upper bounds of the buckets in seconds. Longer durations count in the total only.
  public static let bounds: [Double] = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

  /// The number of durations in each bucket, without those in smaller ones.
  public private(set) var counts = Array(repeating: 0, count: bounds.count)
  /// The number of durations.
  public private(set) var total = 0
  /// The sum of the durations in seconds.
  public private(set) var sum = 0.0

  /// An empty histogram.
  public init() {}

  /// Adds a duration in seconds.
  public mutating func add(_ seconds: Double) {
    total += 1
    sum += seconds
    if let bucket = Self.bounds.firstIndex(where: { seconds <= $0 }), bucket < counts.count { counts[bucket] += 1 }
  }
}
