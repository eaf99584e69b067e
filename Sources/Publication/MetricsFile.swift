import Base
import Engine
public import Files

/// The metrics file for node_exporter's textfile collector (`metrics_file`), replaced atomically.
///
/// It contains no secret, so it can be on a disk and in a directory of another user.
public struct MetricsFile: Sendable {
  private var file: PublishedFile
  private var written: BrokerStatus?

  /// An unchanged file is written again after this time in seconds, so that its age shows that the daemon is alive. It
  /// is shorter than the 15 s between two heartbeats, because a heartbeat can come early.
  private static let period = 10.0

  /// A metrics file at `path`.
  public init(path: String) {
    file = PublishedFile(path: path, mode: 0o644, allowsPersistentStorage: true, isGuarded: false)
  }

  /// Writes `status`, unless the file has the same content and is recent.
  ///
  /// - Throws: `PublicationFailure`. The previous content then stays.
  public mutating func write(_ status: BrokerStatus) throws(PublicationFailure) {
    if let last = written, status.writtenAt >= last.writtenAt, status.writtenAt < last.writtenAt + Self.period,
      status.isEqual(to: last)
    {
      return
    }
    try file.replace(with: Array(MetricsText.render(status).utf8))
    written = status
  }
}

/// Metrics in the text format of Prometheus: base units, with HELP and TYPE.
enum MetricsText {
  private static let prefix = "konexus_tokend_"

  /// Renders the whole file.
  static func render(_ status: BrokerStatus) -> String {
    var text = ""
    func family(_ name: String, _ type: String, _ help: String, _ addSamples: (_ name: String, inout String) -> Void) {
      var samples = ""
      addSamples(prefix + name, &samples)
      guard !samples.isEmpty else { return }
      text += "# HELP \(prefix)\(name) \(help)\n# TYPE \(prefix)\(name) \(type)\n"
      text += samples
    }
    /// Adds a gauge with one sample per token. Tokens without a value are left out.
    func gauge(_ name: String, _ help: String, _ value: (TokenStatus) -> Double?) {
      family(name, "gauge", help) { name, samples in
        for token in status.tokens {
          if let value = value(token) { samples += "\(name){token=\"\(token.name)\"} \(number(value))\n" }
        }
      }
    }
    func single(_ name: String, _ help: String, _ value: Double) {
      family(name, "gauge", help) { $1 += "\($0) \(number(value))\n" }
    }

    family("build_info", "gauge", "The daemon's version; always 1.") {
      $1 += "\($0){version=\"\(konexusTokendVersion)\"} 1\n"
    }
    single("start_timestamp_seconds", "When the daemon started, in Unix time.", status.startedAt)
    single("last_heartbeat_timestamp_seconds", "When this was written, in Unix time.", status.writtenAt)
    single("ready", "Whether the daemon has reported itself ready.", status.isReady ? 1 : 0)
    single(
      "config_last_reload_successful", "Whether the settings in force are those of the config file.",
      status.configurationProblem == nil ? 1 : 0)
    single(
      "config_file_changed", "Whether the config file was changed since it was read.",
      status.isConfigurationChanged ? 1 : 0)
    gauge("token_valid", "Whether the token's file holds a good token.") { $0.condition == .absent ? 0 : 1 }
    gauge("token_refresh_failing", "Whether attempts to get or publish the next token fail.") {
      $0.failure == nil && $0.publicationFailure == nil ? 0 : 1
    }
    gauge("token_expiry_timestamp_seconds", "When the token in the file ends, in Unix time; 0 if there is none.") {
      $0.expiresAt ?? 0
    }
    gauge("token_obtained_timestamp_seconds", "When the last good token was asked for, in Unix time.", \.lastSuccess)
    gauge("token_next_request_timestamp_seconds", "When the next request is due, in Unix time.", \.nextAttempt)
    gauge("token_accepted", "Whether the token in the file is accepted, as far as is known.") {
      $0.condition == .absent || $0.rejection != nil ? 0 : 1
    }
    gauge("api_accepted_timestamp_seconds", "When the API accepted a token last, in Unix time.", \.apiAcceptedAt)
    gauge("clock_skew_seconds", "How far the authorization server's clock is ahead of this host's.", \.clockSkew)
    /// Adds a counter with one sample per token, of the times until the status was written.
    func timeCounter(_ name: String, _ help: String, _ value: (Availability.Totals) -> Duration) {
      family(name, "counter", help) { name, samples in
        for token in status.tokens {
          guard let now = status.monotonic, let totals = token.availability?.totals(at: now) else { continue }
          samples += "\(name){token=\"\(token.name)\"} \(number(value(totals).seconds))\n"
        }
      }
    }
    timeCounter(
      "token_available_seconds_total", "For how long applications had a valid token, as far as is known.", \.available)
    timeCounter(
      "token_unavailable_seconds_total", "For how long applications had no valid token.", \.unavailable)
    family("refresh_total", "counter", "Attempts to get a token since the daemon started, by how they ended.") {
      name, samples in
      for token in status.tokens {
        for (result, count) in [
          ("refused", token.tally.refusals), ("success", token.tally.successes),
          ("transient", token.tally.transientFailures),
        ] {
          samples += "\(name){token=\"\(token.name)\",result=\"\(result)\"} \(count)\n"
        }
      }
    }
    family("rejection_reports_total", "counter", "Reports of applications that the API rejected a token.") {
      name, samples in
      for token in status.tokens {
        if let reports = token.reports { samples += "\(name){token=\"\(token.name)\"} \(reports.total)\n" }
      }
    }
    let bounds = DurationHistogram.bounds.map(number)
    family(
      "request_duration_seconds", "histogram",
      "How long attempts took, from sending the request to the verified token or the failure."
    ) { name, samples in
      for token in status.tokens {
        let histogram = token.tally.durations
        let label = "token=\"\(token.name)\""
        var below = 0
        for (bound, count) in zip(bounds, histogram.counts) {
          below += count
          samples += "\(name)_bucket{\(label),le=\"\(bound)\"} \(below)\n"
        }
        samples += "\(name)_bucket{\(label),le=\"+Inf\"} \(histogram.total)\n"
        samples += "\(name)_sum{\(label)} \(number(histogram.sum))\n"
        samples += "\(name)_count{\(label)} \(histogram.total)\n"
      }
    }
    return text
  }

  /// A number without exponent, with at most six decimals.
  private static func number(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 9e12 else { return "0" }
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
