import Glibc

/// A status file as a command found it. The daemon's user can forge `status`; the kernel vouches for the rest.
public struct FoundStatus: Sendable {
  /// What the file says.
  public var status: BrokerStatus
  /// The runtime directory.
  public var directory: String
  /// The daemon's user: the owner of the file and of its directory.
  public var owner: UInt32
  /// When it was written, seconds since 1970.
  package var modified: Double
  /// Whether a process keeps the file locked (`PublishedFile.isLocked`).
  package var isLocked: Bool

  /// Whether only root, or the user of this process, can forge it.
  public var isTrusted: Bool { owner == 0 || owner == geteuid() }
}
