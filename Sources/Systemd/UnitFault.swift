import Base
import Files
import Glibc

/// Why a service cannot start with its present unit, and the drop-in that helps.
public enum UnitFault: Equatable, Sendable {
  /// The unit does not pass on credentials. `assignments` are those that `file` withdrew, by name.
  case withoutCredentials(assignments: [String: String], file: String?, dropIn: String)
  /// The unit has `PrivateUsers=yes`, and this host does not allow user namespaces.
  case withoutUserNamespaces(limit: Int?)
  /// The user of the unit's `User=` does not exist.
  case withoutUser(String)

  /// The assignment that an installed unit has for its configuration.
  static let configuration = "LoadCredential=config.toml:/etc/konexus-tokend/config.toml"
  /// The exit status of a service whose user or namespace systemd could not set up (systemd.exec(5)).
  private static let userStatus = "217"

  /// Looks for a fault; `nil` if there is none.
  public init?(_ unit: ServiceUnit, withdrawn: WithdrawnCredentials?) {
    self.init(
      unit, withdrawn: withdrawn, userNamespaceLimit: Self.userNamespaceLimit,
      hasUser: { Account.userID(named: $0) != nil || UInt32($0) != nil })
  }

  init?(
    _ unit: ServiceUnit, withdrawn: WithdrawnCredentials?, userNamespaceLimit: Int?, hasUser: (String) -> Bool
  ) {
    let user = unit.property("User")
    let failedAtUser =
      unit.property("ActiveState") != "active" && unit.property("ExecMainStatus") == Self.userStatus
    if !user.isEmpty, !hasUser(user) {
      self = .withoutUser(user)
    } else if unit.property("PrivateUsers") == "yes", userNamespaceLimit == 0 || failedAtUser {
      self = .withoutUserNamespaces(limit: userNamespaceLimit)
    } else if let fault = Self.lostCredentials(of: unit, withdrawn: withdrawn) {
      self = fault
    } else {
      return nil
    }
  }

  private static func lostCredentials(of unit: ServiceUnit, withdrawn: WithdrawnCredentials?) -> Self? {
    // A drop-in for this service alone may withdraw a credential on purpose, but not the configuration.
    let isForAll = withdrawn.map { !$0.file.contains("/konexus-tokend.service") } ?? false
    var lost = (withdrawn?.assignments ?? [:]).filter { name, _ in
      unit.credentials[name] == nil && (isForAll || name == "config.toml")
    }
    if unit.credentials["config.toml"] == nil, lost["config.toml"] == nil { lost["config.toml"] = configuration }
    guard !lost.isEmpty else { return nil }
    let dropIn = withdrawn?.nameOfDropIn("credentials") ?? WithdrawnCredentials.lateName("credentials")
    return .withoutCredentials(assignments: lost, file: withdrawn?.file, dropIn: dropIn)
  }

  /// The names of the credentials that the unit should pass on and does not.
  public var lostCredentials: Set<String> {
    if case .withoutCredentials(let assignments, _, _) = self { Set(assignments.keys) } else { [] }
  }

  /// The problem, to follow the unit's name.
  public var problem: String {
    switch self {
    case .withoutCredentials(let assignments, _, _):
      "does not pass \(assignments.keys.sorted().joined(separator: ", ")) to the daemon"
    case .withoutUserNamespaces(let limit):
      "cannot start: PrivateUsers=yes needs a user namespace, "
        + (limit == 0 ? "and user.max_user_namespaces is 0" : "and systemd could not create one (status=217/USER)")
    case .withoutUser(let user): "cannot start: the user \(user) does not exist"
    }
  }

  /// Details, one fact a line.
  public var details: [String] {
    guard case .withoutCredentials(_, let file?, _) = self else { return [] }
    return ["\(file) has an empty LoadCredential=, which withdraws the credentials"]
  }

  /// The command that helps, for root's shell.
  public func remedy(for unit: String) -> String {
    switch self {
    case .withoutCredentials(let assignments, _, let dropIn):
      Self.command(dropIn, of: unit, lines: assignments.keys.sorted().compactMap { assignments[$0] })
    case .withoutUserNamespaces:
      Self.command(WithdrawnCredentials.lateName("private-users"), of: unit, lines: ["PrivateUsers=no"])
    case .withoutUser: "systemd-sysusers && systemctl restart \(unit)"
    }
  }

