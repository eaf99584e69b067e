public import Base
public import Engine
public import Files
import Glibc
public import OAuth

/// The status of one token at one moment, derived from its lifecycle. It holds no secret.
public struct TokenStatus: Hashable, Sendable, Codable {
  /// The state of the token's file.
  public enum Condition: String, Hashable, Sendable, Codable {
    /// The file holds a valid token, and refresh works.
    case valid
    /// The file holds a valid token, but the next token cannot be requested or published.
    case failing
    /// The file holds no token.
    case absent
  }

  /// A failure that persists.
  public struct Failure: Hashable, Sendable, Codable {
    /// The name of a `FailureCode`.
    public var code: String
    /// The message, one sentence.
    public var message: String
    /// The remedy.
    public var remedy: String
    /// Whether it is transient or permanent (`refused`).
    public var kind: FailureCode.Kind
    /// The number of consecutive failed attempts.
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

  /// A file of the token.
  public struct Output: Hashable, Sendable, Codable {
    /// The path.
    public var path: String
    /// The mode in octal.
    public var mode: String
    /// The format.
    public var format: String

    package init(path: String, mode: String, format: String) {
      self.path = path
      self.mode = mode
      self.format = format
    }
  }

  /// The name in the configuration.
  public var name: String
  /// The state of the token's file.
  public var condition: Condition = .absent
  /// The issuer of the authorization server.
  public var issuer: String
  /// The client identifier.
  public var clientID: String
  /// When the token in the file expires, on the boot-time clock in nanoseconds.
  public var expiresAtBoot: Int64?
  /// When the token in the file expires by the host's clock, seconds since 1970.
  public var expiresAt: Double?
  /// When the next request is due, seconds since 1970; `nil` during a request.
  public var nextAttempt: Double?
  /// The next deadline on the boot-time clock in nanoseconds. A daemon that misses it hangs.
  public var dueAtBoot: Int64?
  /// When the token in the file was requested, seconds since 1970.
  public var obtainedAt: Double?
  /// The failure, while attempts fail.
  public var failure: Failure?
  /// Why the token in the file is no longer accepted, although it has not expired; `nil` if nothing of this kind is
  /// known.
  public var rejection: Failure?
  /// Why the newest token is not in its file; `nil` if it is.
  public var publicationFailure: String?
  /// How far the server's clock is ahead of this host's, in seconds.
  public var clockSkew: Double?
  /// The number of requests since the daemon started.
  public var requests: Int = 0
  /// The number of requests that returned a token.
  public var successes: Int = 0
  /// The results of the requests, for metrics.
  public var tally: RequestTally = RequestTally()
  /// When the last valid token was requested, seconds since 1970. It stays after the token has expired.
  public var lastSuccess: Double?
  /// The last failure. It stays after a success.
  public var lastFailure: Failure?
  /// The token's files.
  public var outputs: [Output] = []
  /// The granted scope.
  public var scope: [String] = []
  /// The requested scope.
  public var requestedScope: [String] = []
  /// The accepted audiences.
  public var audience: [String] = []
  /// The verification method.
  public var verification: TokenVerification = .jwt
  /// The file of CA certificates; `nil` for the system's.
  public var caFile: String?
  /// `access_token_issuer`, if it is set.
  package var accessTokenIssuer: String?
  /// The server's addresses that the settings give; `nil` if there are none.
  package var locations: ServerLocations?
  /// Additional information, such as which of two secrets the server accepted.
  public var notes: [String] = []
  /// `api_url`, if it is set.
  public var apiURL: String?
  /// When the API accepted a token last, seconds since 1970; `nil` if it has not been asked, or accepted none.
  public var apiAcceptedAt: Double?
  /// The reports of applications since the start; `nil` in documents of earlier releases.
  package var reports: RejectionReports.Counts?
  /// How long applications had a valid token, and how long they had none; `nil` in documents of earlier releases.
  public var availability: Availability?

  /// The status of a token without any requests.
  package init(name: String, issuer: String, clientID: String) {
    self.name = name
    self.issuer = issuer
    self.clientID = clientID
  }
}

/// The status of the daemon: the content of `status.json`.
public struct BrokerStatus: Hashable, Sendable, Codable {
  /// The version of the document's format.
  public var version = 1
  /// The daemon's process id.
  public var pid: Int32
  /// The boot that the boot-time clock belongs to.
  public var bootID: String
  /// When this was written, seconds since 1970. In a document it is the time of the last change.
  public var writtenAt: Double
  /// When this was written, on `CLOCK_MONOTONIC` in nanoseconds; `nil` in documents of earlier releases. The content of
  /// a document was true until then.
  public var writtenAtMonotonic: Int64?
  /// When the daemon started, seconds since 1970.
  public var startedAt: Double
  /// Whether the daemon reported that it is ready. It is ready when each token was published or refused, and at least
  /// one was published.
  public var isReady: Bool
  /// The path of the configuration file.
  public var configuration: String
  /// The number of reloads since the start, successful or not. It shows that a requested reload is complete.
  public var reloads: Int
  /// What the daemon uses instead of the whole configuration file, and why; `nil` if it uses all of it.
  public var configurationProblem: String?
  /// The configuration file's stamp when it was read; `nil` if the daemon cannot see the file.
  public var configurationStamp: FileStamp?
  /// Whether the configuration file was changed since.
  public var isConfigurationChanged = false
  /// The status of each token, in the order of the configuration.
  public var tokens: [TokenStatus]
  /// When the process started, in ticks since boot (proc_pid_stat(5)). A later process with the same id has another
  /// value.
  public var processStart: Int64? = ProcessStart.own
  /// When the daemon was stopped, seconds since 1970; `nil` while it runs, and for one that was killed.
  public var stoppedAt: Double?

  package init(
    version: Int = 1, pid: Int32, bootID: String, writtenAt: Double, startedAt: Double, isReady: Bool,
    configuration: String, reloads: Int, configurationProblem: String? = nil, configurationStamp: FileStamp? = nil,
    isConfigurationChanged: Bool = false, tokens: [TokenStatus], processStart: Int64? = ProcessStart.own,
    stoppedAt: Double? = nil, writtenAtMonotonic: Int64? = nil
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
    self.writtenAtMonotonic = writtenAtMonotonic
  }
}
