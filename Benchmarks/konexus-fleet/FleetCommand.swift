import ArgumentParser
import FleetSimulation
import FoundationEssentials

/// `make fleet`: what a fleet of daemons asks of its authorization server.
@main
struct FleetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "konexus-fleet",
    abstract: "A fleet of konexus-tokend on one authorization server, in virtual time.",
    discussion: """
      It runs the daemon's own engine. Exits with 1 if a bar is missed: peak over \
      mean at most 1.3 on a day on which nothing happens, at most 5 after a 20 min outage, and no host without a token \
      that it could have had. The bar of the day is also that of the readings of the key set. \
      A bar on the mean is held where a window has enough requests for chance to leave it \
      alone: a second of a million hosts, a minute of ten thousand.
      """)

  @Option(help: "The sizes of fleets.")
  var hosts = "1,100,10000"

  @Option(help: "The life of a token, in seconds.")
  var lifetime = 3600.0

  @Option(help: "The setting refresh_at.")
  var refreshAt = 0.5

  @Option(help: "An hour of a day is also simulated for a fleet of this size; 0 for none.")
  var large = 1_000_000

  @Option(help: "The setting recheck_interval, in seconds.")
  var recheckInterval = 900.0

  @Option(help: "The setting max_age, in seconds.")
  var maxAge = 86_400.0

  @Option(help: "The number that all chance comes from.")
  var seed: UInt64 = 1

  @Option(
    help: "Where to write the load of the largest fleet that is looked at for more than an hour, as JSON for a plot.",
    completion: .file())
  var series: String?

  func validate() throws {
    guard sizes.count == hosts.split(separator: ",").count, sizes.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--hosts is a list of numbers above 0 with commas between them, not '\(hosts)'")
    }
    guard (60...Self.year).contains(lifetime) else { throw ValidationError("--lifetime is 60 to \(Self.year) seconds") }
    guard refreshAt >= 0.1, refreshAt <= 0.9 else { throw ValidationError("--refresh-at is 0.1 to 0.9") }
    guard large >= 0 else { throw ValidationError("--large is a number, 0 or more") }
    guard (60...86_400).contains(recheckInterval) else {
      throw ValidationError("--recheck-interval is 60 to 86400 seconds")
    }
    guard (60...Self.year).contains(maxAge) else { throw ValidationError("--max-age is 60 to \(Self.year) seconds") }
  }

  /// 366 days, in seconds.
  private static let year = 31_622_400.0

  /// From here on an hour is enough.
  private static let giant = 500_000

  private var sizes: [Int] { hosts.split(separator: ",").compactMap { Int($0) } }

  func run() async throws {
    var report = FleetReport()
    let scenarios: [Scenario] = [
      .day, .outage(minutes: 20), .outage(minutes: 29), .outage(minutes: 65), .reboot, .reboot.limited(to: 5),
      .blackout, .blackout.limited(to: 5),
    ]
    print(FleetReport.heading)
    var plotted: [(Scenario, FleetLoad)] = []
    let plottedSize = sizes.filter { $0 < Self.giant }.max() ?? sizes.max() ?? 1
    for scenario in scenarios {
      for size in sizes {
        let scenario = size < Self.giant ? scenario : scenario.brief
        // A fleet that asks less than once a second has nothing to do with a server's limit.
        if scenario.capacity != nil, size < 10_000 { continue }
        let load = await fleet(size).live(scenario)
        print(report.line(scenario, hosts: size, load))
        if size == plottedSize { plotted.append((scenario, load)) }
      }
    }
    if large > 0, !sizes.contains(large) {
      let load = await fleet(large).live(Scenario.day.brief)
      print(report.line(.day.brief, hosts: large, load))
    }
    print(report.readings)
    if let series {
      let file = FleetSeries(hosts: plottedSize, plotted.filter { $0.0.capacity == nil })
      try JSONEncoder().encode(file).write(to: URL(filePath: series))
    }
    if !report.misses.isEmpty {
      print("\nmissed: " + report.misses.joined(separator: "; "))
      throw ExitCode.failure
    }
  }

  private func fleet(_ hosts: Int) -> Fleet {
    var fleet = Fleet(hosts: hosts)
    fleet.lifetime = lifetime
    fleet.refreshAt = refreshAt
    fleet.maxAge = maxAge
    fleet.recheckInterval = recheckInterval
    fleet.seed = seed
    return fleet
  }
}
