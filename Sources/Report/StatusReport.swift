public import Base
public import Files
public import Publication

/// A status file, evaluated with the current time and processes. Since it was written, tokens can have expired and the
/// daemon can have ended.
public struct StatusReport: Sendable {
  /// The severity as monitoring plugins define it.
  public enum Severity: Int32, Comparable, Sendable {
    /// Each token is valid, and the daemon renews it.
    case ok = 0
    /// Each token is valid, but refresh fails or the daemon does not run.
    case warning = 1
    /// A token is missing.
    case critical = 2
    /// The status is not available.
    case unknown = 3

    /// Orders severities; `ok` is the lowest.
    public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }

    /// The name in the output of monitoring plugins.
    public var label: String {
      switch self {
      case .ok: "OK"
      case .warning: "WARNING"
      case .critical: "CRITICAL"
      case .unknown: "UNKNOWN"
      }
    }
  }

  /// The state of a token now.
  public enum Health: String, Sendable {
    /// Valid, and refresh works.
    case valid
    /// Valid, but the next token cannot be requested or published.
    case failing
    /// Valid, but the daemon does not run.
    case unattended
    /// Valid, but the daemon missed a deadline, because it hangs or is suspended.
    case overdue
    /// The token's file is newer than the status file, which the daemon cannot write.
    case outOfDate = "status out of date"
    /// Expired.
    case expired
    /// There was no token yet.
    case absent
    /// Valid, but its file does not exist.
    case missing = "file missing"

    /// The severity of this state.
    public var severity: Severity {
      switch self {
      case .valid: .ok
      case .failing, .unattended, .overdue, .outOfDate: .warning
      case .expired, .absent, .missing: .critical
      }
    }
  }

  /// A token with its current state.
  public struct Token: Sendable {
    /// The status in the file.
    public var status: TokenStatus
    /// The current state.
    public var health: Health
    /// The remaining lifetime of the token in the file; `nil` if there is none.
    public var remaining: Duration?
    /// The token's files as this user sees them.
    public var files: [FileAttributes]
    /// Whether the daemon missed a deadline.
    public var isOverdue: Bool
    /// For how long applications had a token; `nil` if that is not known, or only for a short time.
    var availability: TokenAvailability?
  }

  /// The status file.
  public var loaded: LoadedStatus
  /// The state of the daemon that wrote the file.
  public var daemonState: DaemonState
  /// The tokens with their current states.
  public var tokens: [Token]
  /// Whether the daemon missed a deadline of any token.
  public var isOverdue: Bool
  /// The time of the evaluation.
  public var now: Moment

  /// The status in the file.
  public var status: BrokerStatus { loaded.status }

  /// Whether the configuration file was changed since the daemon read it.
  public var isConfigurationChanged: Bool {
    get { loaded.status.isConfigurationChanged }
    set { loaded.status.isConfigurationChanged = newValue }
  }

  /// The remedy for a changed configuration file; `nil` if it is unchanged.
  public var changedConfiguration: String? { loaded.status.changedConfiguration }

  /// Evaluates a status file, or one of its tokens.
  public init(_ loaded: LoadedStatus, only name: String? = nil, now: Moment = .now()) {
    let daemonState = DaemonState(of: loaded)
    var loaded = loaded
    // The daemon compares the file once per minute. An administrator who has edited it needs the result now.
    if daemonState == .running, let stamp = loaded.status.configurationStamp,
      let present = FileStamp(at: loaded.status.configuration)
    {
      loaded.status.isConfigurationChanged = present != stamp
    }
    self.loaded = loaded
    self.now = now
    self.daemonState = daemonState
    let all = loaded.status.tokens.map { Token($0, loaded, daemonState, now) }
    isOverdue = all.contains(where: \.isOverdue)
    tokens = name == nil ? all : all.filter { $0.status.name == name }
  }

  /// The highest severity of the tokens and the configuration.
  public var severity: Severity {
    let worst = tokens.map(\.health.severity).max() ?? .unknown
    return worst == .ok && (status.configurationProblem != nil || status.isConfigurationChanged) ? .warning : worst
  }
}

