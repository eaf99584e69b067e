public import Logging

/// The daemon's configuration: one file, read wholly, checked wholly.
public struct Configuration: Hashable, Sendable {
  /// The file it was read from, as it was asked for.
  public var path: String
  /// The file that a person changes to change it: another one if `path` is a copy that systemd made.
  public var source: String
  /// The files that it names by relative paths: beside it, or among the service's credentials.
  public var relativeFiles: Set<String> = []
  /// The `[daemon]` table.
  public var daemon: DaemonSettings
  /// The `[token.NAME]` tables, in the order of the file. Never empty after ``load(path:environment:)``.
  public var tokens: [TokenSettings]

  /// Settings put together by hand, as tests do.
  public init(path: String, daemon: DaemonSettings = DaemonSettings(), tokens: [TokenSettings]) {
    self.path = path
    source = path
    self.daemon = daemon
    self.tokens = tokens
  }
}

/// What holds for the whole daemon: the `[daemon]` table.
public struct DaemonSettings: Hashable, Sendable {
  /// How the log is written.
  public enum LogFormat: String, CaseIterable, Hashable, Sendable {
    /// To the journal if standard error is connected to it, otherwise as text.
    case auto
    /// Entries with fields, through the journal's own socket.
    case journal
    /// Lines for people, on standard error.
    case text
    /// One JSON object a line, on standard output.
    case json
  }

  /// The least severe message that is logged.
  public var logLevel: Logger.Level = .info
  /// How the log is written.
  public var logFormat: LogFormat = .auto
  /// Whether a token may be written to a file system that keeps it when the power is off (anything but tmpfs and ramfs).
  public var allowPersistentStorage = false
  /// Whether this configuration and the files with secrets that it names may be readable by their group, as Kubernetes makes them
  /// for a pod with `fsGroup`.
  public var allowGroupRead = false
  /// The most requests under way at one issuer at once.
  public var maxRequests = 4
  /// Where metrics for node_exporter's textfile collector are written, absolute path; nil: nowhere.
  public var metricsFile: String?
  /// The socket that systemd's `LoadCredential=` gets tokens from, absolute path; nil: none is opened.
  public var credentialSocket: String?

  /// The defaults.
  public init() {}
}
