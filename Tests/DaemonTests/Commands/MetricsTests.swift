import Glibc
import KonexusSandbox
import Testing

@Suite(.inTurn) struct MetricsTests {
  @Test func tellsPrometheusOfSuccessAndFailure() async throws {
    try await withScene { scene in
      let path = scene.workplace.runtimeDirectory + "/konexus-tokend.prom"
      try scene.configure(
        "[daemon]\nmetrics_file = \"\(path)\"\n", scene.table(),
        scene.table("refused", ["scope": #""other""#]))
      try scene.startDaemon()
      try await scene.wait(for: "the metrics") {
        let text = Workplace.read(path) ?? ""
        return text.contains("konexus_tokend_token_valid{token=\"konexus\"} 1\n")
          && text.contains("konexus_tokend_refresh_total{token=\"refused\",result=\"refused\"} 1\n")
      }
      let text = try #require(Workplace.read(path))
      #expect(text.contains("konexus_tokend_token_valid{token=\"refused\"} 0\n"))
      #expect(text.contains("konexus_tokend_token_expiry_timestamp_seconds{token=\"refused\"} 0\n"))
      #expect(text.contains("konexus_tokend_refresh_total{token=\"konexus\",result=\"success\"} 1\n"))
      #expect(text.contains("konexus_tokend_request_duration_seconds_count{token=\"konexus\"} 1\n"))
      #expect(text.contains("konexus_tokend_request_duration_seconds_bucket{token=\"konexus\",le=\"+Inf\"} 1\n"))
      #expect(Self.faults(in: text) == [])
      var status = stat()
      #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o644)
    }
  }

  @Test(
    "promtool finds nothing to complain about in the metrics",
    .enabled(if: Promtool.path != nil, "needs promtool: Tests/Prometheus/get-promtool, or PROMTOOL=FILE"))
  func promtoolAgrees() async throws {
    try await withScene { scene in
      let path = scene.workplace.runtimeDirectory + "/konexus-tokend.prom"
      try scene.configure(
        "[daemon]\nmetrics_file = \"\(path)\"\n", scene.table(),
        scene.table("refused", ["scope": #""other""#]))
      try scene.startDaemon()
      try await scene.wait(for: "the metrics") {
        let text = Workplace.read(path) ?? ""
        return text.contains("token_valid{token=\"konexus\"} 1\n") && text.contains("result=\"refused\"} 1\n")
      }
      #expect(try await Promtool.run(["check", "metrics"], input: path) == "")
      // It is asked in a way in which it would say something.
      let broken = scene.workplace.path + "/broken.prom"
      try scene.workplace.write((Workplace.read(path) ?? "").replacing("_total", with: ""), to: broken)
      #expect(try await Promtool.run(["check", "metrics"], input: broken) != "")
    }
  }

  @Test(
    "the alert rules fire on what they are for, and not on a healthy token, however short it lives",
    .enabled(if: Promtool.path != nil, "needs promtool: Tests/Prometheus/get-promtool, or PROMTOOL=FILE"))
  func alertRules() async throws {
    let said = try await Promtool.run(["test", "rules", Promtool.repository + "/Tests/Prometheus/rules.yml"])
    #expect(said == "")
  }

  @Test(
    "a disk that hangs under the metrics holds up no token",
    .enabled(if: HangingDisk.isAvailable, "needs root, loop devices and mkfs.ext4"))
  func hangingDisk() async throws {
    try await withScene(lifetime: 4) { scene in
      let disk = try HangingDisk(in: scene.workplace)
      try scene.configure("[daemon]\nmetrics_file = \"\(disk.directory)/konexus.prom\"\n", scene.table())
      let daemon = try scene.startDaemon(environment: ["WATCHDOG_USEC": "1000000"], wrapper: disk.wrapper)
      func successes() -> Int {
        let text = disk.read("konexus.prom", for: daemon) ?? ""
        let line = text.split(separator: "\n").first { $0.contains("refresh_total") && $0.contains("success") }
        return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
      }
      try await scene.wait(for: "metrics") { successes() >= 1 }
      let before: Int
      do {
        try disk.freeze(for: daemon)
        defer { try? disk.thaw(for: daemon) }
        before = successes()
        let reader = try await scene.startReader()
        try await scene.wait(for: "four tokens") { reader.report().tokens >= 4 }
        let beats = scene.notify.count(of: "WATCHDOG=1")
        try await scene.wait(for: "beats") { scene.notify.count(of: "WATCHDOG=1") >= beats + 3 }
        #expect(reader.finish().gaps.isEmpty)
        #expect(successes() == before)
      }
      try await scene.wait(for: "the metrics of now") { successes() >= before + 3 }
    }
  }

  @Test("every metric that an alert rule names is one that is written")
  func alertRulesNameMetrics() async throws {
    try await withScene { scene in
      let path = scene.workplace.runtimeDirectory + "/konexus-tokend.prom"
      try scene.configure("[daemon]\nmetrics_file = \"\(path)\"\n", scene.table())
      try scene.startDaemon()
      try await scene.wait(for: "the metrics") {
        (Workplace.read(path) ?? "").contains("token_valid{token=\"konexus\"} 1\n")
      }
      let rules = try #require(Workplace.read(Promtool.repository + "/config/konexus-tokend.rules.yml"))
      let named = Set(rules.matches(of: /konexus_tokend_[a-z_]+/).map { String($0.output) })
      #expect(named.count >= 4)
      let text = try #require(Workplace.read(path))
      for name in named { #expect(text.contains("# TYPE \(name) "), "\(name) is not written") }
    }
  }

  /// The faults that promtool would find, for machines without promtool.
  ///
  /// Each sample must belong to the family before it. A family must have one HELP, then one TYPE. Names of counters
  /// must end in `_total`.
  private static func faults(in text: String) -> [String] {
    var faults: [String] = []
    var families: Set<String> = []
    var family = ""
    var type = ""
    var hasHelp = false
    for line in text.split(separator: "\n").map(String.init) {
      let words = line.split(separator: " ").map(String.init)
      if line.hasPrefix("# HELP ") {
        family = words[2]
        hasHelp = true
        if !families.insert(family).inserted { faults.append("\(family) comes twice") }
      } else if line.hasPrefix("# TYPE ") {
        type = words[3]
        if words[2] != family || !hasHelp { faults.append("TYPE without HELP: \(line)") }
        if (type == "counter") != family.hasSuffix("_total") { faults.append("\(family) is a \(type)") }
      } else {
        let name = String(line.prefix { $0 != "{" && $0 != " " })
        let suffixes = type == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
        if !suffixes.contains(where: { name == family + $0 }) { faults.append("\(name) is not of \(family)") }
        if words.last.flatMap(Double.init) == nil { faults.append("no number: \(line)") }
      }
    }
    return faults
  }
}