extension TokenStatus {
  /// The grace period. A healthy daemon meets a deadline and writes its status within this time.
  fileprivate static let gracePeriod = Duration.seconds(30)

  /// Whether the daemon missed a deadline.
  fileprivate func isOverdue(_ now: BootTime) -> Bool {
    guard let due = dueAtBoot.map(BootTime.init(nanoseconds:)) else { return false }
    return now > due + Self.gracePeriod
  }
}

extension StatusReport.Token {
  init(_ status: TokenStatus, _ loaded: LoadedStatus, _ daemonState: DaemonState, _ now: Moment) {
    self.status = status
    files = status.outputs.map { FileAttributes($0.path) }
    // Times of another boot are meaningless, and files in memory do not survive a boot.
    let end = daemonState == .ofAnotherBoot ? nil : status.expiresAtBoot.map(BootTime.init(nanoseconds:))
    remaining = end.map { $0 - now.boot }
    // The daemon writes its status after the token. If there is no room for it, the status describes an earlier token.
    let newer = files.first?.modified.flatMap { $0 > loaded.modified && daemonState != .ofAnotherBoot ? $0 : nil }
    let isOutOfDate = newer.map { now.unix - $0 > TokenStatus.gracePeriod.seconds } ?? false
    if newer != nil, let expiry = TokenFileReader.expiry(of: status, owner: loaded.owner) {
      remaining = .seconds(expiry - now.unix - (status.clockSkew ?? 0))
      self.status.expiresAt = expiry
    }
    isOverdue = daemonState == .running && newer == nil && status.isOverdue(now.boot)
    health =
      if isOutOfDate, daemonState == .running, remaining ?? .zero > .zero || status.verification != .jwt {
        .outOfDate
      } else if let remaining {
        if remaining <= .zero {
          .expired
        } else if files.contains(where: { $0.exists == false }) {
          .missing
        } else if daemonState != .running {
          .unattended
        } else if isOverdue {
          .overdue
        } else {
          status.condition == .failing ? .failing : .valid
        }
      } else {
        .absent
      }
    guard daemonState != .ofAnotherBoot else { return }
    // A daemon that runs restores a missing file.
    let isInFile = daemonState == .running || files.allSatisfy { $0.exists != false }
    availability = TokenAvailability(
      status.availability, writtenAt: loaded.status.monotonic,
      expiresAt: isInFile ? remaining.map { now.boot + $0 } : nil, now: now)
  }
}

/// The state of the daemon that wrote a status.
public enum DaemonState: Hashable, Sendable {
  /// Its process runs.
  case running
  /// It was stopped at that time, seconds since 1970.
  case stopped(at: Double)
  /// It was killed or crashed after that time, seconds since 1970, which is that of its last change.
  case died(after: Double)
  /// The host was restarted since.
  case ofAnotherBoot

  /// Determines the state of the daemon that wrote a status.
  init(of loaded: LoadedStatus) {
    let status = loaded.status
    // If this process cannot read the boot id, as in a unit with ProcSubset=pid, the lock shows that the daemon runs.
    if !loaded.isLocked, status.bootID != BootID.current {
      self = .ofAnotherBoot
    } else if let stoppedAt = status.stoppedAt {
      self = .stopped(at: stoppedAt)
    } else if loaded.isLocked || RunningDaemon.find(by: loaded)?.isRunning ?? false {
      self = .running
    } else {
      self = .died(after: status.writtenAt)
    }
  }
}

/// The probe of an orchestrator.
public enum StatusProbe: String, CaseIterable, Sendable {
  /// Whether each token is in its file. A failing refresh does not matter.
  case ready
  /// Whether the daemon runs and meets its deadlines. An outage of the server does not matter, since a restart would
  /// not help.
  case live

  /// Whether the report passes the probe.
  public func passes(_ report: StatusReport) -> Bool {
    switch self {
    case .ready: report.severity < .critical
    case .live: report.daemonState == .running && !report.isOverdue
    }
  }
}
