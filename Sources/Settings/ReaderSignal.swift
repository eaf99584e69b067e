/// A process to tell of each new token: `signal = { pid_file = "PATH", signal = "HUP" }`.
public struct ReaderSignal: Hashable, Sendable {
  /// The signals that programs reload at.
  public enum Name: String, CaseIterable, Hashable, Sendable {
    case hup = "HUP"
    case usr1 = "USR1"
    case usr2 = "USR2"
    case int = "INT"
    case term = "TERM"
  }

  /// A file that holds the process's id as a decimal number; absolute path.
  public var pidFile: String
  /// What it is sent.
  public var name: Name

  /// A signal put together by hand.
  public init(pidFile: String, name: Name = .hup) {
    self.pidFile = pidFile
    self.name = name
  }
}
