import Glibc

/// The commands for the daemon of this host, as messages name them. Without systemd, none of them is systemd's.
public struct ServiceCommands: Sendable {
  /// Whether systemd runs this host.
  public var hasSystemd: Bool

  /// The commands of a host with or without systemd.
  public init(hasSystemd: Bool) {
    self.hasSystemd = hasSystemd
  }

  /// The commands of this host (sd_booted(3)).
  public static var current: ServiceCommands {
    var status = stat()
    return ServiceCommands(
      hasSystemd: lstat("/run/systemd/system", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR)
  }

  /// Starts the daemon.
  public var start: String { hasSystemd ? "systemctl start konexus-tokend" : "konexus-tokend run" }

  /// Starts the daemon again.
  public var restart: String {
    hasSystemd ? "systemctl restart konexus-tokend" : "stop the daemon, then run: konexus-tokend run"
  }

  /// Applies the configuration file.
  public var reload: String { hasSystemd ? "systemctl reload konexus-tokend" : "konexus-tokend reload" }

  /// Shows whether the daemon runs, and its last log lines.
  public var status: String {
    hasSystemd ? "systemctl status konexus-tokend" : "see the log of the daemon, or start it: konexus-tokend run"
  }

  /// Shows why the daemon ended.
  public var log: String { hasSystemd ? "journalctl -u konexus-tokend -n 50" : "see the log of the daemon" }
}
