import Base
import Publication

extension StatusReport {
  /// The report for a reader. On a terminal it is a table. Otherwise, and for a single token, it has one fact per line.
  public func text(_ style: TextStyle, inDetail: Bool) -> [StyledLine] {
    var lines = [headline] + daemonLines
    if style.columns != nil, !inDetail {
      lines += [""] + table(style)
    } else {
      for token in tokens { lines += token.details(style, now: now.unix, isDaemonRunning: daemonState == .running) }
    }
    let advice = self.advice
    if !advice.isEmpty { lines += [""] + advice.map { StyledLine("-> ", .strong) + StyledLine($0) } }
    return lines
  }

  /// The headline and the failures, without colours. It does not change with time alone.
  public var summary: [StyledLine] {
    [headline]
      + tokens.compactMap { token in
        token.status.failure.map { "\(token.status.name): \($0.message)" }
      }
  }

  /// The first line, which a monitoring system shows.
  private var headline: StyledLine {
    let tone: TextStyle.Tone =
      switch severity {
      case .ok: .good
      case .warning: .doubtful
      case .critical, .unknown: .bad
      }
    let good = tokens.count { $0.health.severity < .critical }
    var text = "\(good) of \(tokens.count) tokens in place"
    let worst = tokens.filter { $0.health != .valid }.sorted { $0.health.severity > $1.health.severity }
    let shown = worst.prefix(3).map { "\($0.status.name) \($0.health.rawValue)" }
    if !shown.isEmpty { text += ": " + shown.joined(separator: ", ") }
    if worst.count > 3 { text += " and \(worst.count - 3) more" }
    if let problem = status.configurationProblem { text += "; \(problem.prefix { $0 != ":" })" }
    if status.isConfigurationChanged { text += "; the config file is newer than the running configuration" }
    return StyledLine(severity.label, tone) + ": \(text)"
  }

  private var daemonLines: [StyledLine] {
    let now = now.unix
    var lines: [StyledLine] = []
    switch daemonState {
    case .running:
      lines.append("daemon: running since \(Timestamp.full(status.startedAt, now: now)), pid \(status.pid)")
    case .stopped(let time):
      lines.append("daemon: " + StyledLine("stopped", .bad) + " at \(Timestamp.full(time, now: now))")
    case .died(let time):
      lines.append(
        "daemon: " + StyledLine("dead", .bad)
          + ", killed or crashed some time after its last change of status at \(Timestamp.full(time, now: now))")
    case .ofAnotherBoot:
      lines.append("daemon: " + StyledLine("not started", .bad) + " since this host booted")
    }
    lines.append("config: \(status.configuration)")
    if let changed = status.changedConfiguration { lines.append(StyledLine("\(changed)", .doubtful)) }
    if let problem = status.configurationProblem {
      let summary = String(problem.prefix { $0 != ":" })
      lines.append(StyledLine(summary, .doubtful) + "\(problem.dropFirst(summary.count))")
    }
    return lines
  }

  /// The cells of the table, the file last.
  private func rows(showsBars: Bool) -> [[String]] {
    let now = now.unix
    let showsAvailability = tokens.contains { $0.availability != nil }
    var rows = [
      ["TOKEN", "STATE", "VALID FOR", "NEXT REFRESH", "LAST SUCCESS", "REQUESTS"]
        + (showsAvailability ? ["AVAILABLE"] : []) + ["FILE"]
    ]
    for token in tokens {
      let status = token.status
      let output = status.outputs.first
      let remaining = token.remaining.map { $0 > .zero ? Timestamp.span($0) : "expired" } ?? "-"
      var row = [
        status.name, token.health.rawValue, showsBars ? (token.bar.map { "\($0) " } ?? "") + remaining : remaining,
        daemonState == .running ? status.nextAttempt.map { Timestamp.relative($0, now: now) } ?? "under way" : "-",
        status.lastSuccess.map { Timestamp.relative($0, now: now) } ?? "never",
        "\(status.requests), \(status.successes) good",
      ]
      if showsAvailability { row.append(token.availability?.percentage ?? "-") }
      row.append(output.map { "\(token.files.first?.mode ?? $0.mode) \($0.path)" } ?? "-")
      rows.append(row)
    }
    return rows
  }

  private func table(_ style: TextStyle) -> [StyledLine] {
    let now = now.unix
    let columns = style.columns ?? .max
    var rows = rows(showsBars: style.columns != nil)
    // On a narrow terminal the file gets a line of its own. On a narrower one there are no bars.
    if Self.width(rows.map { $0.dropLast() }) > columns { rows = self.rows(showsBars: false) }
    var files: [String?] = Array(repeating: nil, count: rows.count)
    if Self.width(rows) > columns {
      for index in rows.indices {
        let file = rows[index].removeLast()
        if index > 0 { files[index] = file }
      }
    }
    let widths = Self.widths(rows)
    var lines: [StyledLine] = []
    for (index, row) in rows.enumerated() {
      var line: StyledLine = ""
      for (column, cell) in row.enumerated() {
        let isLast = column == row.count - 1
        let padded = isLast ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
        let tone = index == 0 ? TextStyle.Tone.faint : column == 1 ? tokens[index - 1].health.tone : nil
        line += StyledLine(padded, tone) + (isLast ? "" : "  ")
      }
      lines.append(line)
      if let file = files[index] { lines.append("  \(file)") }
      guard index > 0 else { continue }
      let status = tokens[index - 1].status
      for (label, failure) in status.failures(now: now) { lines.append("  \(label): \(failure)") }
    }
    return lines
  }

