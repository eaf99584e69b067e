import Glibc

/// What systemd knows of a unit, asked by its own tools.
public struct ServiceUnit: Sendable {
  /// The properties that `systemctl show` prints, `LoadState` and the like.
  public var properties: [String: String]
  /// The credentials that the unit hands over, by name, each with what it is made of: a path, which is not one in plain text with
  /// `LoadCredentialEncrypted=` (systemd.exec(5)).
  public var credentials: [String: Credential] = [:]
  /// The last word of `systemd-analyze security`, from 0 (shut in) to 10 (open); `nil` if it could not be had.
  public var exposure: String?

  /// What a credential is made of.
  public struct Credential: Hashable, Sendable {
    /// The file's path, or another credential's name.
    public var source: String
    /// Whether it is encrypted.
    public var isEncrypted: Bool
  }

  /// Whether systemd runs this host (sd_booted(3)).
  public static var isSystemdRunning: Bool {
    var status = stat()
    return lstat("/run/systemd/system", &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Asks for a unit; `nil` if systemd gives no answer. Unless `inDetail`, for its properties alone.
  public init?(named name: String, inDetail: Bool = true) {
    let wanted = [
      "LoadState", "ActiveState", "SubState", "Result", "User", "Group", "RuntimeDirectory", "FragmentPath",
      "NeedDaemonReload", "StatusText", "UnitFileState",
    ]
    guard
      let text = Self.output(of: ["systemctl", "show", "--property=" + wanted.joined(separator: ","), "--", name])
    else { return nil }
    properties = [:]
    for line in text.split(separator: "\n") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let key = String(line[..<equals])
      let value = String(line[line.index(after: equals)...])
      properties[key] = properties[key].map { $0 + " " + value } ?? value
    }
    guard inDetail, properties["LoadState"] == "loaded" else { return }
    // `systemctl show` of systemd 252 has "[unprintable]" for them.
    credentials = Self.credentials(in: Self.output(of: ["systemctl", "cat", "--no-pager", "--", name]) ?? "")
    exposure = Self.output(of: ["systemd-analyze", "security", "--no-pager", "--", name])?
      .split(separator: "\n").last { $0.contains("exposure level") }?
      .split(separator: " ").first { Double($0) != nil }.map(String.init)
  }

  /// The credentials in a unit's text, drop-ins included: an empty assignment of either key takes all back.
  static func credentials(in text: String) -> [String: Credential] {
    var found: [String: Credential] = [:]
    for line in text.split(separator: "\n") {
      let isEncrypted = line.hasPrefix("LoadCredentialEncrypted=")
      guard isEncrypted || line.hasPrefix("LoadCredential="), let equals = line.firstIndex(of: "=") else { continue }
      let value = line[line.index(after: equals)...]
      guard !value.isEmpty else {
        found = [:]
        continue
      }
      let name = value.prefix { $0 != ":" }
      found[String(name)] = Credential(
        source: name.endIndex == value.endIndex ? String(name) : String(value[value.index(after: name.endIndex)...]),
        isEncrypted: isEncrypted)
    }
    return found
  }

  /// What a program writes to its standard output; `nil` if it is not there or fails.
  private static func output(of arguments: [String]) -> String? {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    defer { close(ends[0]) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    let argv = arguments.map { strdup($0) } + [nil]
    defer { argv.forEach { free($0) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, arguments[0], &actions, nil, argv, environ)
    close(ends[1])
    guard code == 0 else { return nil }
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = read(ends[0], &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      text += buffer[..<count]
    }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    return status == 0 ? String(decoding: text, as: UTF8.self) : nil
  }
}
