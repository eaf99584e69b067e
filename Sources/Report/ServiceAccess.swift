import Base
public import Files
import Glibc
public import Settings

/// The access of the service's user to the files that the configuration names, determined by root.
public struct ServiceAccess: Sendable {
  /// The user that the daemon runs as.
  public var userID: UInt32
  /// The service's group, if it exists.
  public var groupID: UInt32?
  /// The source files of the service's credentials, by the credentials' names.
  public var credentialSources: [String: String]
  /// The names of all credentials of the service.
  public var credentialNames: Set<String>

  /// The access of a service with the given user, group and credentials.
  public init(userID: UInt32, groupID: UInt32?, credentialSources: [String: String], credentialNames: Set<String>) {
    self.userID = userID
    self.groupID = groupID
    self.credentialSources = credentialSources
    self.credentialNames = credentialNames
  }

  /// The files that the daemon cannot read, each with a remedy.
  public func unreadable(in configuration: Configuration) -> [FileRefusal] {
    var seen: Set<String> = []
    return configuration.tokens.flatMap(\.inputFiles).filter { seen.insert($0).inserted }.compactMap { path in
      configuration.relativeFiles.contains(path) ? missingCredential(path) : inaccessible(path)
    }
  }

  /// A relative path means a credential, because the copy of the configuration is in the credentials directory.
  private func missingCredential(_ path: String) -> FileRefusal? {
    let name = FilePath.name(of: path)
    guard !credentialSources.values.contains(path), !credentialNames.contains(name) else { return nil }
    return FileRefusal(
      path: path, problem: "is named by a relative path, which means a credential of the service that it does not have",
      remedy: "add to the unit, by a drop-in: LoadCredential=\(name):\(path)")
  }

  private func inaccessible(_ path: String) -> FileRefusal? {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    var isReadable = mayUse(status, 0o4)
    var directory = FilePath.directory(of: path)
    while isReadable, directory != "/" {
      isReadable = stat(directory, &status) == 0 && mayUse(status, 0o1)
      directory = FilePath.directory(of: directory)
    }
    guard !isReadable else { return nil }
    let name = FilePath.name(of: path)
    return FileRefusal(
      path: path, problem: "cannot be read by the daemon, which runs as \(Account.user(userID))",
      remedy: "add to the unit, by a drop-in: LoadCredential=\(name):\(path), and name the file just \"\(name)\"")
  }

  private func mayUse(_ status: stat, _ bit: mode_t) -> Bool {
    let shift: mode_t = status.st_uid == userID ? 6 : status.st_gid == groupID ? 3 : 0
    return status.st_mode & (bit << shift) != 0
  }
}