  private static func width(_ rows: [[String]]) -> Int { widths(rows).reduce(0) { $0 + $1 + 2 } - 2 }

  private static func widths(_ rows: [[String]]) -> [Int] {
    (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  }

  /// The commands to run next, the most urgent first.
  private var advice: [String] {
    var advice: [String] = []
    if daemonState != .running {
      let commands = ServiceCommands.current
      advice.append(commands.hasSystemd ? "see why the daemon ended: \(commands.log)" : commands.log)
      advice.append("start the daemon: \(commands.start)")
    } else if let token = tokens.first(where: { $0.health == .outOfDate }) {
      let room = "df -h \(loaded.directory.shellQuoted)"
      advice.append("the daemon cannot write its status since the token \(token.status.name); make room: \(room)")
    } else if tokens.contains(where: { $0.health == .overdue || $0.health == .expired }) {
      advice.append("the daemon missed a deadline: \(ServiceCommands.current.restart)")
    }
    for token in tokens {
      if let failure = token.status.failure { advice.append("\(token.status.name): \(failure.remedy)") }
    }
    if let first = tokens.first(where: { $0.status.failure != nil }) {
      advice.append("test it step by step: konexus-tokend check --token \(first.status.name.shellQuoted)")
    }
    if status.configurationProblem != nil {
      advice.append("see every error of the configuration: konexus-tokend check --offline")
    }
    return advice
  }
}

extension StatusReport.Health {
  var tone: TextStyle.Tone {
    switch severity {
    case .ok: .good
    case .warning: .doubtful
    case .critical, .unknown: .bad
    }
  }
}

extension StatusReport.Token {
  /// One fact per line.
  func details(_ style: TextStyle, now: Double, isDaemonRunning: Bool) -> [StyledLine] {
    var facts: [(String, String)] = []
    if let expiresAt = status.expiresAt, let remaining {
      // The boot-time clock decides, because the wall clock can have been set since.
      let end = remaining > .zero ? now + remaining.seconds : expiresAt
      facts.append((remaining > .zero ? "valid until" : "expired at", Timestamp.full(end, now: now)))
    }
    let next = status.nextAttempt.map { Timestamp.full($0, now: now) } ?? "under way"
    facts.append(("next refresh", isDaemonRunning ? next : "none, the daemon does not run"))
    facts.append(("last success", status.lastSuccess.map { Timestamp.full($0, now: now) } ?? "never"))
    let failures = status.failures(now: now)
    facts += failures.isEmpty ? [("last failure", "none")] : failures
    facts.append(("requests", "\(status.requests) sent, \(status.successes) brought a token"))
    if let availability { facts.append(("availability", availability.sentence)) }
    if let url = status.apiURL {
      let accepted = status.apiAcceptedAt.map { "accepted a token \(Timestamp.full($0, now: now))" }
      facts.append(("api", "\(url) \(accepted ?? "has not accepted a token yet")"))
    }
    if let reports = status.reports, reports.total > 0 {
      facts.append(("reports", "\(reports.total) by applications, which caused \(reports.requested) requests"))
    }
    for (output, file) in zip(status.outputs, files) {
      let seen =
        switch file.exists {
        case true: "mode \(file.mode ?? ""), \(file.owner ?? ""):\(file.group ?? "")"
        case false: "not there"
        case nil: "mode \(output.mode)"
        }
      facts.append(("file", "\(output.path) (\(output.format), \(seen))"))
    }
    facts.append(("issuer", "\(status.issuer), client_id \(status.clientID)"))
    if !status.scope.isEmpty { facts.append(("scope", status.scope.joined(separator: " "))) }
    if let skew = status.clockSkew.map(Duration.seconds), ClockSkew.isReported(skew) {
      facts.append(("clock", ClockSkew.sentence(skew)))
    }
    for note in status.notes { facts.append(("note", note)) }
    let width = style.columns == nil ? 0 : facts.map(\.0.count).max() ?? 0
    return ["\(status.name): " + StyledLine(health.rawValue, health.tone)]
      + facts.map { label, fact in
        StyledLine("  \(label): " + String(repeating: " ", count: max(0, width - label.count)) + fact)
      }
  }
}

extension TokenStatus {
  /// The current failures, or the last one.
  func failures(now: Double) -> [(String, String)] {
    var failures: [(String, String)] = []
    if let failure {
      failures.append(
        (
          "failing since",
          "\(Timestamp.full(failure.since, now: now)), \(failure.count) "
            + "\(failure.count == 1 ? "attempt" : "attempts"): \(failure.message)"
        ))
    } else if let lastFailure {
      failures.append(("last failure", "\(Timestamp.full(lastFailure.since, now: now)): \(lastFailure.message)"))
    }
    if let rejection, rejection != failure {
      failures.append(("not accepted since", "\(Timestamp.full(rejection.since, now: now)): \(rejection.message)"))
    }
    if let publicationFailure { failures.append(("cannot publish", publicationFailure)) }
    return failures
  }
}

extension StatusReport.Token {
  /// The part of the lifetime that remains, as a bar for a terminal; `nil` without a token.
  fileprivate var bar: String? {
    guard let remaining, let expiresAt = status.expiresAt, let obtainedAt = status.obtainedAt else { return nil }
    let part = remaining.seconds / (expiresAt - obtainedAt)
    guard part.isFinite else { return nil }
    let cells = 10
    let full = Int((min(max(part, 0), 1) * Double(cells)).rounded(.up))
    return "[" + String(repeating: "#", count: full) + String(repeating: "-", count: cells - full) + "]"
  }
}
