import Base
import Engine
import Logging

/// The broker's log lines, with the fields that journald stores.
@BrokerActor final class EventLog {
  /// Takes the lines. A reload can replace it.
  var logger: Logger

  nonisolated init(_ logger: Logger) {
    self.logger = logger
  }

  /// Writes one line.
  ///
  /// - Parameters:
  ///   - event: the event that it reports, if it has a message id.
  ///   - token: the token that it is about.
  ///   - fields: further fields.
  func write(
    _ level: Logger.Level, _ message: @autoclosure () -> String, _ event: EventID? = nil,
    of token: ManagedToken? = nil, _ fields: @autoclosure () -> Logger.Metadata = [:]
  ) {
    guard level >= logger.logLevel else { return }
    var metadata = fields()
    if let event { metadata["message_id"] = "\(event.rawValue)" }
    if let token {
      metadata["token_name"] = "\(token.name)"
      metadata["issuer"] = "\(token.settings.issuer)"
    }
    logger.log(level: level, "\(message())", metadata: metadata)
  }

  /// Writes that the host was suspended, or that its clock was stepped.
  func write(_ change: ClockComparison.Change) {
    if let sleep = change.sleep {
      return write(.notice, "the host was suspended for \(Timestamp.span(.seconds(sleep)))", .clockStepped)
    }
    let direction = change.step > 0 ? "forward" : "back"
    let consequence = change.mayHavePaused ? ". New tokens are requested, in case the host was paused" : ""
    write(
      .notice,
      "the host's clock was stepped \(direction) by \(Timestamp.span(.seconds(abs(change.step))))\(consequence)",
      .clockStepped)
  }

  /// Writes what a lifecycle reports. A lasting failure gets one line, and its end gets one line.
  ///
  /// - Parameter published: the token in the files.
  func write(_ report: LifecycleReport, of token: ManagedToken, published: TokenTimes?) {
    let now = Moment.now()
    let name = token.name
    func unix(_ time: BootTime) -> Double { now.unix + (time - now.boot).seconds }
    func clock(_ time: BootTime) -> String { Timestamp.clock(unix(time), now: now.unix) }
    func failure(_ failure: AcquisitionFailure, _ next: BootTime) -> Logger.Metadata {
      ["failure": "\(failure.code.rawValue)", "next_attempt": "\(Timestamp.rfc3339(unix(next)))"]
    }
    func fields(_ times: TokenTimes) -> Logger.Metadata {
      [
        "next_refresh": "\(Timestamp.rfc3339(unix(times.refreshAt)))",
        "expires": "\(Timestamp.rfc3339(unix(times.expiresAt)))",
      ]
    }
    switch report {
    case .restored(let times):
      let left = Timestamp.span(times.expiresAt - now.boot)
      write(
        .notice,
        "\(name): reusing the token of the previous run, valid for \(left), next refresh \(clock(times.refreshAt))",
        .adopted, of: token, fields(times))
    case .acquired(let times, let failureStreak):
      let text = "valid for \(Timestamp.span(times.expiresAt - now.boot)), next refresh \(clock(times.refreshAt))"
      if let failureStreak {
        let span = Timestamp.span(now.boot - failureStreak.since)
        write(
          .notice, "\(name): got a token again after \(failureStreak.count) failed attempt(s) in \(span): \(text)",
          .recovered, of: token, fields(times))
      } else {
        write(.info, "\(name): got a token: \(text)", .acquired, of: token, fields(times))
      }
    case .fellBack(let times, let isFirst):
      write(
        isFirst ? .warning : .info,
        "\(name): \(token.fallback ?? ""). The token is valid for \(Timestamp.span(times.expiresAt - now.boot))",
        .acquired, of: token, fields(times))
    case .returnedAgain(let times, let failureStreak, let isFirst):
      let text =
        "the server returned a former token and no new one: the present one is valid for "
        + "\(Timestamp.span(times.expiresAt - now.boot)), next request \(clock(times.refreshAt))"
      if let failureStreak {
        let span = Timestamp.span(now.boot - failureStreak.since)
        write(
          .notice, "\(name): after \(failureStreak.count) failed attempt(s) in \(span), \(text)", .recovered, of: token,
          fields(times))
      } else {
        write(isFirst ? .info : .debug, "\(name): \(text)", of: token, fields(times))
      }
    case .failing(let cause, let next):
      let file = published.map { "The token in its file is valid for \(Timestamp.span($0.expiresAt - now.boot))" }
      write(
        cause.kind == .refused ? .error : .warning,
        "\(name): refresh failed: \(cause.message). \(file ?? "No valid token"). Retrying at \(clock(next)). "
          + "-> \(cause.remedy)",
        .failing, of: token, failure(cause, next))
    case .stillFailing(let cause, let next):
      write(
        .debug, "\(name): refresh failed again: \(cause.message). Retrying at \(clock(next))", of: token,
        failure(cause, next))
    case .rejected(let cause):
      write(
        .error, "\(name): token rejected: \(cause.message). Requesting another one. -> \(cause.remedy)", .rejected,
        of: token, ["failure": "\(cause.code.rawValue)"])
    case .expired:
      write(
        .critical, "\(name): the token expired and could not be refreshed. Its file was removed", .expired, of: token)
    case .publicationFailing(let reason):
      write(.error, "\(name): \(reason)", .publicationFailing, of: token)
    case .removalFailing(let reason):
      write(
        .critical, "\(name): the token expired and is still in its file: \(reason)", .publicationFailing, of: token)
    case .publicationRecovered:
      write(.notice, "\(name): the token is in its file again", .publicationRecovered, of: token)
    case .republished:
      write(
        .warning, "\(name): another process changed or deleted the token's file. It was restored", .restored, of: token)
    }
  }
}

