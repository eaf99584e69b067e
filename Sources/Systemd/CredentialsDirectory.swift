internal import Glibc

/// The directory in which the service manager leaves a service's credentials: `LoadCredential=` and its like in systemd.exec(5).
public struct CredentialsDirectory: Hashable, Sendable {
  /// The absolute path, without a slash at its end.
  public let path: String

  /// Takes the path from `$CREDENTIALS_DIRECTORY`; `nil` if that is not set or not an absolute path.
  public init?() {
    self.init(getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) })
  }

  init?(_ value: String?) {
    guard let value, let path = normalized(value) else { return nil }
    self.path = path
  }

  /// The path of the credential `name`, whether it exists or not; `nil` if `name` cannot be a credential's name
  /// (empty, `.`, `..`, longer than 255 bytes, or with a slash or NUL in it).
  public func path(of name: String) -> String? {
    guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= 255 else { return nil }
    guard !name.utf8.contains(where: { $0 == UInt8(ascii: "/") || $0 == 0 }) else { return nil }
    return "\(path)/\(name)"
  }
}

/// An absolute path without slashes at its end; `nil` for any other.
func normalized(_ path: some StringProtocol) -> String? {
  guard path.utf8.first == UInt8(ascii: "/") else { return nil }
  var path = String(path)
  while path.utf8.count > 1, path.utf8.last == UInt8(ascii: "/") { path.removeLast() }
  return path
}
