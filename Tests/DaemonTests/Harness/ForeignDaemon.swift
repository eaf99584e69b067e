import Glibc
import Testing

/// A daemon of another user than the one who types the commands, and what that user can do to its files.
struct ForeignDaemon {
  /// A user that no other process of the host runs as.
  static let user: UInt32 = 4242
  /// A third user.
  static let other: UInt32 = 4243

  let scene: Scene
  let process: DaemonProcess

  /// Starts a daemon as that user, and waits for its first tokens.
  init(in scene: Scene) async throws {
    self.scene = scene
    chmod(scene.workplace.path, 0o711)
    for path in [scene.workplace.configFile, scene.workplace.runtimeDirectory] { chown(path, Self.user, Self.user) }
    let daemon = try scene.startDaemon(isSupervised: false, wrapper: Self.run(as: Self.user))
    try await scene.wait(for: "its status") { daemon.status?.isReady ?? false }
    process = daemon
  }

  /// Put before a command that a user runs.
  static func run(as user: UInt32) -> [String] {
    ["setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups"]
  }

  var statusFile: String { scene.workplace.runtimeDirectory + "/status.json" }

  /// Ends the daemon at once, and writes its last status with changes, as its user could.
  func forge(_ changes: (inout String) throws -> Void) async throws {
    process.process.kill()
    var text = try #require(Workplace.read(statusFile))
    let before = text
    try changes(&text)
    try #require(text != before, "nothing was forged")
    try scene.workplace.write(text, to: statusFile, mode: 0o644)
    chown(statusFile, Self.user, Self.user)
  }
}