/// Limits the log lines about reports of applications. A report that causes a request is logged. Others are logged at
/// most every 10 s.
struct ReportLog {
  private var unreported = 0
  private var lastLine: BootTime?

  /// Writes a line about a report, unless there were too many.
  @BrokerActor mutating func write(
    _ reply: ReportReply, isRejection: Bool, of token: ManagedToken, from peer: RejectionPeer, to log: EventLog
  ) {
    let now = Moment.now().boot
    unreported += 1
    guard lastLine.map({ now - $0 >= .seconds(10) }) ?? true else { return }
    lastLine = now
    let count = unreported > 1 ? " (\(unreported) such since the last line)" : ""
    unreported = 0
    let user = peer.userID.map { " of user \($0)" } ?? ""
    let process = peer.process.map { "process \($0)\(user)" } ?? "a process"
    let what = isRejection ? "reports that the API rejected the token" : "requests a new token"
    log.write(.notice, "\(token.name): \(process) \(what): \(reply.text)\(count)", .reported, of: token)
  }
}

extension ReportReply {
  /// The answer, for the log.
  fileprivate var text: String {
    switch self {
    case .unknownToken: "there is no such token"
    case .newerInPlace: "a newer one is in place"
    case .requested: "a new one is requested"
    case .rateLimited(let wait): "the next request comes in \(Timestamp.span(wait))"
    case .rejectedByServer(let wait, let code):
      "the server rejects the client (\(code.rawValue)); the next request comes in \(Timestamp.span(wait))"
    }
  }
}

/// Message ids of important events (journalctl MESSAGE_ID=...; systemd.journal-fields(7)). They never change.
public enum EventID: String, CaseIterable, Sendable {
  /// The daemon started.
  case started = "1f6d12840aee48e2b40bceb152bebdcf"
  /// Every token is published: the daemon is ready.
  case ready = "ca81969a292044ca98fec4def05d967f"
  /// The token of the previous run is reused.
  case adopted = "e3480842e7a641009850b084695fe844"
  /// A new token was received and verified.
  case acquired = "e2f12455166e4404a041b4fcb2fee238"
  /// Attempts to get a token fail, or fail in another way than before.
  case failing = "2570d7b4a8eb43f08488f882d8e3ccdc"
  /// Attempts succeed again.
  case recovered = "9c8380fc366d4d20a00b3682f659add7"
  /// A token expired before a new one was published; its file was removed.
  case expired = "e23881e9f3634a08a924db0400559c84"
  /// As far as known, the API does not accept the published token any more, although the token has not expired.
  case rejected = "7d0c1e2b94f34a55b0a7c83f6e19d2a4"
  /// An application reported that the API rejected a token, or wanted a new one.
  case reported = "0f4b7a91c2de4e6f8a35d1b07c96e824"
  /// A token cannot be written to its file.
  case publicationFailing = "e690679f8a6144cd922bbad25d1f7f15"
  /// The token is in its file again.
  case publicationRecovered = "c45e1653ffe24ba29b7045e5c2a40e26"
  /// Another process modified a token's file; it was written again.
  case restored = "a85e288e71ce4da9b8b7119a8b69c0c0"
  /// The configuration was read again.
  case reloaded = "49612e8fdcd944e69a955fe177246d0e"
  /// A reload failed; the previous configuration stays in effect.
  case reloadFailed = "44eac31ede0c45a1a3619b6911a798de"
  /// The configuration has errors at the start. In use is the previous one, or only the valid tables, or none.
  case configurationBroken = "5b0c8a1f3d5e4d0c9f7b2e6a8c1d4f03"
  /// The configuration file changed since it was read.
  case configurationChanged = "c6a7e3f05b1d4a8e92d0f4b7135ce886"
  /// The host's clock was stepped, or the host was suspended.
  case clockStepped = "a540bba131964114b210d48f93dc0b30"
  /// The server's clock and the host's clock differ.
  case clockSkew = "b81e1b98d25f46cf962ff5eb866f1c70"
  /// A unit got a token as its credential.
  case credentialServed = "6d851a18a90f4d9daadf63d26a12194b"
  /// A unit, or another process, did not get the credential that it requested.
  case credentialRefused = "94051b46a6f24ecf9399eebfc4fdf535"
  /// The process of a token's `signal` cannot be signalled.
  case signalFailing = "2dd57e1562894d9c86855876c40ef4d1"
  /// The daemon stops.
  case stopping = "a082f11f19454f4596abfeec57a4249e"
}
