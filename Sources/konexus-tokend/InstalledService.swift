import Base
import Broker
import Files
import Glibc
import Report
import Settings
import Systemd

/// The systemd unit of the service, with drop-ins, and the step of `check` for it.
enum InstalledService {
  static let name = "konexus-tokend.service"

  /// The unit; `nil` without systemd, or if it does not answer.
  static let unit = ServiceUnit.isSystemdRunning ? ServiceUnit(named: name) : nil

  /// The directory that systemd makes when it starts the service; `nil` if the service runs.
  static var futureDirectory: String? {
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
      // The files of the unit can be right already.
      return CheckStep(
        .unit, .failed, "\(name) \(fault.problem)", details: fault.details + details,
        remedy: isOutdated ? "systemctl daemon-reload && konexus-tokend check" : fault.remedy(for: name))
    }
    let state = "\(unit.property("ActiveState")) (\(unit.property("SubState")))"
    guard unit.property("ActiveState") == "active" else {
      return CheckStep(
        .unit, .warning, "\(name) is \(state), last result: \(unit.property("Result"))", details: details,
        remedy: "see why: journalctl -u konexus-tokend -n 50; then start it: systemctl start konexus-tokend")
    }
    guard !isOutdated else {
      return CheckStep(
        .unit, .warning, "\(name) was changed since systemd read it", details: details,
        remedy: "systemctl daemon-reload && systemctl restart konexus-tokend")
    }
    return CheckStep(.unit, .ok, "\(name) is \(state)", details: details)
  }

  /// The credentials that a drop-in of the unit removes.
  private static let withdrawn = unit.flatMap(WithdrawnCredentials.init(in:))

  /// The service's access to files; `nil` if this user is not root, or there is no service.
  static var access: ServiceAccess? {
    guard geteuid() == 0, let unit, let userID = Account.userID(named: "konexus-tokend") else { return nil }
    return ServiceAccess(
      userID: userID, groupID: Account.groupID(named: "konexus-token"),
      credentialSources: unit.credentials.filter { !$0.value.isEncrypted && $0.value.source.hasPrefix("/") }
        .mapValues(\.source),
      // The step for the unit reports the removed credentials.
      credentialNames: Set(unit.credentials.keys).union(UnitFault(unit, withdrawn: withdrawn)?.lostCredentials ?? []))
  }

  /// The source file of the credential `config.toml`, and whether it is encrypted.
  static var configurationSource: (path: String, isEncrypted: Bool)? {
    guard let credential = unit?.credentials["config.toml"], credential.source.hasPrefix("/") else { return nil }
    return (credential.source, credential.isEncrypted)
  }

  /// The user that the daemon runs as. For root it is the service's user, otherwise the user of this process.
  static var daemonUser: UInt32 {
    guard geteuid() == 0 else { return geteuid() }
    return Account.userID(named: "konexus-tokend") ?? 0
  }
}

/// The configuration file of the service, as commands read it.
struct ServiceConfiguration {
  let path: String
  /// Whether only systemd can decrypt the file.
  let isEncrypted: Bool
  /// The service's access to files, if this is the service's configuration and the user is root.
  let access: ServiceAccess?
  /// The environment that the daemon reads it with.
  let environment: RuntimeEnvironment

  /// The configuration at `given`; if that is `nil`, the service's.
  init(_ given: String?) {
    var environment = RuntimeEnvironment.current
    let source = InstalledService.configurationSource
    path = given ?? source?.path ?? environment.defaultConfigurationPath
    isEncrypted = given == nil && source?.isEncrypted == true
    // The service's credentials belong to the service's configuration only.
    access = source?.isEncrypted == true || source?.path == path ? InstalledService.access : nil
    if let access {
      environment.userID = access.userID
      environment.credentialSources = access.credentialSources
    }
    self.environment = environment
  }

  /// Reads the configuration.
  ///
  /// - Throws: all its faults.
  func load() throws(ConfigurationErrors) -> Configuration {
    try Configuration.load(path: path, environment: environment)
  }
}

/// The service's configuration file as root opens it for the daemon.
enum ServiceConfigurationFile {
  /// The open file; `nil` if the daemon opens its configuration itself, as in a container. Ends the command if the file
  /// is not usable.
  static func opened() -> Int32? {
    guard geteuid() == 0, let source = path else { return nil }
    if InstalledService.configurationSource?.isEncrypted == true {
      CommandLineError.exit(
        "\(source) is encrypted: only a restart reads it", next: "systemctl restart konexus-tokend", code: EXIT_FAILURE)
    }
    do throws(FileRefusal) {
      return try ProtectedFile.descriptor(of: source)
    } catch {
      CommandLineError.exit("previous configuration in use: \(error.description)", code: EXIT_FAILURE)
    }
  }

  /// Whether the running daemon uses the current content of the file; `nil` if that is unknown.
  static func isInEffect(in directory: String) -> Bool? {
    guard geteuid() == 0, let source = path, let file = try? ProtectedFile.descriptor(of: source) else { return nil }
    defer { close(file) }
    let answer = try? ControlClient.send(.compare, passing: file, in: directory, limit: .seconds(2))
    return answer.map { if case .ok = $0 { true } else { false } }
  }

  /// The path from the environment that the unit sets for `ExecReload=`, otherwise from systemd.
  private static var path: String? {
    if let source = getenv("KONEXUS_TOKEND_CONFIG_SOURCE") { return String(cString: source) }
    guard RuntimeEnvironment.current.tokenDirectory == RuntimeEnvironment().tokenDirectory else { return nil }
    return InstalledService.configurationSource?.path
  }
}
