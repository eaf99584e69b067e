import Base

/// When an issuer's key set is read again, to verify the tokens that it issued once more.
///
///     next = last reading + max(1 min, min(interval, freshness) x (1 - 0.1 x random))
///
/// A failed reading is repeated after a third of the interval.
struct KeySetSchedule: Sendable {
  /// The shortest time between two readings, even if the key set is fresh for less.
  static let shortest = Duration.seconds(60)
  /// The longest time that a reading can take. Then its result counts as lost.
  static let longestReading = Duration.seconds(120)

  /// When the key set is read next, or the reading under way counts as lost; `nil` while no token is held.
  private(set) var next: BootTime?
  /// Whether a reading is under way.
  private(set) var isReading = false

  /// Plans the first reading within a minute, without delaying a restart. Restarts that follow each other quickly cause
  /// no reading.
  mutating func begin(at now: BootTime, using random: inout SplitMix64) {
    guard next == nil else { return }
    next = now + Self.shortest * Double.random(in: 0.25...1, using: &random)
  }

  /// Begins the reading that is due.
  mutating func read(at now: BootTime) {
    isReading = true
    next = now + Self.longestReading
  }

  /// Notes that the key set was read, for any reason.
  mutating func succeed(
    interval: Duration, freshness: Duration?, at now: BootTime, using random: inout SplitMix64
  ) {
    isReading = false
    let wait = min(interval, freshness ?? interval)
    next = now + max(wait * Double.random(in: 0.9...1, using: &random), Self.shortest)
  }

  /// Plans the next reading within `interval`: a token can have a shorter one than the others of its issuer.
  mutating func shorten(to interval: Duration, at now: BootTime, using random: inout SplitMix64) {
    guard let next, !isReading else { return }
    self.next = min(next, now + max(interval * Double.random(in: 0.9...1, using: &random), Self.shortest))
  }

  /// Notes that the key set could not be read.
  mutating func fail(interval: Duration, at now: BootTime, using random: inout SplitMix64) {
    succeed(interval: max(interval / 3, Self.shortest), freshness: nil, at: now, using: &random)
  }

  /// Notes that no token is held.
  mutating func end() {
    isReading = false
    next = nil
  }
}
