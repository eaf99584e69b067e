/// Why the daemon does not use the configuration file as it is.
public enum ConfigurationProblem: Hashable, Sendable, CustomStringConvertible {
  /// The previous configuration stays in effect. The reason names file and line.
  case previous(String)
  /// The tables that are wrong are left out. The reason names file and line of the first fault.
  case partial(faults: Int, String)

  /// What the daemon uses instead, and after a colon the reason.
  public var description: String {
    switch self {
    case .previous(let reason): "previous configuration in use: \(reason)"
    case .partial(let faults, let reason):
      "configuration used in part, \(faults) \(faults == 1 ? "fault" : "faults"): \(reason)"
    }
  }
}
