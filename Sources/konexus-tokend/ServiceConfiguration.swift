import Broker
import Report
import Settings

/// The configuration file of the service's daemon, as a command finds it.
struct ServiceConfiguration {
  let path: String
  /// Whether only systemd can decrypt it.
  let isEncrypted: Bool
  /// The service's user, group and credentials, if this is the service's configuration and root asks.
  let readers: ServiceReaders?
  /// What the daemon would read it with.
  let environment: RuntimeEnvironment

  /// The configuration at `given`, or the service's if that is `nil`.
  init(_ given: String?) {
    var environment = RuntimeEnvironment.current
    let source = UnitCheck.configurationSource
    path = given ?? source?.path ?? environment.defaultConfigurationPath
    isEncrypted = given == nil && source?.isEncrypted == true
    // Another configuration than the service's gets none of the service's credentials.
    readers = source?.isEncrypted == true || source?.path == path ? UnitCheck.readers : nil
    if let readers {
      environment.userID = readers.userID
      environment.credentialSources = readers.credentialSources
    }
    self.environment = environment
  }

  /// The configuration.
  ///
  /// - Throws: all that is wrong with it.
  func load() throws(ConfigurationErrors) -> Configuration {
    try Configuration.load(path: path, environment: environment)
  }
}
