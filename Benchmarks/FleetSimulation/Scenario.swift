/// The events of a simulation, and its length.
public struct Scenario: Sendable {
  /// How the hosts begin.
  public enum Start: Sendable {
    /// They have run for days: each holds a token of a random age.
    case running
    /// They start without a token within so many seconds, as after a power cut: the tokens were on tmpfs.
    case booting(within: Double)
  }

  /// Its name in tables.
  public var name: String
  /// How the hosts begin.
  public var start: Start
  /// When the server refuses connections, in seconds from the beginning.
  public var outages: [Range<Double>] = []
  /// How many requests a second the server accepts, as a multiple of the fleet's mean; `nil` for all. The others get
  /// 503.
  public var capacity: Double?
  /// From which second on the peak is measured.
  public var measuredFrom = 0
  /// How many seconds are simulated.
  public var seconds: Int
  /// The highest allowed peak, as a multiple of the fleet's mean, if there is a limit.
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

  /// All hosts boot within half a minute, and are simulated for half a day.
  public static var reboot: Scenario { Scenario("mass reboot", .booting(within: 30), seconds: 43_200) }

  /// The server is unavailable for `minutes`, an hour after the start. The peak is measured from its return on.
  public static func outage(minutes: Int) -> Scenario {
    var scenario = Scenario("\(minutes) min outage", .running, seconds: 4 * 3600 + minutes * 60)
    let end = 3600 + minutes * 60
    scenario.outages = [3600..<Double(end)]
    scenario.measuredFrom = end
    if minutes <= 20 { scenario.bar = 5 }
    return scenario
  }

  /// A power cut of the server too: it returns 20 minutes after the hosts, which hold no token.
  public static var blackout: Scenario {
    var scenario = Scenario("reboot, server 20 min later", .booting(within: 30), seconds: 4 * 3600)
    scenario.outages = [0..<1200]
    scenario.measuredFrom = 1200
    return scenario
  }

  /// The same with a server that accepts `times` the fleet's mean at most.
  public func limited(to times: Double) -> Scenario {
    var scenario = self
    scenario.capacity = times
    scenario.seconds = min(seconds, 4 * 3600)
    scenario.name += ", server answers \(times) x mean"
    return scenario
  }

  /// The same for an hour, or until an hour after the outage, for large fleets. The hours of a day are alike, and the
  /// peak comes first.
  public var brief: Scenario {
    var scenario = self
    scenario.seconds = min(seconds, measuredFrom + 3600)
    scenario.name += " (1 h)"
    return scenario
  }

  func isServerWell(at second: Double) -> Bool { !outages.contains { $0.contains(second) } }
}
