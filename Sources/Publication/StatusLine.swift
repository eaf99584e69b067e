import Base

extension BrokerStatus {
  /// A line for `systemctl status`. The most serious state comes first.
  public var line: String {
    var parts: [String] = []
    if let configurationProblem { parts.append(configurationProblem) }
    if let changedConfiguration { parts.append(changedConfiguration) }
    if tokens.count == 1, let only = tokens.first {
      parts.append(only.line(now: writtenAt))
    } else {
      let valid = tokens.count { $0.condition != .absent }
      parts.append("\(valid) of \(tokens.count) tokens valid")
      let rank: [TokenStatus.Condition: Int] = [.absent: 0, .failing: 1, .valid: 2]
      let order = tokens.filter { $0.condition != .valid }.sorted {
        (rank[$0.condition] ?? 0, $0.expiresAt ?? 0) < (rank[$1.condition] ?? 0, $1.expiresAt ?? 0)
      }
      parts += order.prefix(3).map { $0.line(now: writtenAt) }
      if order.count > 3 { parts.append("and \(order.count - 3) more with failures") }
      if order.isEmpty, let next = tokens.compactMap(\.nextAttempt).min() {
        parts.append("next refresh \(Timestamp.clock(next, now: writtenAt))")
      }
    }
    return parts.joined(separator: "; ")
  }

  /// The remedy for a configuration file that was changed since it was read; `nil` if it was not.
  package var changedConfiguration: String? {
    isConfigurationChanged
      ? "\(configuration) is newer than the running configuration -> \(ServiceCommands.current.reload)" : nil
  }
}

extension TokenStatus {
  /// A sentence about this token.
  public func line(now: Double) -> String {
    let next = nextAttempt.map { Timestamp.clock($0, now: now) }
    var text = "\(name): "
    if let expiresAt {
      text += "token valid for \(Timestamp.span(.seconds(expiresAt - now)))"
      if let publicationFailure { text += ", but its successor cannot be published: \(publicationFailure)" }
      if let failure {
        text += ", but refresh fails since \(Timestamp.clock(failure.since, now: now)) (\(failure.message))"
        text += next.map { ", next attempt \($0)" } ?? ", trying again now"
        if failure.kind == .refused { text += " -> \(failure.remedy)" }
      } else {
        text += next.map { ", next refresh \($0)" } ?? ", refreshing now"
      }
    } else {
      text += "NO TOKEN"
      if let publicationFailure {
        text += ": cannot publish it: \(publicationFailure)"
      } else if let failure {
        text += ": \(failure.message)"
        text += next.map { ", next attempt \($0)" } ?? ", trying again now"
        text += " -> \(failure.remedy)"
      } else {
        text += " yet, requesting it from \(issuer)"
      }
    }
    if let skew = clockSkew.map(Duration.seconds), ClockSkew.isReported(skew) {
      text += "; \(ClockSkew.sentence(skew))"
    }
    for note in notes { text += "; \(note)" }
    return text
  }
}
