import FleetSimulation

/// The load of a fleet over time, for docs/pictures/fleet.py.
struct FleetSeries: Encodable {
  /// One scenario.
  struct Load: Encodable {
    var name: String
    var seconds: Int
    /// When the server was unavailable, in seconds.
    var outages: [[Double]]
    /// The highest second of each part of the time, as a multiple of the mean, so that no peak is smoothed away.
    var peaks: [Double]
  }

  /// About one point a pixel.
  private static let parts = 640

  var hosts: Int
  var loads: [Load]

  init(hosts: Int, _ loads: [(Scenario, FleetLoad)]) {
    self.hosts = hosts
    self.loads = loads.map { scenario, load in
      let count = load.requests.count
      let peaks = (0..<min(Self.parts, count)).map { part in
        let end = (part + 1) * count / min(Self.parts, count)
        let highest = load.requests[part * count / min(Self.parts, count)..<end].max() ?? 0
        return (Double(highest) / load.mean * 1000).rounded() / 1000
      }
      let outages = scenario.outages.map { [$0.lowerBound, $0.upperBound] }
      return Load(name: scenario.name, seconds: count, outages: outages, peaks: peaks)
    }
  }
}
