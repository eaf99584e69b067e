import Glibc
import Systemd
import TokenBroker

/// The step of `check` that looks at the service's unit.
enum UnitCheck {
  static let name = "konexus-tokend.service"

  /// The unit as systemd knows it; `nil` if there is no systemd, or no answer.
  static let unit = ServiceUnit.isSystemdRunning ? ServiceUnit(named: name) : nil

  /// The directory that systemd makes when it starts the service, which is not there before.
  static var directoryToCome: String? {
    guard let properties = unit?.properties, properties["LoadState"] == "loaded",
      properties["ActiveState"] != "active", let directory = properties["RuntimeDirectory"], !directory.isEmpty
    else { return nil }
    return "/run/" + directory
  }

  static func step() -> CheckStep {
    guard ServiceUnit.isSystemdRunning else {
      return CheckStep(.unit, .skipped, "no systemd here")
    }
    guard let unit else {
      return CheckStep(.unit, .warning, "systemctl does not answer", remedy: "type: systemctl status konexus-tokend")
    }
    let properties = unit.properties
    func property(_ name: String) -> String { properties[name] ?? "" }
    guard property("LoadState") == "loaded" else {
      return CheckStep(
        .unit, .warning, "\(name) is not installed", remedy: "install the package, or run the daemon another way")
    }
    let details = [
      "file: \(property("FragmentPath")) (\(property("UnitFileState")))",
      "user and group: \(property("User")):\(property("Group"))",
      "sandbox: " + (unit.exposure.map { "exposure \($0) of 10 (systemd-analyze security)" } ?? "not told"),
    ]
    guard unit.credentials["config.toml"] != nil else {
      return CheckStep(
        .unit, .failed, "\(name) does not hand config.toml to the daemon", details: details,
        remedy: "add to the unit: LoadCredential=config.toml:/etc/konexus-tokend/config.toml")
    }
    let state = "\(property("ActiveState")) (\(property("SubState")))"
    guard property("ActiveState") == "active" else {
      return CheckStep(
        .unit, .warning, "\(name) is \(state), last result: \(property("Result"))", details: details,
        remedy: "type: systemctl start konexus-tokend; why it ended: journalctl -u konexus-tokend -n 50")
    }
    guard property("NeedDaemonReload") != "yes" else {
      return CheckStep(
        .unit, .warning, "\(name) was changed since systemd read it", details: details,
        remedy: "type: systemctl daemon-reload")
    }
    return CheckStep(.unit, .ok, "\(name) is \(state)", details: details)
  }

  /// What root, who looks for the service's daemon, has to know of it to say what that could read: nil if there is no such service, or somebody
  /// else looks.
  static var readers: ServiceReaders? {
    guard geteuid() == 0, let unit, let userID = Account.userID(named: "konexus-tokend") else { return nil }
    return ServiceReaders(
      userID: userID, groupID: Account.groupID(named: "konexus-token"),
      credentialSources: unit.credentials.filter { !$0.value.isEncrypted && $0.value.source.hasPrefix("/") }
        .mapValues(\.source),
      credentialNames: Set(unit.credentials.keys))
  }

  /// The file of which the service hands its daemon a copy as its configuration, and whether that is encrypted.
  static var configurationSource: (path: String, isEncrypted: Bool)? {
    guard let credential = unit?.credentials["config.toml"], credential.source.hasPrefix("/") else { return nil }
    return (credential.source, credential.isEncrypted)
  }

  /// Whom the daemon runs as: root checks for the service's user, anybody else for themselves.
  static var daemonUser: UInt32 {
    guard geteuid() == 0 else { return geteuid() }
    return Account.userID(named: "konexus-tokend") ?? 0
  }
}
