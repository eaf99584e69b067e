public import Base
public import Files
import Glibc
public import OAuth

/// What there is to tell of one token at one moment: derived from its lifecycle, never kept beside it. Holds no secret.
public struct TokenStatus: Hashable, Sendable, Codable {
  /// How a reader fares.
  public enum Condition: String, Hashable, Sendable, Codable {
    /// The file holds a good token, and the next is coming along as planned.
    case valid
    /// The file holds a good token, but the attempts to get the next one fail, or it cannot be put into its file.
    case failing
    /// There is no token yet, or no longer.
    case absent
  }

  /// A failure that lasts.
  public struct Failure: Hashable, Sendable, Codable {
    /// One of `FailureCode`.
    public var code: String
    /// A sentence for a person.
    public var message: String
    /// What to do about it.
    public var remedy: String
    /// `transient` or `refused`.
    public var kind: FailureCode.Kind
    /// How many attempts in a row have failed.
    public var count: Int
    /// When the first of them failed, seconds since 1970.
    public var since: Double

    package init(code: String, message: String, remedy: String, kind: FailureCode.Kind, count: Int, since: Double) {
      self.code = code
      self.message = message
      self.remedy = remedy
      self.kind = kind
      self.count = count
      self.since = since
    }
  }

  /// One of the token's files.
  public struct Output: Hashable, Sendable, Codable {
    /// Where it is.
    public var path: String
    /// Its mode in octal.
    public var mode: String
    /// Its format.
    public var format: String

    package init(path: String, mode: String, format: String) {
      self.path = path
      self.mode = mode
      self.format = format
    }
  }

  /// The name in the config file.
  public var name: String
  /// How a reader fares.
  public var condition: Condition = .absent
  /// The server asked.
  public var issuer: String
  /// As whom it is asked.
  public var clientID: String
  /// When the token in the file ends, on the boot-time clock in nanoseconds.
  public var expiresAtBoot: Int64?
  /// The same in seconds since 1970, by the host's clock.
  public var expiresAt: Double?
  /// When the next request is due, seconds since 1970; `nil` while one is under way.
  public var nextAttempt: Double?
  /// When something is due at the latest, on the boot-time clock in nanoseconds: a daemon that lets it pass hangs.
  public var dueAtBoot: Int64?
  /// When the token in the file was asked for, seconds since 1970.
  public var obtainedAt: Double?
  /// What fails, if anything does.
  public var failure: Failure?
  /// Why the newest token is not in its file, if it is not.
  public var publicationFailure: String?
  /// How far the server's clock is ahead of this host's, in seconds.
  public var clockSkew: Double?
  /// Requests for this token that were sent since the daemon started.
  public var requests: Int = 0
  /// How many of them brought a token.
  public var successes: Int = 0
  /// How they ended, for metrics.
  public var tally: RequestTally = RequestTally()
  /// When the last good token was asked for, seconds since 1970, also after it ended.
  public var lastSuccess: Double?
  /// The last failure, also after it passed.
  public var lastFailure: Failure?
  /// The token's files.
  public var outputs: [Output] = []
  /// The scopes that were granted.
  public var scope: [String] = []
  /// The scopes that are asked for.
  public var requestedScope: [String] = []
  /// What the token must be meant for: one of these.
  public var audience: [String] = []
  /// How its tokens are verified.
  public var verification: TokenVerification = .jwt
  /// The authorities that the server is trusted by, if not the system's.
  public var caFile: String?
  /// What a person should know beside: which of two secrets worked, that tokens are not verified.
  public var notes: [String] = []

  /// The status of a token of which nothing is known yet.
  package init(name: String, issuer: String, clientID: String) {
    self.name = name
    self.issuer = issuer
    self.clientID = clientID
  }
}

/// What there is to tell of the whole daemon; the content of `status.json`.
public struct BrokerStatus: Hashable, Sendable, Codable {
  /// The form of this document.
  public var version = 1
  /// The daemon's process id.
  public var pid: Int32
  /// Which boot of the host the boot-time clock is counted from.
  public var bootID: String
  /// When this was written, seconds since 1970.
  public var writtenAt: Double
  /// When the daemon started, seconds since 1970.
  public var startedAt: Double
  /// Whether readiness was reported: every token was in its file once, or refused with at least one other there.
  public var isReady: Bool
  /// The config file.
  public var configuration: String
  /// How many reloads have ended since the start, well or badly: who asked for one sees by it that it is done.
  public var reloads: Int
  /// What is wrong with the config file, if the daemon does not use all of it: a sentence that begins with what the daemon uses instead.
  public var configurationProblem: String?
  /// The config file as it was when it was read; `nil` if the daemon cannot see it.
  public var configurationStamp: FileStamp?
  /// Whether the config file was changed since.
  public var isConfigurationChanged = false
  /// Each token's status, in the order of the config file.
  public var tokens: [TokenStatus]
  /// When the daemon's process started, in the kernel's ticks since boot (proc_pid_stat(5)): tells it from a later process of the same id.
  public var processStart: Int64? = ProcessStart.own
  /// When the daemon was told to stop, seconds since 1970; `nil` while it runs, and for one that was killed.
  public var stoppedAt: Double?

  package init(
    version: Int = 1, pid: Int32, bootID: String, writtenAt: Double, startedAt: Double, isReady: Bool,
    configuration: String, reloads: Int, configurationProblem: String? = nil, configurationStamp: FileStamp? = nil,
    isConfigurationChanged: Bool = false, tokens: [TokenStatus], processStart: Int64? = ProcessStart.own,
    stoppedAt: Double? = nil
  ) {
    self.version = version
    self.pid = pid
    self.bootID = bootID
    self.writtenAt = writtenAt
    self.startedAt = startedAt
    self.isReady = isReady
    self.configuration = configuration
    self.reloads = reloads
    self.configurationProblem = configurationProblem
    self.configurationStamp = configurationStamp
    self.isConfigurationChanged = isConfigurationChanged
    self.tokens = tokens
    self.processStart = processStart
    self.stoppedAt = stoppedAt
  }
}
