public import Files
import Glibc

/// What systemd (or whoever started the daemon) gave it to work with.
public struct RuntimeEnvironment: Hashable, Sendable {
  /// `$RUNTIME_DIRECTORY` (systemd.exec(5), `RuntimeDirectory=`): where tokens go unless a table says otherwise.
  public var runtimeDirectory: String?
  /// `$CREDENTIALS_DIRECTORY` (systemd.exec(5), `LoadCredential=`).
  public var credentialsDirectory: String?
  /// The user the daemon runs as.
  public var userID: UInt32
  /// Whether files with secrets may be readable by their group: `allow_group_read`.
  public var allowsGroupRead = false

  /// Files that relative names in the configuration stand for: the sources of the service's credentials, where it is not the daemon that reads
  /// the configuration but root for it.
  public var credentialSources: [String: String] = [:]

  /// Whose files are believed.
  package var fileRules: FileRules {
    FileRules(userID: userID, allowsGroupRead: allowsGroupRead, credentialsDirectory: credentialsDirectory)
  }

  /// An environment put together by hand, as tests do; `userID` defaults to that of the process.
  public init(runtimeDirectory: String? = nil, credentialsDirectory: String? = nil, userID: UInt32? = nil) {
    self.runtimeDirectory = runtimeDirectory
    self.credentialsDirectory = credentialsDirectory
    self.userID = userID ?? geteuid()
  }

  /// That of this process.
  public static var current: RuntimeEnvironment {
    RuntimeEnvironment(
      // systemd gives several directories with colons between them; the first is the daemon's.
      runtimeDirectory: variable("RUNTIME_DIRECTORY").flatMap { $0.split(separator: ":").first.map(String.init) },
      credentialsDirectory: variable("CREDENTIALS_DIRECTORY"))
  }

  /// `/run/konexus-tokend`, or what systemd made in its place.
  public var tokenDirectory: String { runtimeDirectory ?? "/run/konexus-tokend" }

  /// Makes `tokenDirectory` with mode 0750, whatever the umask.
  ///
  /// A set-group-ID bit that it inherits stays: a volume of Kubernetes gives its files the group of the pod by it.
  ///
  /// - Returns: whether it was made. `errno` has the reason if it was not.
  public func makeTokenDirectory() -> Bool {
    guard mkdir(tokenDirectory, 0o750) == 0 else { return false }
    var status = stat()
    if stat(tokenDirectory, &status) == 0 { chmod(tokenDirectory, status.st_mode & S_ISGID | 0o750) }
    return true
  }

  /// The configuration file to read when none is named: `config.toml` among systemd's credentials if it is there, otherwise
  /// `/etc/konexus-tokend/config.toml`.
  public var defaultConfigurationPath: String {
    if let credentialsDirectory {
      let path = credentialsDirectory + "/config.toml"
      if access(path, F_OK) == 0 { return path }
    }
    return "/etc/konexus-tokend/config.toml"
  }

  /// The file that a person changes to change `path`: what `$KONEXUS_TOKEND_CONFIG_SOURCE` names, if `path` is the credential
  /// `config.toml`; else `path` itself. The unit sets it beside its `LoadCredential=`.
  public func configurationSource(of path: String) -> String {
    guard let credentialsDirectory, path == credentialsDirectory + "/config.toml" else { return path }
    return Self.variable("KONEXUS_TOKEND_CONFIG_SOURCE") ?? path
  }

  /// What is wrong with the file that a person changes to change `path`, if that is a copy that systemd made of it: systemd does not mind that
  /// others may read it. Nil: nothing, or it cannot be seen from here.
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
