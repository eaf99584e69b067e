import Glibc

/// Whose files are believed, and who else may read those with secrets in them.
public struct FileRules: Hashable, Sendable {
  /// The user whose files serve, beside root's.
  public var userID: UInt32
  /// Whether files with secrets may be readable by their group: `allow_group_read`.
  public var allowsGroupRead: Bool
  /// The directory of systemd's credentials. Files directly in it may be readable by their group in any case.
  public var credentialsDirectory: String?

  /// Rules by their parts; `userID` defaults to that of the process.
  public init(userID: UInt32? = nil, allowsGroupRead: Bool = false, credentialsDirectory: String? = nil) {
    self.userID = userID ?? geteuid()
    self.allowsGroupRead = allowsGroupRead
    self.credentialsDirectory = credentialsDirectory
  }
}
