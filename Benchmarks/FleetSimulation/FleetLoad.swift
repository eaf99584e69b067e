/// The load on the server, and the losses of the hosts' tokens.
public struct FleetLoad: Sendable {
  /// Token requests in each second.
  public var requests: [Int32]
  /// The fleet's mean in steady state, in requests a second: hosts / time between two refreshes.
  public var mean: Double
  /// Readings of the key set in each second.
  public var readings: [Int32]
  /// The mean of the readings in steady state, in readings a second: hosts / time between two readings.
  public var meanReadings: Double
  /// How often a host's token expired without a successor.
  public var lost = 0
  /// How many of those happened though the server was available for a whole minute since the refresh was due.
  public var lostWithoutReason = 0
  /// How many hosts have no token at the end.
  public var without = 0
  /// The longest wait of a host without a token while the server was available, in seconds.
  public var longestWait = 0.0

  init(mean: Double, meanReadings: Double, seconds: Int) {
    requests = Array(repeating: 0, count: seconds)
    readings = requests
    self.mean = mean
    self.meanReadings = meanReadings
  }

  /// The most requests within `window` seconds from `start` on, as a multiple of the mean.
  public func peak(window: Int, from start: Int = 0) -> Double {
    Self.highest(requests, window: window, from: start) / mean
  }

  /// The most readings of the key set within `window` seconds from `start` on, as a multiple of their mean.
  public func peakOfReadings(window: Int, from start: Int = 0) -> Double {
    Self.highest(readings, window: window, from: start) / meanReadings
  }

  /// How many readings of the key set there were in a second, on average.
  public var readingsPerSecond: Double { Double(readings.reduce(0) { $0 + Int($1) }) / Double(readings.count) }

  private static func highest(_ counts: [Int32], window: Int, from start: Int) -> Double {
    let end = counts.count / window * window
    var highest = 0
    for first in stride(from: (start + window - 1) / window * window, to: end, by: window) {
      highest = max(highest, counts[first..<first + window].reduce(0) { $0 + Int($1) })
    }
    return Double(highest) / Double(window)
  }

  /// The second from which on no minute has more than `bound` times the mean; `nil` if there is none.
  public func calm(below bound: Double) -> Int? {
    var calm: Int?
    for first in stride(from: 0, to: requests.count - 59, by: 60) {
      let rate = Double(requests[first..<first + 60].reduce(0) { $0 + Int($1) }) / 60
      if rate > bound * mean { calm = nil } else if calm == nil { calm = first }
    }
    return calm
  }

  static func + (one: FleetLoad, other: FleetLoad) -> FleetLoad {
    var sum = one
    for second in sum.requests.indices { sum.requests[second] += other.requests[second] }
    for second in sum.readings.indices { sum.readings[second] += other.readings[second] }
    sum.mean += other.mean
    sum.meanReadings += other.meanReadings
    sum.lost += other.lost
    sum.lostWithoutReason += other.lostWithoutReason
    sum.without += other.without
    sum.longestWait = max(sum.longestWait, other.longestWait)
    return sum
  }
}
