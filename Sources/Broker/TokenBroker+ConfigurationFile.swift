public import Files
public import Settings

/// The state of the configuration file.
extension TokenBroker {
  /// Notes that a reload failed. The status shows it until a reload succeeds.
  public func reloadFailed(_ reason: String) {
    let problem = ConfigurationProblem.previous(reason).description
    reporter.configuration.reject(problem)
    log.write(.error, "reload failed: \(problem)", .reloadFailed)
    reporter.report()
  }

  /// Notes before the start that the present configuration is not used, or only in part.
  public func startsWith(_ problem: ConfigurationProblem) {
    reporter.configuration.problem = problem.description
    if case .partial = problem { isPartial = true }
    log.write(.error, "\(problem)", .configurationBroken)
  }

  /// Notes which file the settings in effect are from; `nil` if this user cannot see the file.
  public func note(_ stamp: FileStamp?) {
    reporter.configuration.note(stamp)
    loop.post(.statusChanged)
  }

  /// Compares the file as it is now with the one that was read.
  public func compare(_ stamp: FileStamp?) {
    guard let stamp, reporter.configuration.compare(stamp) else { return }
    if reporter.configuration.isFileChanged {
      log.write(.warning, "\(status().changedConfiguration ?? "")", .configurationChanged)
    }
    loop.post(.statusChanged)
  }
}
