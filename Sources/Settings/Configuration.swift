public import Logging

/// The daemon's configuration: the content of one file.
public struct Configuration: Hashable, Sendable {
  /// The path that the file was read from.
  public var path: String
  /// The file that an administrator edits. It differs from `path` if that is systemd's copy.
  public var source: String
  /// The files that the configuration names by relative paths. They are beside it, or credentials of the service.
  public var relativeFiles: Set<String> = []
  /// The `[daemon]` table.
  public var daemon: DaemonSettings
  /// The `[token.NAME]` tables, in the order of the file. Never empty after ``load(path:environment:)``.
  public var tokens: [TokenSettings]

  /// A configuration made of the given values.
  public init(path: String, daemon: DaemonSettings = DaemonSettings(), tokens: [TokenSettings]) {
    self.path = path
    source = path
    self.daemon = daemon
    self.tokens = tokens
  }
}

/// The settings of the whole daemon: the `[daemon]` table.
public struct DaemonSettings: Hashable, Sendable {
  /// How the log is written.
  public enum LogFormat: String, CaseIterable, Hashable, Sendable {
    /// To the journal if standard error is connected to it, otherwise as text.
    case auto
    /// Entries with fields, sent to the journal's socket.
    case journal
    /// Lines of text on standard error.
    case text
    /// One JSON object a line, on standard output.
    case json
  }

  /// The least severe message that is logged.
  public var logLevel: Logger.Level = .info
  /// How the log is written.
  public var logFormat: LogFormat = .auto
  /// Whether a token can be written to persistent storage: to another file system than tmpfs and ramfs.
  public var allowPersistentStorage = false
  /// Whether the group can read this configuration and the secret files that it names. Kubernetes gives them such modes
  /// for a pod with `fsGroup`.
  public var allowGroupRead = false
  /// The maximum number of concurrent requests to one issuer.
  public var maxRequests = 4
  /// The absolute path of the metrics file for node_exporter's textfile collector; `nil` for none.
  public var metricsFile: String?
  /// The absolute path of the socket that serves `LoadCredential=` of other units; `nil` for none.
  public var credentialSocket: String?

  /// The default settings.
  public init() {}
}
