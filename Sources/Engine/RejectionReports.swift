package import Base

/// Reports of applications that the API rejected a token, and the requests for another one that they cause.
///
/// One value belongs to one token of the configuration. A report names the rejected token by its digest.
///
///     a token that is not held any more        a newer one is in place
///     the first report of the held token       a request at once
///     until the next token arrives             the report joins that request
///     a report after that                      a request 1, 2, 4, ... s after that token arrived, up to 30 min
///     the first report after a quiet hour      a request at once
///
/// - The successor can be another token or the same bytes. Both cases are the same: a request was sent, and the
///   application cannot use its token.
/// - A report that must wait is not lost. Its request is due at `deadline`, unless another token arrives before.
/// - Only reports of the held token count for the quiet hour.
/// - The size of the value is fixed, for any number of reports.
package struct RejectionReports: Hashable, Sendable {
  /// What follows from a report.
  package enum Verdict: Hashable, Sendable {
    /// The rejected token is not held any more: the application reads the file again.
    case newerInPlace
    /// Request a new token now.
    case request
    /// A request that an earlier report caused has not brought a token yet.
    case requestUnderWay
    /// The request comes at this time: see `RejectionReports.deadline`.
    case rateLimited(until: BootTime)
  }

  /// The reports so far, for status and metrics.
  package struct Counts: Hashable, Sendable, Codable {
    /// All reports.
    package var total = 0
    /// The requests that reports caused. A report can join the request of another.
    package var requested = 0
    /// The reports about tokens that were not held any more.
    package var newer = 0
    /// The reports that had to wait.
    package var limited = 0

    /// No reports.
    package init() {}
  }

  static let firstWait = Duration.seconds(1)
  static let longestWait = Duration.seconds(1800)
  static let quietTime = Duration.seconds(3600)

  /// The reports so far.
  package private(set) var counts = Counts()
  /// How many requests reports caused since the last quiet hour.
  private var seriesLength = 0
  /// When the last request was decided, or when its token arrived.
  private var waitBegan: BootTime?
  private var lastReport: BootTime?
  /// Whether a request that a report caused has not brought a token yet.
  private(set) var isAwaitingToken = false
  private var isDeferred = false
  /// The token that the deferred request must replace.
  private var deferredDigest: TokenDigest?

  /// No reports yet.
  package init() {}

  /// Takes the report that the API rejected a token.
  ///
  /// - Parameters:
  ///   - report: the digest of the rejected token.
  ///   - held: the digest of the token in the file; `nil` if there is none.
  package mutating func handle(_ report: TokenDigest, held: TokenDigest?, at now: BootTime) -> Verdict {
    counts.total += 1
    guard held == nil || report == held else {
      counts.newer += 1
      return .newerInPlace
    }
    return ask(toReplace: report, at: now)
  }

  /// Takes a request for a new token that names no rejected one. The same waits apply, as any application can send it.
  package mutating func handleRefresh(held: TokenDigest?, at now: BootTime) -> Verdict {
    counts.total += 1
    return ask(toReplace: held, at: now)
  }

  /// Notes that a verified token arrived, requested for any reason, or was restored.
  package mutating func tokenArrived(_ digest: TokenDigest, at now: BootTime) {
    // A request can wait in the issuer's queue, or be repeated. The wait counts from the arrival of its token.
    if isAwaitingToken { waitBegan = now }
    isAwaitingToken = false
    if digest != deferredDigest { isDeferred = false }
  }

  /// When a deferred request is due; `nil` if there is none.
  package var deadline: BootTime? { isDeferred ? earliestRequest : nil }

  /// Whether a deferred request is due. If so, request a new token now: the request counts as sent.
  package mutating func takeDueRequest(at now: BootTime) -> Bool {
    guard let deadline, deadline <= now else { return false }
    request(at: now)
    return true
  }

  private mutating func ask(toReplace digest: TokenDigest?, at now: BootTime) -> Verdict {
    if let lastReport, now - lastReport >= Self.quietTime {
      seriesLength = 0
      isAwaitingToken = false
    }
    lastReport = now
    guard !isAwaitingToken else { return .requestUnderWay }
    if let earliestRequest, now < earliestRequest {
      counts.limited += 1
      isDeferred = true
      deferredDigest = digest
      return .rateLimited(until: earliestRequest)
    }
    request(at: now)
    return .request
  }

  private mutating func request(at now: BootTime) {
    counts.requested += 1
    seriesLength += 1
    waitBegan = now
    isAwaitingToken = true
    isDeferred = false
  }

  /// When the series allows the next request; `nil` if it allows one at any time.
  private var earliestRequest: BootTime? {
    guard seriesLength > 0 else { return nil }
    return waitBegan.map { $0 + Self.wait(after: seriesLength) }
  }

  /// The wait after so many requests: it doubles each time.
  static func wait(after requests: Int) -> Duration {
    min(firstWait * (1 << min(requests - 1, 16)), longestWait)
  }
}
