import Glibc
import OAuthClient

/// Reads files that hold secrets: checks and reads the very same descriptor, so that nothing can be swapped between the two.
enum ProtectedFile {
  /// The content of the file at `path`.
  ///
  /// It must be a regular file that belongs to root or to the daemon's user and that nobody else may read or write. Directly in
  /// systemd's credentials directory mode 0440 will do, for systemd adds an ACL for the service's user there, whose mask shows as the
  /// group's bits. A symbolic link is followed if it is in the hands of root or of the daemon's user (``PathWalk``).
  static func read(_ path: String, environment: RuntimeEnvironment, limit: Int) throws(FileRefusal) -> Secret {
    let file = try PathWalk.open(path, userID: environment.userID)
    defer { file.close() }
    let status = file.status
    guard status.st_uid == 0 || status.st_uid == environment.userID else {
      throw FileRefusal(
        path: path, problem: "belongs to another user (uid \(status.st_uid))",
        remedy: "run: chown \(environment.userID == 0 ? "root" : "\(environment.userID)") \(path.shellQuoted)")
    }
    let mode = status.st_mode & 0o7777
    let allowed: mode_t = file.isDirectly(in: environment.credentialsDirectory) ? 0o740 : 0o700
    guard mode & 0o077 & ~allowed == 0 else {
      let verb = mode & 0o044 == 0 ? "changed" : "read"
      throw FileRefusal(
        path: path, problem: "may be \(verb) by other users (mode \(FileMode.octal(mode)))",
        remedy: "run: chmod 0600 \(path.shellQuoted)")
    }
    return try file.read(path: path, limit: limit)
  }
}
