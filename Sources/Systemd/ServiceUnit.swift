import Base
import Glibc

/// A service as the service manager knows it. Its unit is merged from the unit file and all drop-ins.
public struct ServiceUnit: Sendable {
  /// Properties by the names that systemctl(1) uses, as text; lists with blanks between their elements.
  public var properties: [String: String]
  /// The files that the unit was read from, in the order in which they take effect: the unit file, then its drop-ins.
  public var files: [String]
  /// The credentials that the unit passes on, by name (systemd.exec(5)).
  public var credentials: [String: Credential]
  /// The exposure that `systemd-analyze security` prints last, from 0 to 10; `nil` if there is none.
  public var exposure: String? = nil

  /// What a credential is made of.
  public struct Credential: Hashable, Sendable {
    /// The file's path, or another credential's name.
    public var source: String
    /// Whether it is encrypted.
    public var isEncrypted: Bool
  }

  /// Whether systemd runs this host (sd_booted(3)).
  public static var isSystemdRunning: Bool { ServiceCommands.current.hasSystemd }

  /// A property; empty if the service manager does not have it.
  public func property(_ name: String) -> String { properties[name] ?? "" }
}

extension ServiceUnit {
  /// Asks the service manager for a unit; `nil` if it does not answer. Unless `inDetail`, `exposure` stays `nil`.
  public init?(named name: String, inDetail: Bool = true) {
    guard let manager = ManagerConnection(), let path = manager.path(ofUnit: name) else { return nil }
    var properties: [String: String] = [:]
    for (interface, type, names) in Self.wanted {
      for name in names {
        let value: String?? =
          switch type {
          case "as": manager.property(name, of: path, in: interface, type: type) { $0.strings().joined(separator: " ") }
          case "b":
            manager.property(name, of: path, in: interface, type: type) { $0.boolean().map { $0 ? "yes" : "no" } }
          case "i": manager.property(name, of: path, in: interface, type: type) { $0.integer().map(String.init) }
          default: manager.property(name, of: path, in: interface, type: type) { $0.string() }
          }
        properties[name] = value ?? nil
      }
    }
    guard properties["LoadState"] != nil else { return nil }
    let dropIns = manager.property("DropInPaths", of: path, in: "Unit", type: "as") { $0.strings() } ?? []
    let files = [properties["FragmentPath"] ?? ""].filter { !$0.isEmpty } + dropIns
    var credentials: [String: Credential] = [:]
    for (member, isEncrypted) in [("LoadCredential", false), ("LoadCredentialEncrypted", true)] {
      let found = manager.property(member, of: path, in: "Service", type: "a(ss)") { $0.pairs() } ?? []
      for (name, source) in found { credentials[name] = Credential(source: source, isEncrypted: isEncrypted) }
    }
    self.init(properties: properties, files: files, credentials: credentials)
    guard inDetail, properties["LoadState"] == "loaded" else { return }
    exposure = CommandOutput.output(of: ["systemd-analyze", "security", "--no-pager", "--", name])?
      .split(separator: "\n").last { $0.contains("exposure level") }?
      .split(separator: " ").first { Double($0) != nil }.map(String.init)
  }

  /// The properties that are asked for: interface, D-Bus type, names.
  private static let wanted: [(interface: String, type: String, names: [String])] = [
    ("Unit", "s", ["LoadState", "ActiveState", "SubState", "FragmentPath", "UnitFileState"]),
    ("Unit", "b", ["NeedDaemonReload"]),
    ("Service", "s", ["Result", "User", "Group", "StatusText"]),
    ("Service", "as", ["RuntimeDirectory"]),
    ("Service", "i", ["ExecMainStatus"]),
    ("Service", "b", ["PrivateUsers"]),
  ]
}

/// The output of another program.
enum CommandOutput {
  /// Runs a program and returns its standard output; `nil` if it does not exist or fails.
  static func output(of arguments: [String]) -> String? {
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
