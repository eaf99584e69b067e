/// Bounds for the numbers of a status file. `StatusDocument.parse` checks every number once, so that later arithmetic
/// cannot overflow.
private enum SoundNumbers {
  /// Bounds for times and for differences of clocks, in seconds. A server's `Date` can be in the year 9999.
  private static let seconds = -1e12...1e12

  static func areSeconds(_ values: Double?...) -> Bool {
    values.allSatisfy { $0.map(seconds.contains) ?? true }
  }

  static func areNatural(_ values: Int...) -> Bool { values.allSatisfy { $0 >= 0 } }
}

extension BrokerStatus {
  /// Whether its own numbers, without those of the tokens, can be a daemon's.
  var isSound: Bool {
    version == 1 && pid > 0 && processStart ?? 0 >= 0 && SoundNumbers.areNatural(reloads)
      && SoundNumbers.areSeconds(writtenAt, startedAt, stoppedAt)
  }
}

extension TokenStatus {
  /// Whether all its numbers can be a daemon's.
  var isSound: Bool {
    let durations = tally.durations
    return expiresAtBoot ?? 0 >= 0 && dueAtBoot ?? 0 >= 0
      && SoundNumbers.areSeconds(
        expiresAt, nextAttempt, obtainedAt, clockSkew, lastSuccess, failure?.since, lastFailure?.since,
        tally.lastSuccess, durations.sum)
      && SoundNumbers.areNatural(
        requests, successes, failure?.count ?? 0, lastFailure?.count ?? 0, tally.successes, tally.transientFailures,
        tally.refusals, durations.total)
      && durations.counts.count == DurationHistogram.bounds.count && durations.counts.allSatisfy { $0 >= 0 }
  }
}
