/// The daemon's configuration: one file, read wholly, checked wholly.
public struct Configuration: Hashable, Sendable {
  /// The file it was read from, as it was asked for.
  public var path: String
  /// The file that a person changes to change it: another one if `path` is a copy that systemd made.
  public var source: String
  /// The files that it names by relative paths: beside it, or among the service's credentials.
  public var filesBesideIt: Set<String> = []
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
