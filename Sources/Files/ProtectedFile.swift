package import Base
import Glibc

/// Reads files that must be in the hands of root or of the daemon's user: checks and reads the very same descriptor,
/// so that nothing can be swapped between the two.
///
/// A symbolic link is followed if it is in the hands of root or of the daemon's user (``PathWalk``).
package enum ProtectedFile {
  /// The content of the file at `path`, which is a secret.
  ///
  /// It must be a regular file of root or of the daemon's user. Other users must not be able to read or write it.
  /// Directly in systemd's credentials directory mode 0440 will do, for systemd adds an ACL for the service's user
  /// there, whose mask shows as the group's bits; elsewhere only if ``FileRules/allowsGroupRead`` says so.
  package static func read(_ path: String, rules: FileRules, limit: Int) throws(FileRefusal) -> Secret {
    let (content, refusal) = try readUnlessChangeable(path, rules: rules, limit: limit)
    if let refusal { throw refusal }
    return content
  }

  /// The same for a file that may itself say that its group may read it: what is said against its mode otherwise
  /// comes beside the content.
  package static func readUnlessChangeable(
    _ path: String, rules: FileRules, limit: Int
  ) throws(FileRefusal) -> (content: Secret, refusal: FileRefusal?) {
    let file = try open(path, rules: rules)
    defer { file.close() }
    let refusal = refusalAsSecret(file, path, rules)
    if let refusal, file.status.st_mode & 0o037 != 0 { throw refusal }
    return (try file.read(path: path, limit: limit), refusal)
  }

  /// An open file with secrets, for another process to read: of root or of this process's user, without access for
  /// others.
  ///
  /// - Returns: its descriptor, which the caller closes.
  package static func descriptor(of path: String) throws(FileRefusal) -> Int32 {
    let rules = FileRules()
    let file = try open(path, rules: rules)
    // The configuration itself can allow its group to read it: the daemon judges that.
    if let refusal = refusalAsSecret(file, path, rules), file.status.st_mode & 0o037 != 0 {
      file.close()
      throw refusal
    }
    return file.descriptor
  }

  /// Opens a file of root or of the daemon's user, whatever its mode.
  static func open(_ path: String, rules: FileRules) throws(FileRefusal) -> OpenedFile {
    let file = try PathWalk.open(path, userID: rules.userID)
    let (owner, mode) = (file.status.st_uid, file.status.st_mode)
    guard owner == 0 || owner == rules.userID else {
      file.close()
      // The command must leave a file readable by the daemon.
      let right = mode & 0o004 != 0 || rules.userID == 0 ? "root" : "\(rules.userID)"
      throw FileRefusal(
        path: path, problem: "belongs to another user (uid \(owner))",
        remedy: "run: chown \(right) \(path.shellQuoted)")
    }
    return file
  }

  /// What is said against the mode of a file that holds a secret.
  static func refusalAsSecret(_ file: OpenedFile, _ path: String, _ rules: FileRules) -> FileRefusal? {
    let isGroupsToRead = rules.allowsGroupRead || file.isDirectly(in: rules.credentialsDirectory)
    return FileRefusal(path: path, mode: file.status.st_mode & 0o7777, allowed: isGroupsToRead ? 0o740 : 0o700)
  }
}
