/// The names of files that the daemon keeps for itself, so that no output can have them.
package enum DaemonFile {
  /// The status, in the runtime directory.
  package static let status = "status.json"
  /// The control socket, in the runtime directory.
  package static let control = "control"
  /// The lock, in each directory that the daemon writes to.
  package static let lock = ".konexus-tokend.lock"
}
