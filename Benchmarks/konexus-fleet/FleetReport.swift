import FleetSimulation

/// The tables of requests and of readings, and which bars were missed.
struct FleetReport {
  private(set) var misses: [String] = []

  /// The table of the readings of the key set, for all fleets so far.
  private(set) var readings =
    "\nreadings of the key set\n"
    + columns(["scenario", "hosts", "mean/s", "counted/s", "peak 1 s", "peak 60 s", "last hour"]) + "\n"
    + columns(["", "", "", "", "x mean", "x mean", "peak 60 s"])

  static let heading =
    columns(["scenario", "hosts", "mean/s", "peak 1 s", "peak 60 s", "calm after", "lost", "in vain", "longest wait"])
    + "\n" + columns(["", "", "", "x mean", "x mean", "(< 1.3 x)", "a token", "", "without"])

  /// The line of one fleet in one scenario.
  mutating func line(_ scenario: Scenario, hosts: Int, _ load: FleetLoad) -> String {
    let second = load.peak(window: 1, from: scenario.measuredFrom)
    let minute = load.peak(window: 60, from: scenario.measuredFrom)
    let what = "\(scenario.name), \(hosts) hosts"
    if let bar = scenario.bar {
      if load.mean >= 300, second > bar { misses.append("\(what): a second of \(Self.number(second)) x mean") }
      if load.mean >= 5, minute > bar { misses.append("\(what): a minute of \(Self.number(minute)) x mean") }
    }
    if load.lostWithoutReason > 0, scenario.capacity == nil {
      misses.append("\(what): \(load.lostWithoutReason) tokens ended that could have had a successor")
    }
    note(scenario, hosts: hosts, load)
    let calmFrom = load.calm(below: 1.3).map { Self.span(max(0, $0 - scenario.measuredFrom)) } ?? "not yet"
    let calm = load.mean < 5 ? "-" : calmFrom
    return Self.columns([
      scenario.name, "\(hosts)", Self.number(load.mean), load.mean < 5 ? "-" : Self.number(second),
      load.mean < 5 ? "-" : Self.number(minute), calm, "\(load.lost)", "\(load.lostWithoutReason)",
      load.longestWait > 0 ? "\(Self.number(load.longestWait)) s" : "-",
    ])
  }

  private mutating func note(_ scenario: Scenario, hosts: Int, _ load: FleetLoad) {
    let second = load.peakOfReadings(window: 1, from: scenario.measuredFrom)
    let minute = load.peakOfReadings(window: 60, from: scenario.measuredFrom)
    if scenario.outages.isEmpty, let bar = scenario.bar {
      let what = "\(scenario.name), \(hosts) hosts, readings of the key set"
      if load.meanReadings >= 300, second > bar { misses.append("\(what): a second of \(Self.number(second)) x mean") }
      if load.meanReadings >= 5, minute > bar { misses.append("\(what): a minute of \(Self.number(minute)) x mean") }
    }
    let isFew = load.meanReadings < 5
    readings +=
      "\n"
      + Self.columns([
        scenario.name, "\(hosts)", Self.number(load.meanReadings), Self.number(load.readingsPerSecond),
        isFew ? "-" : Self.number(second), isFew ? "-" : Self.number(minute),
        isFew ? "-" : Self.number(load.peakOfReadings(window: 60, from: max(0, scenario.seconds - 3600))),
      ])
  }

  private static func columns(_ cells: [String]) -> String {
    let widths = [46, 9, 9, 10, 10, 11, 11, 9, 13]
    return zip(cells, widths).enumerated().map { index, cell in
      let padding = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
      return index == 0 ? cell.0 + padding : padding + cell.0
    }.joined()
  }

  /// Three digits that count.
  static func number(_ value: Double) -> String {
    let scale = value >= 100 ? 1.0 : value >= 10 ? 10.0 : value >= 0.1 ? 100.0 : 100_000.0
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }

  private static func span(_ seconds: Int) -> String {
    seconds < 3600 ? "\(seconds / 60) min" : "\(number(Double(seconds) / 3600)) h"
  }
}
