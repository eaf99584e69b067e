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
