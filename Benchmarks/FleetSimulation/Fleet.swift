import Engine

/// Hosts that share one issuer, each with the daemon's own `HostEngine`, in virtual time.
///
/// A host is woken when its engine requires it, and performs the effects as a broker does. The server answers within
/// 20 to 200 ms. Each host has one token, so that the limit of requests under way has no effect.
///
/// The token is a JWT. While a host holds it, the host reads the issuer's key set again after each `recheckInterval`.
public struct Fleet: Sendable {
  /// How many hosts.
  public var hosts: Int
  /// The lifetime of a token, in seconds.
  public var lifetime = 3600.0
  /// The setting `refresh_at`.
  public var refreshAt = 0.5
  /// The setting `max_age`, in seconds.
  public var maxAge = 86_400.0
  /// The setting `recheck_interval`, in seconds.
  public var recheckInterval = 900.0
  /// The seed of all random numbers: the same seed gives the same day.
  public var seed: UInt64 = 1

  /// A fleet with default settings.
  public init(hosts: Int) {
    self.hosts = hosts
  }

  /// Requests a second in steady state: one request in the time between two refreshes, for each host.
  public var mean: Double { Double(hosts) * rateOfOne }

  /// Readings of the key set a second in steady state: one in each `recheck_interval` minus up to 10 %, for each host.
  public var meanReadings: Double { Double(hosts) * readingsOfOne }

  var readingsOfOne: Double { 1 / (recheckInterval * 0.95 + Self.meanLatency) }

  var rateOfOne: Double {
    let longest = schedule(jitter: 0).longestWait(lifetime: .seconds(lifetime))
    let steps = 1000
    return (0..<steps).reduce(0) { sum, step in
      let jitter = (Double(step) + 0.5) / Double(steps)
      return sum + 1 / (longest * (1 - RefreshSchedule.spread * jitter) + Self.meanLatency) / Double(steps)
    }
  }

  /// The schedule of a host with this jitter.
  func schedule(jitter: Double) -> RefreshSchedule {
    RefreshSchedule(fraction: refreshAt, maxAge: .seconds(maxAge), jitter: jitter)
  }

  /// Simulates `scenario`.
  ///
  /// Hosts and the server's capacity are divided into shards: enough for the machine's cores, and each small enough for
  /// a core's cache.
  public func live(_ scenario: Scenario) async -> FleetLoad {
    let shards = max(1, min(hosts / 1000, 8), hosts / 5000)
    return await withTaskGroup(of: FleetLoad.self) { group in
      for shard in 0..<shards {
        let count = hosts / shards + (shard < hosts % shards ? 1 : 0)
        let seed = seed &* 0x2545_F491_4F6C_DD1D &+ UInt64(shard)
        group.addTask {
          var part = FleetShard(self, hosts: count, scenario, seed: seed)
          return part.live()
        }
      }
      var whole: FleetLoad?
      for await part in group { whole = whole.map { $0 + part } ?? part }
      return whole ?? FleetLoad(mean: 0, meanReadings: 0, seconds: 0)
    }
  }

  /// For how long hosts that have run for days are simulated before the scenario.
  var warmUp: Double { 2 * recheckInterval }

  static let shortestLatency = 0.02
  static let longestLatency = 0.2
  static var meanLatency: Double { (shortestLatency + longestLatency) / 2 }
}
