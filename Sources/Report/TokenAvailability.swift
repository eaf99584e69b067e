import Base
import Engine
import Publication

/// The share of time in which applications had a token, as `status` shows it.
struct TokenAvailability: Sendable {
  /// The times until now.
  let totals: Availability.Totals
  /// When the count began, seconds since 1970.
  let since: Double

  /// In a shorter time, the start would have too much effect on the share.
  private static let minimum = Duration.seconds(60)

  /// Continues the count of a status document until `now`; `nil` if the document has none, its values contradict each
  /// other, or the count is short.
  ///
  /// - Parameters:
  ///   - writtenAt: when the document was written, on `CLOCK_MONOTONIC` since the present boot.
  ///   - expiresAt: when the token in the file expires; `nil` if the file holds none.
  init?(_ stored: Availability?, writtenAt: BootTime?, expiresAt: BootTime?, now: Moment) {
    guard let stored, let writtenAt else { return nil }
    let continued = stored.continued(writtenAt: writtenAt, requestedAt: nil, expiresAt: expiresAt, at: now)
    guard let continued, continued.totals(at: now.monotonic).elapsed >= Self.minimum else { return nil }
    totals = continued.totals(at: now.monotonic)
    since = continued.since
  }

  /// The share in hundredths of a percent, rounded down: 10,000 means that there was no gap.
  var hundredths: Int {
    let elapsed = Int128(totals.elapsed.nanoseconds)
    return elapsed > 0 ? Int(Int128(totals.available.nanoseconds) * 10_000 / elapsed) : 0
  }

  /// `99.98 %`; `100 %` only if there was no gap.
  var percentage: String {
    if totals.unavailable == .zero { return "100 %" }
    if totals.available == .zero { return "0 %" }
    let fraction = hundredths % 100
    return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) %"
  }

  /// `token available 99.98 % of the last 12 d 4 h; longest gap 3 min 10 s (server-error) on 2026-11-20 03:12:07 UTC`.
  var sentence: String {
    var text = "token available \(percentage) of the last \(Timestamp.span(totals.elapsed))"
    guard let gap = totals.longestGap else { return text }
    text += "; longest gap \(gap.length < .seconds(1) ? "less than 1 s" : Timestamp.span(gap.length))"
    if let failure = gap.failure { text += " (\(failure.rawValue))" }
    return text + " on \(Timestamp.zoned(gap.startedAt))"
  }
}
