import FleetSimulation

/// Requests a second over time, one panel a scenario, as multiples of the mean.
enum FleetPlot {
  private static let width = 900.0
  private static let panelHeight = 150.0
  private static let left = 70.0
  private static let gap = 60.0

  static func svg(_ loads: [(Scenario, FleetLoad)], hosts: Int) -> String {
    let height = gap + Double(loads.count) * (panelHeight + gap)
    let title = "\(hosts) hosts on one issuer: token requests a second, as multiples of the mean (logarithmic)"
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(width)) \(Int(height))" \
      font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#fff"/>
      <text x="\(Int(left))" y="24" font-size="15">\(title)</text>

      """
    for (index, load) in loads.enumerated() {
      text += panel(load.0, load.1, top: gap + Double(index) * (panelHeight + gap))
    }
    return text + "</svg>\n"
  }

  private static func panel(_ scenario: Scenario, _ load: FleetLoad, top: Double) -> String {
    let plotWidth = width - left - 20
    // About one point a pixel; the highest second of each is drawn, so that no peak is smoothed away.
    let bin = max(1, load.requests.count / 800)
    var values: [Double] = []
    for first in stride(from: 0, to: load.requests.count, by: bin) {
      values.append(Double(load.requests[first..<min(first + bin, load.requests.count)].max() ?? 0) / load.mean)
    }
    let highest = max(10, values.max() ?? 1)
    let lowest = 0.1
    func y(_ value: Double) -> Double {
      let share = logarithm(max(value, lowest) / lowest) / logarithm(highest / lowest)
      return top + panelHeight * (1 - share)
    }
    func x(_ second: Double) -> Double { left + plotWidth * second / Double(load.requests.count) }
    var text = "<text x=\"\(Int(left))\" y=\"\(Int(top) - 8)\">\(scenario.name)</text>\n"
    for outage in scenario.outages {
      let start = x(outage.lowerBound)
      let end = x(outage.upperBound)
      text += """
        <rect x="\(short(start))" y="\(short(top))" width="\(short(end - start))" height="\(Int(panelHeight))" \
        fill="#f3c9c9"/>

        """
    }
    var mark = lowest
    while mark <= highest {
      let line = short(y(mark))
      text += """
        <path d="M\(Int(left)) \(line)H\(Int(width - 20))" stroke="#ccc"/>\
        <text x="\(Int(left) - 8)" y="\(line)" text-anchor="end" dominant-baseline="middle">\
        \(FleetReport.number(mark))</text>

        """
      mark *= 10
    }
    let hour = load.requests.count > 6 * 3600 ? 4 : 1
    for time in stride(from: 0, through: load.requests.count / 3600, by: hour) {
      let position = short(x(Double(time) * 3600))
      text += """
        <text x="\(position)" y="\(Int(top + panelHeight) + 16)" text-anchor="middle">\(time) h</text>

        """
    }
    let points = values.enumerated().map { "\(short(x(Double($0 * bin)))) \(short(y($1)))" }
    return text + "<polyline fill=\"none\" stroke=\"#1f5fa8\" points=\"\(points.joined(separator: " "))\"/>\n"
  }

  private static func short(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }

  /// The logarithm to base 2, near enough for a plot, without a mathematics library.
  private static func logarithm(_ value: Double) -> Double {
    Double(value.exponent) + value.significand - 1
  }
}