  /// One command that adds lines to a drop-in and restarts the service with it.
  private static func command(_ dropIn: String, of unit: String, lines: [String]) -> String {
    let directory = "/etc/systemd/system/\(unit).d"
    let text = (["[Service]"] + lines).map(quoted).joined(separator: " ")
    return "mkdir -p \(directory) && printf '%s\\n' \(text) >>\(directory)/\(dropIn)"
      + " && systemctl daemon-reload && systemctl restart \(unit)"
  }

  /// One argument of a shell command, always in quotes.
  private static func quoted(_ text: String) -> String {
    let argument = text.shellQuoted
    return argument == text ? "'\(text)'" : argument
  }

  /// The limit of user namespaces (namespaces(7)); `nil` if the kernel does not limit them.
  private static var userNamespaceLimit: Int? {
    FileContent.text(of: "/proc/sys/user/max_user_namespaces")?.split(separator: "\n").first.flatMap { Int($0) }
  }
}

/// The credentials that one file of a unit withdraws, by an empty `LoadCredential=`.
///
/// The service manager has only the merged result, so this reads the files. LXC and Incus, for example, install the
/// drop-in `zzz-lxc-service.conf`, which withdraws the credentials of every service.
public struct WithdrawnCredentials: Equatable, Sendable {
  /// The file that withdraws them; the last one if there are several.
  public var file: String
  /// The assignments that were in effect before it, such as `LoadCredential=NAME:SOURCE`, by the credentials' names.
  public var assignments: [String: String]

  /// Looks for the last of the unit's files that withdraws credentials; `nil` if none does.
  public init?(in unit: ServiceUnit) {
    self.init(texts: unit.files.map { ($0, FileContent.text(of: $0) ?? "") })
  }

  /// Looks in files that take effect in this order.
  init?(texts: [(file: String, text: String)]) {
    var inEffect: [String: String] = [:]
    var found: Self?
    for (file, text) in texts {
      for (key, value) in Self.assignments(in: text) where key == "LoadCredential" || key == "LoadCredentialEncrypted" {
        if value.isEmpty {
          // A file that withdraws them twice withdraws what was there before the first time.
          if found?.file != file { found = Self(file: file, assignments: inEffect) }
          inEffect = [:]
        } else {
          inEffect[String(value.prefix { $0 != ":" })] = "\(key)=\(value)"
        }
      }
    }
    guard let found else { return nil }
    self = found
  }

  private init(file: String, assignments: [String: String]) {
    self.file = file
    self.assignments = assignments
  }

  /// A name for a drop-in that takes effect after `file`. Drop-ins are sorted by name (systemd.unit(5)).
  public func nameOfDropIn(_ purpose: String) -> String {
    let name = Self.lateName(purpose)
    let last = file.split(separator: "/").last.map(String.init) ?? file
    guard Array(name.utf8).lexicographicallyPrecedes(Array(last.utf8)) || name == last else { return name }
    return last.prefix { $0 != "." } + "z-\(purpose).conf"
  }

  /// A name that comes after nearly all others, and after `zzz-lxc-service.conf`.
  public static func lateName(_ purpose: String) -> String { "zzzz-\(purpose).conf" }

  /// The assignments of section `[Service]`, in their order (systemd.syntax(7)).
  private static func assignments(in text: String) -> [(key: String, value: String)] {
    var found: [(key: String, value: String)] = []
    var section = ""
    var pending = ""
    for line in text.split(separator: "\n") {
      let line = line.trimmingBlanks
      guard !line.hasPrefix("#"), !line.hasPrefix(";") else { continue }
      guard !line.hasSuffix("\\") else {
        pending += line.dropLast() + " "
        continue
      }
      let whole = pending + line
      pending = ""
      if whole.hasPrefix("[") {
        section = whole
      } else if section == "[Service]", let equals = whole.firstIndex(of: "=") {
        let value = whole[whole.index(after: equals)...]
        found.append((String(whole[..<equals].trimmingBlanks), String(value.trimmingBlanks)))
      }
    }
    return found
  }
}

extension StringProtocol where SubSequence == Substring {
  /// Without the blanks at both ends.
  fileprivate var trimmingBlanks: Substring {
    let rest = drop { $0 == " " || $0 == "\t" }
    return rest[..<(rest.lastIndex { $0 != " " && $0 != "\t" }.map(rest.index(after:)) ?? rest.startIndex)]
  }
}
