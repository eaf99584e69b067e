import Base
import Dispatch
import Engine
import Files
import Glibc
import Publication
import Settings

/// The configuration in effect, and what is known of its file.
struct ConfigurationState {
  private(set) var settings: Configuration
  /// How often the configuration was read again, failures included.
  private(set) var reloads = 0
  /// Why the file is not in effect as it is.
  var problem: String?
  /// Which file the settings are from; `nil` if that cannot be seen.
  private(set) var stamp: FileStamp?
  private(set) var isFileChanged = false

  init(_ settings: Configuration) {
    self.settings = settings
  }

  /// Takes the settings of a reload.
  mutating func use(_ settings: Configuration) {
    self.settings = settings
    problem = nil
    reloads += 1
  }

  /// Takes the failure of a reload.
  mutating func reject(_ problem: String) {
    self.problem = problem
    reloads += 1
  }

  /// Notes which file the settings are from.
  mutating func note(_ stamp: FileStamp?) {
    self.stamp = stamp
    isFileChanged = false
  }

  /// Compares the file with the one that was read; returns whether that is news.
  mutating func compare(_ now: FileStamp) -> Bool {
    guard let stamp, isFileChanged != (now != stamp) else { return false }
    isFileChanged = now != stamp
    return true
  }
}

/// Composes the status, and reports it: once for all that happens at the same time.
@BrokerActor final class StatusReporter {
  var configuration: ConfigurationState

  private let tokens: ManagedTokens
  private let log: EventLog
  private let startedAt: Moment
  private var onChange: @Sendable (BrokerStatus) -> Void = { _ in }
  /// When the next report comes; `nil` if there is nothing to report.
  private var due: DispatchTime?
  /// Tokens that were neither published nor rejected yet since the start.
  private var pending: Set<String> = []
  private var isReady = false

  /// The delay of "refreshing now" while a token is published, in milliseconds: most refreshes end sooner.
  private static let refreshDelay = 250

  nonisolated init(_ configuration: Configuration, _ tokens: ManagedTokens, _ log: EventLog, startedAt: Moment) {
    self.configuration = ConfigurationState(configuration)
    self.tokens = tokens
    self.log = log
    self.startedAt = startedAt
  }

  /// Sets the receiver of reports; it is called on the broker's queue.
  func connect(onChange: @escaping @Sendable (BrokerStatus) -> Void) { self.onChange = onChange }

  /// The daemon is not ready before this token is settled.
  func expect(_ name: String) { pending.insert(name) }

  /// The token was published or rejected, or it is not managed any more.
  func settle(_ name: String) { pending.remove(name) }

  /// Reports soon what an event has changed of a token.
  func reportSoon(about token: ManagedToken) {
    let isRefreshing = token.lifecycle.published != nil && !token.lifecycle.isWaiting
    reportSoon(within: isRefreshing ? Self.refreshDelay : 0)
  }

  /// Reports within so many milliseconds: once for all that happens until then.
  func reportSoon(within delay: Int = 0) {
    // With many tokens there is always something to report, and the status is long.
    let wait = max(delay, tokens.count > 20 ? min(100 + tokens.count, 5000) : 0)
    let time = DispatchTime.now() + DispatchTimeInterval.milliseconds(wait)
    if let due, due <= time { return }
    due = time
    BrokerActor.async(at: time) { [weak self] in
      // A report may have come meanwhile, or be due sooner. The clock does not decide: a timer may fire a little early.
      if let self, due == time { reportNow() }
    }
  }

  /// Reports at once.
  func reportNow() {
    due = nil
    guard !tokens.isStopping else { return }
    if !isReady, pending.isEmpty, tokens.all.contains(where: { $0.lifecycle.published != nil }) {
      isReady = true
      log.write(.notice, "ready: \(self.status().line)", .ready)
    }
    onChange(status())
  }

  /// The status now.
  func status() -> BrokerStatus {
    let now = Moment.now()
    return BrokerStatus(
      pid: getpid(), bootID: BootID.current, writtenAt: now.unix, startedAt: startedAt.unix, isReady: isReady,
      configuration: configuration.settings.source, reloads: configuration.reloads,
      configurationProblem: configuration.problem, configurationStamp: configuration.stamp,
      isConfigurationChanged: configuration.isFileChanged,
      tokens: configuration.settings.tokens.compactMap { settings in
        tokens[settings.name].map { TokenStatus($0, now: now) }
      })
  }
}

extension TokenStatus {
  @BrokerActor init(_ token: ManagedToken, now: Moment) {
    // Two clocks cannot be read at the same instant. Without the rounding, a status would differ from the last one by
    // some microseconds and be written again, though nothing has happened.
    func unix(_ time: BootTime) -> Double { ((now.unix + (time - now.boot).seconds) * 1000).rounded() / 1000 }
    func failure(_ failure: AcquisitionFailure, count: Int, since: Double) -> Failure {
      Failure(
        code: failure.code.rawValue, message: failure.message, remedy: failure.code.remedy, kind: failure.kind,
        count: count, since: since)
    }
    let lifecycle = token.lifecycle
    let published = token.isRevokedAtStop ? nil : lifecycle.published
    let settings = token.settings
    let history = token.history
    self.init(name: settings.name, issuer: settings.issuer, clientID: settings.clientID)
    dueAtBoot = lifecycle.deadline?.nanoseconds
    expiresAtBoot = published?.expiresAt.nanoseconds
    expiresAt = (published?.expiresAt).map(unix)
    obtainedAt = (published?.requestedAt).map(unix)
    if case .waiting(let until) = lifecycle.phase {
      nextAttempt = unix(until)
    }
    self.failure = lifecycle.failureStreak.map { failure($0.failure, count: $0.count, since: unix($0.since)) }
    if case .failing(let reason, _, _) = lifecycle.publication { publicationFailure = reason }
    condition =
      published == nil ? .absent : lifecycle.failureStreak == nil && publicationFailure == nil ? .valid : .failing
    clockSkew = history.skew?.seconds
    requests = history.requests
    successes = history.tally.successes
    tally = history.tally
    lastSuccess = history.tally.lastSuccess ?? obtainedAt
    lastFailure = history.lastFailure.map { failure($0.failure, count: 1, since: $0.at.unix) }
    outputs = token.files.places.map {
      Output(path: $0.path, mode: FileMode.octal($0.mode), format: $0.format.rawValue)
    }
    scope = token.verifiedToken?.scope ?? []
    requestedScope = settings.scope
    audience = settings.audience
    verification = settings.verification
    caFile = settings.caFile
    let clientAuthentication = history.clientAuthentication
    if settings.secrets.count > 1, successes > 0 {
      let secret = clientAuthentication?.secretIndex ?? 0 == 0 ? "first" : "second"
      notes.append("the \(secret) of the two secrets is in use")
    }
    if settings.leavesClientAuthenticationOpen, let clientAuthentication {
      notes.append("the server takes \(clientAuthentication.description)")
    }
    if settings.verification == .none { notes.append("tokens are NOT VERIFIED (verify = \"none\")") }
    if let failure = token.stateFailure {
      notes.append("a restart will need a new token, as the state file was not written: \(failure)")
    }
    if let failure = token.notification.failure, !failure.isAbsence {
      notes.append("the reader was not told of the new token: \(failure.problem)")
    }
  }
}
