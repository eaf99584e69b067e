/// What a fleet goes through, and for how long it is looked at.
public struct Scenario: Sendable {
  /// How the hosts begin.
  public enum Start: Sendable {
    /// They have run for days: each holds a token, at any point of its way to the next refresh.
    case running
    /// They come up without a token within so many seconds, as after a power cut: the tokens were on tmpfs.
    case booting(within: Double)
  }

  /// Its name in tables.
  public var name: String
  /// How the hosts begin.
  public var start: Start
  /// When the server refuses connections, in seconds from the beginning.
  public var outages: [Range<Double>] = []
  /// How many requests a second the server answers, in multiples of the fleet's mean; it answers the others with 503. `nil`: all.
  public var capacity: Double?
  /// From which second on the peak is looked for.
  public var measuredFrom = 0
  /// How many seconds are lived.
  public var seconds: Int
  /// The most that a peak may be, as a multiple of the fleet's mean, if there is a bar.
  public var bar: Double?

  /// A scenario; the rest is set afterwards.
  public init(_ name: String, _ start: Start, seconds: Int) {
    self.name = name
    self.start = start
    self.seconds = seconds
  }

  /// A day on which nothing happens.
  public static var day: Scenario {
    var scenario = Scenario("a day", .running, seconds: 86_400)
    scenario.bar = 1.3
    return scenario
  }

  /// All hosts boot within half a minute, and are looked at for half a day.
  public static var reboot: Scenario { Scenario("mass reboot", .booting(within: 30), seconds: 43_200) }

  /// The server is away for `minutes`, an hour after the beginning. Looked at from its return on.
  public static func outage(minutes: Int) -> Scenario {
    var scenario = Scenario("\(minutes) min outage", .running, seconds: 4 * 3600 + minutes * 60)
    let end = 3600 + minutes * 60
    scenario.outages = [3600..<Double(end)]
    scenario.measuredFrom = end
    if minutes <= 20 { scenario.bar = 5 }
    return scenario
  }

  /// The power cut took the server along: it comes back 20 minutes after hosts that hold no token.
  public static var blackout: Scenario {
    var scenario = Scenario("reboot, server 20 min later", .booting(within: 30), seconds: 4 * 3600)
    scenario.outages = [0..<1200]
    scenario.measuredFrom = 1200
    return scenario
  }

  /// The same with a server that answers `times` the fleet's mean and no more.
  public func limited(to times: Double) -> Scenario {
    var scenario = self
    scenario.capacity = times
    scenario.seconds = min(seconds, 4 * 3600)
    scenario.name += ", server answers \(times) x mean"
    return scenario
  }

  /// The same for an hour, or until an hour after the trouble, for fleets of which each hour takes a while: a day is like any of its hours,
  /// and the peak comes first.
  public var brief: Scenario {
    var scenario = self
    scenario.seconds = min(seconds, measuredFrom + 3600)
    scenario.name += " (1 h)"
    return scenario
  }

  func isServerWell(at second: Double) -> Bool { !outages.contains { $0.contains(second) } }
}
