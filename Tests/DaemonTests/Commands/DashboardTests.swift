import Foundation
import KonexusSandbox
import Testing

/// `config/grafana-dashboard.json` fits what the daemon writes.
@Suite(.inTurn) struct DashboardTests {
  private struct Dashboard: Decodable {
    struct Panel: Decodable {
      struct Target: Decodable { let expr: String }
      struct Position: Decodable { let x, y, w, h: Int }
      let id: Int
      let title: String
      let targets: [Target]
      let gridPos: Position
    }
    struct Templating: Decodable {
      struct Variable: Decodable {
        let name: String
        let definition: String?
      }
      let list: [Variable]
    }
    let panels: [Panel]
    let templating: Templating

    /// The queries of panels and variables, with Grafana's variables replaced as Grafana would for all hosts.
    var queries: [String] {
      let ofVariables = templating.list.compactMap { variable in
        variable.definition.map { $0.replacing(/^label_values\((.*), \w+\)$/) { String($0.1) } }
      }
      return (panels.flatMap { $0.targets.map(\.expr) } + ofVariables).map { query in
        query.replacing(/\$__(rate_interval|range)/, with: "5m").replacing(/\$(instance|token)/, with: ".*")
      }
    }
  }

  private static func dashboard() throws -> Dashboard {
    let path = Promtool.repository + "/config/grafana-dashboard.json"
    return try JSONDecoder().decode(Dashboard.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test("panels have ids of their own and do not overlap")
  func layout() throws {
    let panels = try Self.dashboard().panels
    #expect(panels.count >= 10)
    #expect(Set(panels.map(\.id)).count == panels.count)
    for (index, one) in panels.enumerated() {
      let place = one.gridPos
      #expect(place.x >= 0 && place.x + place.w <= 24, "\(one.title)")
      for other in panels[..<index] {
        let isBeside = place.x >= other.gridPos.x + other.gridPos.w || other.gridPos.x >= place.x + place.w
        let isBelow = place.y >= other.gridPos.y + other.gridPos.h || other.gridPos.y >= place.y + place.h
        #expect(isBeside || isBelow, "\(one.title) and \(other.title)")
      }
    }
  }

  @Test(
    "each query returns something for the metrics of a daemon",
    .enabled(if: Promtool.path != nil, "needs promtool: Tests/Prometheus/get-promtool, or PROMTOOL=FILE"))
  func queries() async throws {
    let queries = try Self.dashboard().queries
    try await withScene { scene in
      try scene.configure(scene.metricsTable, scene.table(), scene.table("refused", ["scope": #""other""#]))
      try scene.startDaemon()
      try await scene.wait(for: "the metrics") {
        let text = Workplace.read(scene.workplace.metricsFile) ?? ""
        return text.contains("token_valid{token=\"konexus\"} 1\n") && text.contains("result=\"refused\"} 1\n")
      }
      let metrics = try #require(Workplace.read(scene.workplace.metricsFile))
      #expect(try await Self.faults(of: queries, over: metrics, in: scene) == "")
      // With "or vector(0)", a query returns something in any case.
      for name in Set(queries.flatMap { $0.matches(of: /konexus_tokend_\w+/) }.map { String($0.output) }) {
        #expect(metrics.contains("\n\(name){") || metrics.contains("\n\(name) "), "\(name) is not written")
      }
      // A query for a metric that is not written is found, and one that is none.
      #expect(try await Self.faults(of: ["konexus_tokend_token_life"], over: metrics, in: scene) != "")
      #expect(try await Self.faults(of: ["sum by (konexus_tokend_ready"], over: metrics, in: scene) != "")
    }
  }

  /// What promtool reports if each query must return at least one series over ten minutes of these metrics.
  private static func faults(of queries: [String], over metrics: String, in scene: Scene) async throws -> String {
    var text = "evaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n"
    for line in metrics.split(separator: "\n") where !line.hasPrefix("#") {
      let (series, value) = (line.prefix { $0 != " " }, line.drop { $0 != " " }.dropFirst())
      let labelled =
        series.hasSuffix("}")
        ? series.dropLast() + ", instance=\"host\"}" : series + "{instance=\"host\"}"
      // A counter and the time must change, so that there is a rate.
      let step = series.contains("_total") || series.contains("_bucket") ? "1" : "0"
      text += "      - series: '\(labelled)'\n        values: '\(value)+\(step)x40'\n"
    }
    text += "    promql_expr_test:\n"
    for query in queries {
      text += "      - expr: 'count(\(query)) > bool 0'\n        eval_time: 10m\n"
      text += "        exp_samples: [{labels: '{}', value: 1}]\n"
    }
    let path = scene.workplace.path + "/dashboard.yml"
    try scene.workplace.write(text, to: path)
    return try await Promtool.run(["test", "rules", path])
  }
}
