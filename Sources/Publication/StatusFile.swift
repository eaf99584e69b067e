import Base
public import Files
import FoundationEssentials
import Glibc
import Settings

/// `status.json` in the runtime directory. `konexus-tokend status` reads it, also if the daemon does not run. It holds
/// no secret.
public struct StatusFile: Sendable {
  private var file: PublishedFile
  private var written = StatusDocument()

  /// A status file in `directory`.
  public init(directory: String, allowsPersistentStorage: Bool) {
    file = PublishedFile(
      path: directory + "/" + DaemonFile.status, mode: 0o644, allowsPersistentStorage: allowsPersistentStorage,
      isLocked: true)
  }

  /// Writes `status`, unless nothing but the time has changed.
  ///
  /// - Throws: `PublicationFailure`.
  public mutating func write(_ status: BrokerStatus) throws(PublicationFailure) {
    guard let document = written.updated(to: status) else { return }
    try file.replace(with: document.bytes)
    written = document
  }

  /// The status that the previous run of this user wrote into `directory`; `nil` if there is no trusted one.
  public static func left(in directory: String) -> BrokerStatus? {
    (try? PrivateFile.read(directory + "/" + DaemonFile.status, maximum: sizeLimit)).flatMap(StatusDocument.parse)
  }

  /// The size limit. Ten thousand tokens need 6 MiB, or 12 MiB if all of them fail.
  private static let sizeLimit = 24 << 20

  /// The reason why there is no status, and a remedy.
  public struct Unavailable: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, with the path.
    public var problem: String
    /// The command to run next.
    public var remedy: String
    /// Whether the status file does not exist.
    public var isMissing = false

    /// An error of the given values.
    public init(problem: String, remedy: String, isMissing: Bool = false) {
      self.problem = problem
      self.remedy = remedy
      self.isMissing = isMissing
    }

    /// The problem and the remedy.
    public var description: String { "\(problem) -> \(remedy)" }
  }

  /// Reads the status in `directory`.
  ///
  /// - Throws: `Unavailable`, as `find` does.
  public static func read(from directory: String) throws(Unavailable) -> BrokerStatus { try find(in: directory).status }

  /// Reads the status in `directory` and determines the daemon's user.
  ///
  /// - Throws: `Unavailable` if the file does not exist, is not readable for this user, or has another version. Also if
  ///   a user other than the directory's owner can have written it.
  public static func find(in directory: String) throws(Unavailable) -> LoadedStatus {
    let path = directory + "/" + DaemonFile.status
    let file: DaemonDirectory.File
    let owner: UInt32
    do throws(PrivateFile.Unreadable) {
      let place = try DaemonDirectory(directory)
      owner = place.owner
      file = try place.read(DaemonFile.status, maximum: sizeLimit)
    } catch {
      throw unavailable(path, error)
    }
    guard let status = StatusDocument.parse(file.content) else {
      throw Unavailable(
        problem: "\(path) is not of this version of konexus-tokend", remedy: ServiceCommands.current.restart)
    }
    return LoadedStatus(
      status: status, directory: directory, owner: owner, modified: file.modified, isLocked: file.isLocked)
  }

  private static func unavailable(_ path: String, _ error: PrivateFile.Unreadable) -> Unavailable {
    switch error.code {
    case ENOENT:
      Unavailable(
        problem: "\(path) does not exist: no daemon uses this directory, see --directory",
        remedy: ServiceCommands.current.status,
        isMissing: true)
    case EACCES:
      Unavailable(
        problem: "\(path) is not readable for this user",
        remedy: "use sudo, or join the group that can read the tokens: \(FileAttributes.joining(path))")
    case nil:
      Unavailable(
        problem: "\(path) is not read: \(error.reason)",
        remedy: "see who can write there: ls -ld \(FilePath.directory(of: path).shellQuoted) \(path.shellQuoted)")
    default:
      Unavailable(
        problem: "\(path) cannot be read: \(error.reason)", remedy: SystemError.remedy(error.code ?? 0, at: path))
    }
  }
}

/// A status file that a command has read. The daemon's user can forge `status`; the other values come from the kernel.
public struct LoadedStatus: Sendable {
  /// The content of the file.
  public var status: BrokerStatus
  /// The runtime directory.
  public var directory: String
  /// The daemon's user: the owner of the file and of its directory.
  public var owner: UInt32
  /// When it was written, seconds since 1970.
  package var modified: Double
  /// Whether a process keeps the file locked (`PublishedFile.isLocked`).
  package var isLocked: Bool

  /// Whether only root or the user of this process can have written it.
  public var isTrusted: Bool { owner == 0 || owner == geteuid() }
}
