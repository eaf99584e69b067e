import Base

/// When an issuer's key set is read again, to verify the tokens that it issued once more.
///
///     next = last reading + max(1 min, min(interval, freshness) x (1 - 0.1 x random))
///
/// A failed reading is repeated after a third of the interval.
struct KeySetSchedule: Sendable {
  /// The shortest time between two readings, whatever the server says.
  static let shortest = Duration.seconds(60)
  /// The longest time that a reading may take, in case its result is lost.
  static let longestReading = Duration.seconds(120)

  /// When the key set is read next, or a reading is given up; `nil` while no token is held.
  private(set) var next: BootTime?
  /// Whether a reading is under way.
  private(set) var isReading = false

  /// Plans the first reading, within a minute: a restart does not wait for it. Restarts that follow each other quickly
  /// cost no reading.
  mutating func begin(at now: BootTime, using random: inout SplitMix64) {
    guard next == nil else { return }
    next = now + Self.shortest * Double.random(in: 0.25...1, using: &random)
  }

  /// A reading that is due begins.
  mutating func read(at now: BootTime) {
    isReading = true
    next = now + Self.longestReading
  }

  /// The key set was read, for whatever reason.
  mutating func succeed(
    interval: Duration, freshness: Duration?, at now: BootTime, using random: inout SplitMix64
  ) {
    isReading = false
    let wait = min(interval, freshness ?? interval)
    next = now + max(wait * Double.random(in: 0.9...1, using: &random), Self.shortest)
  }

  /// A token wants a shorter interval than the others of its issuer.
  mutating func shorten(to interval: Duration, at now: BootTime, using random: inout SplitMix64) {
    guard let next, !isReading else { return }
    self.next = min(next, now + max(interval * Double.random(in: 0.9...1, using: &random), Self.shortest))
  }

  /// The key set could not be read.
  mutating func fail(interval: Duration, at now: BootTime, using random: inout SplitMix64) {
    succeed(interval: max(interval / 3, Self.shortest), freshness: nil, at: now, using: &random)
  }

  /// No token is held.
  mutating func end() {
    isReading = false
    next = nil
  }
}
