import Engine

/// Hosts that share one issuer, each with the daemon's own `TokenLifecycle` and `RefreshSchedule`, in virtual time.
///
/// A host is woken when its lifecycle asks to be, and does what a broker does with the effects. The server answers within 20 to 200 ms;
/// the daemon's limit of requests under way never matters, for there is one token on each host.
public struct Fleet: Sendable {
  /// How many hosts.
  public var hosts: Int
  /// How long a token lives, in seconds.
  public var lifetime = 3600.0
  /// The setting `refresh_at`.
  public var refreshAt = 0.5
  /// The number that all chance comes from: the same one makes the same day.
  public var seed: UInt64 = 1

  /// A fleet with default settings.
  public init(hosts: Int) {
    self.hosts = hosts
  }

  /// Requests a second in steady state: the mean over hosts of one over the time between two refreshes.
  public var mean: Double { Double(hosts) * rateOfOne }

  private var rateOfOne: Double {
    let longest = (lifetime - RefreshSchedule.rounding.seconds) * refreshAt
    let steps = 1000
    return (0..<steps).reduce(0) { sum, step in
      let jitter = (Double(step) + 0.5) / Double(steps)
      return sum + 1 / (longest * (1 - RefreshSchedule.spread * jitter) + Self.meanLatency) / Double(steps)
    }
  }

  /// Lives through `scenario`. The hosts are dealt out in parts, and the server's capacity with them: enough parts for the machine's cores, and
  /// none so large that its hosts do not fit into a core's cache.
  public func live(_ scenario: Scenario) async -> FleetLoad {
    let shards = max(1, min(hosts / 1000, 8), hosts / 5000)
    return await withTaskGroup(of: FleetLoad.self) { group in
      for shard in 0..<shards {
        let count = hosts / shards + (shard < hosts % shards ? 1 : 0)
        let seed = seed &* 0x2545_F491_4F6C_DD1D &+ UInt64(shard)
        group.addTask {
          var part = FleetShard(self, hosts: count, mean: rateOfOne * Double(count), scenario, seed: seed)
          return part.live()
        }
      }
      var whole: FleetLoad?
      for await part in group { whole = whole.map { $0 + part } ?? part }
      return whole ?? FleetLoad(requests: [], mean: 0)
    }
  }

  static let shortestLatency = 0.02
  static let longestLatency = 0.2
  static var meanLatency: Double { (shortestLatency + longestLatency) / 2 }
}
