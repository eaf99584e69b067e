public import Files
import Glibc

/// The environment that systemd or another supervisor gives the daemon.
public struct RuntimeEnvironment: Hashable, Sendable {
  /// `$RUNTIME_DIRECTORY` (systemd.exec(5), `RuntimeDirectory=`): the default directory of tokens.
  public var runtimeDirectory: String?
  /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
  public var credentialsDirectory: String?
  /// The user that the daemon runs as.
  public var userID: UInt32
  /// Whether the group can read secret files: `allow_group_read`.
  public var allowsGroupRead = false

  /// The source files of the service's credentials, by the credentials' names. Root's commands read them in place of
  /// the credentials.
  public var credentialSources: [String: String] = [:]

  /// The rules for files that the configuration names: their owner and access.
  package var fileRules: FileRules {
    FileRules(userID: userID, allowsGroupRead: allowsGroupRead, credentialsDirectory: credentialsDirectory)
  }

  /// An environment of the given values. `userID` defaults to the user of the process.
  public init(runtimeDirectory: String? = nil, credentialsDirectory: String? = nil, userID: UInt32? = nil) {
    self.runtimeDirectory = runtimeDirectory
    self.credentialsDirectory = credentialsDirectory
    self.userID = userID ?? geteuid()
  }

  /// The environment of this process.
  public static var current: RuntimeEnvironment {
    RuntimeEnvironment(
      // systemd separates several directories by colons. The first one is the daemon's.
      runtimeDirectory: variable("RUNTIME_DIRECTORY").flatMap { $0.split(separator: ":").first.map(String.init) },
      credentialsDirectory: variable("CREDENTIALS_DIRECTORY"))
  }

  /// The directory for tokens: `/run/konexus-tokend`, or the one that systemd made.
  public var tokenDirectory: String { runtimeDirectory ?? "/run/konexus-tokend" }

  /// Makes `tokenDirectory` with mode 0750, independent of the umask.
  ///
  /// An inherited set-group-ID bit stays: in a Kubernetes volume it gives files the group of the pod.
  ///
  /// - Returns: whether it was made. If not, `errno` has the reason.
  public func makeTokenDirectory() -> Bool {
    guard mkdir(tokenDirectory, 0o750) == 0 else { return false }
    var status = stat()
    if stat(tokenDirectory, &status) == 0 { chmod(tokenDirectory, status.st_mode & S_ISGID | 0o750) }
    return true
  }

  /// The default configuration file: the credential `config.toml` if it exists, otherwise
  /// `/etc/konexus-tokend/config.toml`.
  public var defaultConfigurationPath: String {
    if let credentialsDirectory {
      let path = credentialsDirectory + "/config.toml"
      if access(path, F_OK) == 0 { return path }
    }
    return "/etc/konexus-tokend/config.toml"
  }

  /// The file that an administrator edits. It is `$KONEXUS_TOKEND_CONFIG_SOURCE` if `path` is the credential
  /// `config.toml`, otherwise `path`.
  ///
  /// The unit sets the variable next to its `LoadCredential=`.
  public func configurationSource(of path: String) -> String {
    guard let credentialsDirectory, path == credentialsDirectory + "/config.toml" else { return path }
    return Self.variable("KONEXUS_TOKEND_CONFIG_SOURCE") ?? path
  }

  /// The fault of the source file's mode, if `path` is systemd's copy. systemd accepts a source that other users can
  /// read.
  ///
  /// - Returns: `nil` if the mode is right, or if this user cannot see it.
  public func refusal(ofSourceOf path: String) -> FileRefusal? {
    let source = configurationSource(of: path)
    var status = stat()
    guard source != path, stat(source, &status) == 0 else { return nil }
    return FileRefusal(path: source, mode: status.st_mode, allowed: 0o700)
  }

  private static func variable(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.isEmpty ? nil : text
  }
}
