import Base
import Dispatch
import Engine
import Files
import Glibc
import Logging
public import Publication

extension TokenBroker {
  /// Log fields of an event and of the token it is about.
  func metadata(_ event: EventID?, of managed: ManagedToken? = nil, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    var metadata = more
    if let event { metadata["message_id"] = "\(event.rawValue)" }
    if let managed {
      metadata["token_name"] = "\(managed.settings.name)"
      metadata["issuer"] = "\(managed.settings.issuer)"
    }
    return metadata
  }

  /// Log fields of an event about no token in particular.
  func metadata(_ event: EventID, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
    metadata(event, of: nil, more)
  }

  /// Writes what the lifecycle has to tell into the log: a lasting failure once, its end once.
  func tell(_ report: LifecycleReport, _ managed: ManagedToken) {
    let now = Moment.now()
    let name = managed.settings.name
    func clock(_ time: BootTime) -> String { Timestamp.clock(now.unix + (time - now.boot).seconds, now: now.unix) }
    func fields(_ event: EventID?, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
      metadata(event, of: managed, more)
    }
    func failure(_ failure: AcquisitionFailure, _ next: BootTime) -> Logger.Metadata {
      [
        "failure": "\(failure.code.rawValue)",
        "next_attempt": "\(Timestamp.rfc3339(now.unix + (next - now.boot).seconds))",
      ]
    }
    func times(_ token: TokenTimes) -> Logger.Metadata {
      [
        "next_refresh": "\(Timestamp.rfc3339(now.unix + (token.refreshAt - now.boot).seconds))",
        "expires": "\(Timestamp.rfc3339(now.unix + (token.expiresAt - now.boot).seconds))",
      ]
    }
    switch report {
    case .restored(let token):
      logger.notice(
        "\(name): the token of the former run serves on for \(Timestamp.span(token.expiresAt - now.boot)), next refresh \(clock(token.refreshAt))",
        metadata: fields(.adopted, times(token)))
    case .acquired(let token, let failureStreak):
      let text = "valid for \(Timestamp.span(token.expiresAt - now.boot)), next refresh \(clock(token.refreshAt))"
      if let failureStreak {
        logger.notice(
          "\(name): got a token again after \(failureStreak.count) failed attempt(s) in \(Timestamp.span(now.boot - failureStreak.since)): \(text)",
          metadata: fields(.recovered, times(token)))
      } else {
        logger.info("\(name): got a token: \(text)", metadata: fields(.acquired, times(token)))
      }
    case .failing(let cause, let next):
      let left = managed.lifecycle.published.map {
        "the token in its file is good for \(Timestamp.span($0.expiresAt - now.boot)) more"
      }
      logger.log(
        level: cause.kind == .refused ? .error : .warning,
        "\(name): no new token: \(cause.message); \(left ?? "there is NO token in its file"); next attempt \(clock(next)); \(cause.code.remedy)",
        metadata: fields(.failing, failure(cause, next)))
    case .stillFailing(let cause, let next):
      logger.debug(
        "\(name): still no new token: \(cause.message); next attempt \(clock(next))",
        metadata: fields(nil, failure(cause, next)))
    case .expired:
      logger.critical(
        "\(name): the token has ended and no other is to be had; its file was removed", metadata: fields(.expired))
    case .publicationFailing(let reason):
      logger.error("\(name): \(reason)", metadata: fields(.publicationFailing))
    case .removalFailing(let reason):
      logger.critical(
        "\(name): the token has ended and is still in its file: \(reason)", metadata: fields(.publicationFailing))
    case .publicationRecovered:
      logger.notice("\(name): the token is in its file again", metadata: fields(.publicationRecovered))
    case .republished:
      logger.warning(
        "\(name): somebody changed or deleted the token's file; it was put back", metadata: fields(.restored))
    }
  }

  /// Tells the shell what there is to tell, once for all that happens in the same instant, or within so many milliseconds.
  func reportSoon(within patience: Int = 0) {
    // With many tokens there is always something to tell, and much of it.
    let wait = max(patience, managedTokens.count > 20 ? min(100 + managedTokens.count, 5000) : 0)
    let due = DispatchTime.now() + DispatchTimeInterval.milliseconds(wait)
    if let reportDue, reportDue <= due { return }
    reportDue = due
    queue.asyncAfter(deadline: due) { [weak self] in
      self?.assumeIsolated {
        // It may have been told meanwhile, or is told sooner. Not by what time it is now: a timer may fire a little early.
        if $0.reportDue == due { $0.reportNow() }
      }
    }
  }

  func reportNow() {
    reportDue = nil
    guard !isStopping else { return }
    if !isReady, pending.isEmpty, managedTokens.values.contains(where: { $0.lifecycle.published != nil }) {
      isReady = true
      logger.notice("ready: \(status().line)", metadata: metadata(.ready))
    }
    onChange(status())
  }

  /// What there is to tell now.
  public func status() -> BrokerStatus {
    let now = Moment.now()
    return BrokerStatus(
      pid: getpid(), bootID: BootID.current, writtenAt: now.unix, startedAt: startedAt.unix, isReady: isReady,
      configuration: configuration.source, reloads: reloads, configurationProblem: configurationProblem,
      configurationStamp: configurationStamp, isConfigurationChanged: isConfigurationChanged,
      tokens: configuration.tokens.compactMap { settings in
        managedTokens[settings.name].map { TokenStatus($0, now: now) }
      })
  }
}

extension TokenStatus {
  init(_ managed: ManagedToken, now: Moment) {
    // Two clocks cannot be read in the same instant: without the rounding a status would differ from the last by some microseconds, and
    // be written again, though nothing has happened.
    func unix(_ time: BootTime) -> Double { ((now.unix + (time - now.boot).seconds) * 1000).rounded() / 1000 }
    func failure(_ failure: AcquisitionFailure, count: Int, since: Double) -> Failure {
      Failure(
        code: failure.code.rawValue, message: failure.message, remedy: failure.code.remedy, kind: failure.kind,
        count: count,
        since: since)
    }
    let lifecycle = managed.lifecycle
    let published = managed.isWithdrawnForGood ? nil : lifecycle.published
    let settings = managed.settings
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
    clockSkew = managed.skew?.seconds
    requests = managed.requests
    successes = managed.successes
    tally = managed.tally
    lastSuccess = managed.tally.lastSuccess ?? obtainedAt
    lastFailure = managed.lastFailure.map { failure($0.failure, count: 1, since: $0.at.unix) }
    outputs = managed.files.places.map {
      Output(path: $0.path, mode: FileMode.octal($0.mode), format: $0.format.rawValue)
    }
    scope = managed.verifiedToken?.scope ?? []
    requestedScope = settings.scope
    audience = settings.audience
    verification = settings.verification
    caFile = settings.caFile
    if settings.secrets.count > 1, managed.successes > 0 {
      notes.append(
        "the \(managed.clientAuthentication?.secretIndex ?? 0 == 0 ? "first" : "second") of the two secrets is in use")
    }
    if settings.leavesClientAuthenticationOpen, let clientAuthentication = managed.clientAuthentication {
      notes.append("the server takes \(clientAuthentication.description)")
    }
    if settings.verification == .none { notes.append("tokens are NOT VERIFIED (verify = \"none\")") }
    if let failure = managed.stateFailure {
      notes.append("a restart will need a new token, as the state file was not written: \(failure)")
    }
    if let failure = managed.signalFailure, !failure.isAbsence {
      notes.append("the reader was not told of the new token: \(failure.problem)")
    }
  }
}
