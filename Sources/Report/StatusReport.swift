public import Base
public import Files
public import Publication

/// A status file judged by the clocks and processes of now: what was true when it was written may have ended since.
public struct StatusReport: Sendable {
  /// How bad it is, in the numbers of the monitoring-plugin convention.
  public enum Severity: Int32, Comparable, Sendable {
    /// Every token is valid and looked after.
    case ok = 0
    /// Readers have their token, but a person should look: refresh fails, the daemon is gone.
    case warning = 1
    /// Readers lack a token.
    case critical = 2
    /// It cannot be told.
    case unknown = 3

    /// Less is better.
    public static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }

    /// As plugins write it.
    public var word: String {
      switch self {
      case .ok: "OK"
      case .warning: "WARNING"
      case .critical: "CRITICAL"
      case .unknown: "UNKNOWN"
      }
    }
  }

  /// How a token fares now.
  public enum Health: String, Sendable {
    /// Good, and the next is coming along.
    case valid
    /// Good, but its successor cannot be got or published.
    case failing
    /// Good, but nobody will renew it: the daemon is gone.
    case unattended
    /// Good, but the daemon has not done what was due: it hangs or is stopped.
    case overdue
    /// In its file, and newer than the status file, which the daemon cannot write.
    case outOfDate = "status out of date"
    /// It was there and ended.
    case expired
    /// There is none.
    case absent
    /// It should be in its file, and the file is gone.
    case missing = "file missing"

    /// How bad it is.
    public var severity: Severity {
      switch self {
      case .valid: .ok
      case .failing, .unattended, .overdue, .outOfDate: .warning
      case .expired, .absent, .missing: .critical
      }
    }
  }

  /// One token, judged.
  public struct Token: Sendable {
    /// What the file says.
    public var status: TokenStatus
    /// What is true now.
    public var health: Health
    /// What is left of the token in the file; `nil` if there is none.
    public var remaining: Duration?
    /// Its files, as this user sees them.
    public var files: [FileAttributes]
    /// Whether the daemon let something pass that was due.
    public var isOverdue: Bool
  }

  /// The file that is judged.
  public var loaded: LoadedStatus
  /// Whether its writer is there.
  public var daemonState: DaemonState
  /// The tokens, judged.
  public var tokens: [Token]
  /// Whether the daemon let something pass that was due, for any token.
  public var isOverdue: Bool
  /// When this was judged.
  public var now: Moment

  /// What the file says.
  public var status: BrokerStatus { loaded.status }

  /// Whether the config file was changed since the daemon read it.
  public var isConfigurationChanged: Bool {
    get { loaded.status.isConfigurationChanged }
    set { loaded.status.isConfigurationChanged = newValue }
  }

  /// What to do about that; `nil` if it was not changed.
  public var changedConfiguration: String? { loaded.status.changedConfiguration }

  /// Judges a status file; with `name`, that token alone.
  public init(_ loaded: LoadedStatus, only name: String? = nil, now: Moment = .now()) {
    let daemonState = DaemonState(of: loaded)
    var loaded = loaded
    // The daemon looks once a minute; a person who has just edited the file asks sooner.
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

  /// The worst of all.
  public var severity: Severity {
    let worst = tokens.map(\.health.severity).max() ?? .unknown
    return worst == .ok && (status.configurationProblem != nil || status.isConfigurationChanged) ? .warning : worst
  }
}

extension TokenStatus {
  /// Longer than a daemon that is well lets anything wait that is due, and than it takes to say so.
  fileprivate static let gracePeriod = Duration.seconds(30)

  /// Whether the daemon that wrote this has let something pass that was due.
  fileprivate func isOverdue(_ now: BootTime) -> Bool {
    guard let due = dueAtBoot.map(BootTime.init(nanoseconds:)) else { return false }
    return now > due + Self.gracePeriod
  }
}

extension StatusReport.Token {
  init(_ status: TokenStatus, _ loaded: LoadedStatus, _ daemonState: DaemonState, _ now: Moment) {
    self.status = status
    files = status.outputs.map { FileAttributes($0.path) }
    // The boot-time clock of another boot says nothing; what was in memory is gone with it.
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
  }
}

/// Whether the daemon that wrote a status is still there.
public enum DaemonState: Hashable, Sendable {
  /// Its process runs.
  case running
  /// It was told to stop then, seconds since 1970.
  case stopped(at: Double)
  /// It was killed or crashed; what changed last did so then, seconds since 1970.
  case died(after: Double)
  /// The host was booted since.
  case ofAnotherBoot

  /// Looks for the daemon that wrote a status.
  init(of loaded: LoadedStatus) {
    let status = loaded.status
    // A lock proves it where this process cannot know the boot, as in a unit with ProcSubset=pid.
    if !loaded.isHeld, status.bootID != BootID.current {
      self = .ofAnotherBoot
    } else if let stoppedAt = status.stoppedAt {
      self = .stopped(at: stoppedAt)
    } else if loaded.isHeld || RunningDaemon.find(by: loaded)?.isRunning ?? false {
      self = .running
    } else {
      self = .died(after: status.writtenAt)
    }
  }
}

/// What an orchestrator asks of a container.
public enum StatusProbe: String, CaseIterable, Sendable {
  /// Whether readers have their tokens, which is all that they need: also while refresh fails.
  case ready
  /// Whether the daemon runs and does what is due. One that waits out an outage is alive: a restart would not help.
  case live

  /// Whether a daemon in that state passes.
  public func passes(_ report: StatusReport) -> Bool {
    switch self {
    case .ready: report.severity < .critical
    case .live: report.daemonState == .running && !report.isOverdue
    }
  }
}
