import Glibc
import OAuthClient

/// Reads files that hold secrets: checks and reads the very same descriptor, so that nothing can be swapped between the two.
enum ProtectedFile {
  /// The content of the file at `path`.
  ///
  /// It must be a regular file that belongs to root or to the daemon's user and that nobody else may read or write. Directly in
  /// systemd's credentials directory mode 0440 will do, for systemd adds an ACL for the service's user there, whose mask shows as the
  /// group's bits; elsewhere only if ``RuntimeEnvironment/allowsGroupRead`` says so. A symbolic link is followed if it is in the hands
  /// of root or of the daemon's user (``PathWalk``).
  static func read(_ path: String, environment: RuntimeEnvironment, limit: Int) throws(FileRefusal) -> Secret {
    let (content, refusal) = try readUnlessChangeable(path, environment: environment, limit: limit)
    if let refusal { throw refusal }
    return content
  }

  /// The same for a file that may itself say that its group may read it: what is said against its mode otherwise comes beside the content.
  static func readUnlessChangeable(
    _ path: String, environment: RuntimeEnvironment, limit: Int
  ) throws(FileRefusal) -> (content: Secret, refusal: FileRefusal?) {
    let file = try PathWalk.open(path, userID: environment.userID)
    defer { file.close() }
    let status = file.status
    guard status.st_uid == 0 || status.st_uid == environment.userID else {
      throw FileRefusal(
        path: path, problem: "belongs to another user (uid \(status.st_uid))",
        remedy: "run: chown \(environment.userID == 0 ? "root" : "\(environment.userID)") \(path.shellQuoted)")
    }
    let mode = status.st_mode & 0o7777
    let isGroupsToRead = environment.allowsGroupRead || file.isDirectly(in: environment.credentialsDirectory)
    let allowed: mode_t = isGroupsToRead ? 0o740 : 0o700
    let refusal = FileRefusal(path: path, mode: mode, allowed: allowed)
    if let refusal, mode & 0o037 != 0 { throw refusal }
    return (try file.read(path: path, limit: limit), refusal)
  }
}
