import Base
import Broker
import Glibc
import Report
import Systemd

/// The step of `check` that looks at the service's unit, as the service manager has merged it.
enum UnitCheck {
  static let name = "konexus-tokend.service"

  /// The unit; `nil` if there is no systemd, or no answer.
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
      return CheckStep(.unit, .skipped, "systemd does not run here")
    }
    guard let unit else {
      return CheckStep(.unit, .warning, "systemd does not answer", remedy: "systemctl status \(name)")
    }
    guard unit.property("LoadState") == "loaded" else {
      return CheckStep(
        .unit, .warning, "\(name) is not installed", remedy: "install the package, or run the daemon another way")
    }
    let details = [
      "file: \(unit.property("FragmentPath")) (\(unit.property("UnitFileState")))",
      "user and group: \(unit.property("User")):\(unit.property("Group"))",
      "sandbox: " + (unit.exposure.map { "exposure \($0) of 10 (systemd-analyze security)" } ?? "unknown"),
    ]
    let fault = UnitFault(unit, withdrawn: withdrawn)
    let isOutdated = unit.property("NeedDaemonReload") == "yes"
    if let fault {
      // What is on the disk may be right already.
      return CheckStep(
        .unit, .failed, "\(name) \(fault.problem)", details: fault.details + details,
        remedy: isOutdated ? "systemctl daemon-reload && konexus-tokend check" : fault.remedy(for: name))
    }
    let state = "\(unit.property("ActiveState")) (\(unit.property("SubState")))"
    guard unit.property("ActiveState") == "active" else {
      return CheckStep(
        .unit, .warning, "\(name) is \(state), last result: \(unit.property("Result"))", details: details,
        remedy: "systemctl start konexus-tokend; if it fails: journalctl -u konexus-tokend -n 50")
    }
    guard !isOutdated else {
      return CheckStep(
        .unit, .warning, "\(name) was changed since systemd read it", details: details,
        remedy: "systemctl daemon-reload && systemctl restart konexus-tokend")
    }
    return CheckStep(.unit, .ok, "\(name) is \(state)", details: details)
  }

  /// The credentials that a file of the unit withdraws from it.
  private static let withdrawn = unit.flatMap(WithdrawnCredentials.init(in:))

  /// What root must know to check which files the daemon can read; `nil` for other users, and without the service.
  static var readers: ServiceReaders? {
    guard geteuid() == 0, let unit, let userID = Account.userID(named: "konexus-tokend") else { return nil }
    return ServiceReaders(
      userID: userID, groupID: Account.groupID(named: "konexus-token"),
      credentialSources: unit.credentials.filter { !$0.value.isEncrypted && $0.value.source.hasPrefix("/") }
        .mapValues(\.source),
      // The step above reports the withdrawn ones, with all that were withdrawn in one drop-in.
      credentialNames: Set(unit.credentials.keys).union(UnitFault(unit, withdrawn: withdrawn)?.lostCredentials ?? []))
  }

  /// The file of which the service passes a copy to its daemon as its configuration, and whether that is encrypted.
  static var configurationSource: (path: String, isEncrypted: Bool)? {
    guard let credential = unit?.credentials["config.toml"], credential.source.hasPrefix("/") else { return nil }
    return (credential.source, credential.isEncrypted)
  }

  /// The user that the daemon runs as: root checks for the service's user, other users check for themselves.
  static var daemonUser: UInt32 {
    guard geteuid() == 0 else { return geteuid() }
    return Account.userID(named: "konexus-tokend") ?? 0
  }
}
