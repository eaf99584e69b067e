import Base
import Engine
import Files
import Glibc
import Publication
import Settings

/// The configuration in effect, and the state of its file.
struct ConfigurationState {
  private(set) var settings: Configuration
  /// How often the configuration was read again, failures included.
  private(set) var reloads = 0
  /// Why the present file is not in effect.
  var problem: String?
  /// Which file the settings are from; `nil` if that cannot be seen.
  private(set) var stamp: FileStamp?
  private(set) var isFileChanged = false

  init(_ settings: Configuration) {
    self.settings = settings
  }

  /// Uses the settings of a reload.
  mutating func use(_ settings: Configuration) {
    self.settings = settings
    problem = nil
    reloads += 1
  }

  /// Records the failure of a reload.
  mutating func reject(_ problem: String) {
    self.problem = problem
    reloads += 1
  }

  /// Notes which file the settings are from.
  mutating func note(_ stamp: FileStamp?) {
    self.stamp = stamp
    isFileChanged = false
  }

  /// Compares the file with the one that was read; returns whether the result has changed.
  mutating func compare(_ now: FileStamp) -> Bool {
    guard let stamp, isFileChanged != (now != stamp) else { return false }
    isFileChanged = now != stamp
    return true
  }
}

/// Composes the status, and reports it when the engine requests it.
@BrokerActor final class StatusReporter {
  var configuration: ConfigurationState

  private let tokens: ManagedTokens
  private let loop: EngineLoop
  private let startedAt: Moment
  private var onChange: @Sendable (BrokerStatus) -> Void = { _ in }

  nonisolated init(_ configuration: Configuration, _ tokens: ManagedTokens, _ loop: EngineLoop, startedAt: Moment) {
    self.configuration = ConfigurationState(configuration)
    self.tokens = tokens
    self.loop = loop
    self.startedAt = startedAt
  }

  /// Sets the receiver of reports; it is called on the broker's queue.
  func connect(onChange: @escaping @Sendable (BrokerStatus) -> Void) { self.onChange = onChange }

  /// Reports the status.
  func report() {
    if !loop.engine.isStopping { onChange(status()) }
  }

  /// The status now.
  func status() -> BrokerStatus {
    let now = Moment.now()
    return BrokerStatus(
      pid: getpid(), bootID: BootID.current, writtenAt: now.unix, startedAt: startedAt.unix,
      isReady: loop.engine.isReady, configuration: configuration.settings.source, reloads: configuration.reloads,
      configurationProblem: configuration.problem, configurationStamp: configuration.stamp,
      isConfigurationChanged: configuration.isFileChanged,
      tokens: configuration.settings.tokens.compactMap { settings in
        guard let token = tokens[settings.name], let lifecycle = loop.engine.lifecycle(of: settings.name) else {
          return nil
        }
        var status = TokenStatus(token, lifecycle, now: now)
        status.availability = loop.engine.availability(of: settings.name)
        status.reports = loop.engine.reports(of: settings.name)
        if loop.engine.isAPIDoubtful(settings.name), let url = settings.apiURL?.url {
          status.notes.append("the API at \(url) rejects tokens and has never accepted one: check api_url")
        }
        return status
      }, writtenAtMonotonic: now.monotonic.nanoseconds)
  }
}

extension TokenStatus {
  @BrokerActor init(_ token: ManagedToken, _ lifecycle: TokenLifecycle, now: Moment) {
    // Two clocks cannot be read at the same instant. Without the rounding, a status would differ from the last one by
    // some microseconds. It would be written again, although nothing has happened.
    func unix(_ time: BootTime) -> Double { ((now.unix + (time - now.boot).seconds) * 1000).rounded() / 1000 }
    func failure(_ failure: AcquisitionFailure, count: Int, since: Double) -> Failure {
      Failure(
        code: failure.code.rawValue, message: failure.message, remedy: failure.remedy, kind: failure.kind,
        count: count, since: since)
    }
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
    if let cause = lifecycle.rejection, let since = lifecycle.rejectedSince {
      rejection = failure(cause, count: 1, since: unix(since))
      self.failure = self.failure ?? rejection
    }
    if case .failing(let reason, _, _) = lifecycle.publication { publicationFailure = reason }
    condition =
      published == nil ? .absent : self.failure == nil && publicationFailure == nil ? .valid : .failing
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
    apiURL = settings.apiURL?.url
    apiAcceptedAt = token.apiAcceptedAt
    requestedScope = settings.scope
    audience = settings.audience
    verification = settings.verification
    caFile = settings.caFile
    accessTokenIssuer = settings.accessTokenIssuer
    locations = settings.locations.named.isEmpty ? nil : settings.locations
    let clientAuthentication = history.clientAuthentication
    if settings.secrets.count > 1, successes > 0 {
      let secret = clientAuthentication?.secretIndex ?? 0 == 0 ? "first" : "second"
      notes.append("the \(secret) of the two secrets is in use")
    }
    if let fallback = token.fallback { notes.append(fallback) }
    if let doubt = history.openDoubt { notes.append("\(doubt): remove that if the server rejects the client") }
    if settings.leavesClientAuthenticationOpen, let clientAuthentication {
      notes.append("the server accepts \(clientAuthentication.description)")
    }
    if settings.verification == .none { notes.append("tokens are NOT VERIFIED (verify = \"none\")") }
    notes += settings.exceptions + settings.replacements + history.certificateWarnings
    if lifecycle.repetitions > 0 {
      notes.append(
        "the server returns the same token until it expires: \(lifecycle.repetitions) request(s) brought no new one")
    }
    if let failure = token.stateFailure {
      notes.append("a restart will need a new token, as the state file was not written: \(failure)")
    }
    if let failure = token.notification.failure, !failure.isAbsence {
      notes.append("the application was not signalled for the new token: \(failure.problem)")
    }
  }
}
