import Glibc

/// Prometheus' own judge of metrics and rules (Debian's package `prometheus`, of which nothing else is needed).
enum Promtool {
  /// `PROMTOOL`, or where packages or Tests/Prometheus/get-promtool put it; nil where it is not.
  static let path: String? =
    ([getenv("PROMTOOL").map { String(cString: $0) }].compactMap { $0 }
    + ["/usr/bin/promtool", repository + "/.build/promtool"])
    .first { access($0, X_OK) == 0 }

  /// The repository that the tests were built from.
  static let repository = #filePath.replacing("/Tests/DaemonTests/Harness/Promtool.swift", with: "")

  /// Runs promtool and returns its complaints; empty if there are none.
  ///
  /// These are its whole output if its exit status is not 0. `check` also has complaints if its exit status is 0.
  static func run(_ arguments: [String], input: String = "/dev/null") async throws -> String {
    guard let path else { throw HarnessError("there is no promtool") }
    let workplace = try Workplace()
    defer { workplace.remove() }
    let said = workplace.path + "/said"
    let process = try ChildProcess(
      [path] + arguments, environment: ["PATH": "/usr/bin:/bin"], input: input, output: said, errors: said)
    while process.ending == nil { try await Task.sleep(for: .milliseconds(20)) }
    let text = Workplace.read(said) ?? ""
    guard process.ending == .exited(0) else { return text.isEmpty ? "it ended with \(process.ending as Any)" : text }
    return arguments.first == "check" ? text : ""
  }
}
