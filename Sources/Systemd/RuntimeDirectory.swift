internal import Glibc

/// The directory below /run that the service manager made for the service: `RuntimeDirectory=` in systemd.exec(5).
public struct RuntimeDirectory: Hashable, Sendable {
  /// The absolute path, without a slash at its end.
  public let path: String

  /// Takes the first of the paths, separated by colons, in `$RUNTIME_DIRECTORY`; `nil` if that is not set or the first is not
  /// an absolute path.
  public init?() {
    self.init(getenv("RUNTIME_DIRECTORY").map { String(cString: $0) })
  }

  init?(_ value: String?) {
    guard let value, let first = value.split(separator: ":", omittingEmptySubsequences: false).first else { return nil }
    guard let path = normalized(first) else { return nil }
    self.path = path
  }
}
