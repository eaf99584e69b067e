import OAuthClient

/// What the daemon tells Prometheus, in its text format: names in base units, each with its HELP and TYPE.
enum MetricsText {
  private static let prefix = "konexus_tokend_"

  /// The whole file.
  static func render(_ status: BrokerStatus) -> String {
    var text = ""
    func family(_ name: String, _ type: String, _ help: String, _ samples: [String]) {
      guard !samples.isEmpty else { return }
      text += "# HELP \(prefix)\(name) \(help)\n# TYPE \(prefix)\(name) \(type)\n"
      text += samples.joined(separator: "\n") + "\n"
    }
    /// One gauge a token; tokens without a value are left out.
    func gauge(_ name: String, _ help: String, _ value: (TokenStatus) -> Double?) {
      family(
        name, "gauge", help,
        status.tokens.compactMap { token in
          value(token).map { "\(prefix)\(name){token=\"\(token.name)\"} \(number($0))" }
        })
    }
    func single(_ name: String, _ help: String, _ value: Double) {
      family(name, "gauge", help, ["\(prefix)\(name) \(number(value))"])
    }

    family(
      "build_info", "gauge", "The daemon's version; always 1.",
      ["\(prefix)build_info{version=\"\(konexusTokendVersion)\"} 1"])
    single("start_timestamp_seconds", "When the daemon started, in Unix time.", status.startedAt)
    single("last_heartbeat_timestamp_seconds", "When this was written, in Unix time.", status.writtenAt)
    single("ready", "Whether the daemon has reported itself ready.", status.isReady ? 1 : 0)
    single(
      "config_last_reload_successful", "Whether the settings in force are those of the config file.",
      status.reloadFailure == nil ? 1 : 0)
    gauge("token_valid", "Whether the token's file holds a good token.") { $0.condition == .absent ? 0 : 1 }
    gauge("token_refresh_failing", "Whether attempts to get or publish the next token fail.") {
      $0.failure == nil && $0.publicationFailure == nil ? 0 : 1
    }
    gauge("token_expiry_timestamp_seconds", "When the token in the file ends, in Unix time; 0 if there is none.") {
      $0.expiresAt ?? 0
    }
    gauge("token_obtained_timestamp_seconds", "When the last good token was asked for, in Unix time.", \.lastSuccess)
    gauge("token_next_request_timestamp_seconds", "When the next request is due, in Unix time.", \.nextAttempt)
    gauge("clock_skew_seconds", "How far the authorization server's clock is ahead of this host's.", \.clockSkew)
    family(
      "refresh_total", "counter", "Attempts to get a token since the daemon started, by how they ended.",
      status.tokens.flatMap { token in
        [
          ("refused", token.tally.refusals), ("success", token.tally.successes),
          ("transient", token.tally.transientFailures),
        ].map { "\(prefix)refresh_total{token=\"\(token.name)\",result=\"\($0.0)\"} \($0.1)" }
      })
    family(
      "request_duration_seconds", "histogram",
      "How long attempts took, from sending the request to the verified token or the failure.",
      status.tokens.flatMap { histogram($0.tally.durations, token: $0.name) })
    return text
  }

  private static func histogram(_ histogram: DurationHistogram, token: String) -> [String] {
    let name = prefix + "request_duration_seconds"
    var below = 0
    var samples: [String] = []
    for (bound, count) in zip(DurationHistogram.bounds, histogram.counts) {
      below += count
      samples.append("\(name)_bucket{token=\"\(token)\",le=\"\(number(bound))\"} \(below)")
    }
    samples.append("\(name)_bucket{token=\"\(token)\",le=\"+Inf\"} \(histogram.total)")
    samples.append("\(name)_sum{token=\"\(token)\"} \(number(histogram.sum))")
    samples.append("\(name)_count{token=\"\(token)\"} \(histogram.total)")
    return samples
  }

  /// Whole numbers without a fraction, others with at most six digits of it: never an exponent.
  private static func number(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "0" }
    let millionths = Int64((value * 1e6).rounded())
    let (whole, fraction) = (abs(millionths) / 1_000_000, abs(millionths) % 1_000_000)
    let sign = millionths < 0 ? "-" : ""
    guard fraction != 0 else { return "\(sign)\(whole)" }
    var digits = String(fraction)
    digits = String(repeating: "0", count: 6 - digits.count) + digits
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(sign)\(whole).\(digits)"
  }
}
