import Base
public import Files
import FoundationEssentials
import Glibc
import Settings

/// `status.json` in the runtime directory: what `konexus-tokend status` reads, also after the daemon is gone. Holds no secret.
public struct StatusFile: Sendable {
  private var file: PublishedFile
  private var written = StatusDocument()

  /// The file in `directory`.
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

  /// What a former run of this very user left in `directory`; `nil` if nothing, or nothing that can be trusted.
  public static func left(in directory: String) -> BrokerStatus? {
    (try? PrivateFile.read(directory + "/" + DaemonFile.status, maximum: sizeLimit)).flatMap(StatusDocument.parse)
  }

  /// Ten thousand tokens take 6 MiB, and 12 MiB if each of them fails.
  private static let sizeLimit = 24 << 20

  /// Why there is no status to be had: a sentence that says what to do.
  public struct Unavailable: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, with the path.
    public var problem: String
    /// What to type next.
    public var remedy: String
    /// Whether there is no status file at all.
    public var isMissing = false

    /// An account of the given parts.
    public init(problem: String, remedy: String, isMissing: Bool = false) {
      self.problem = problem
      self.remedy = remedy
      self.isMissing = isMissing
    }

    /// Problem and remedy.
    public var description: String { "\(problem); \(remedy)" }
  }

  /// Reads what a daemon wrote into `directory`.
  ///
  /// - Throws: `Unavailable` as `find` does.
  public static func read(from directory: String) throws(Unavailable) -> BrokerStatus { try find(in: directory).status }

  /// Finds what a daemon wrote into `directory`, and the daemon's user.
  ///
  /// - Throws: `Unavailable` if there is none, if this user cannot read it, if another user than the directory's owner
  ///   can have written it, or if it is of another version.
  public static func find(in directory: String) throws(Unavailable) -> FoundStatus {
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
        problem: "\(path) is not of this version of konexus-tokend", remedy: "type: systemctl restart konexus-tokend")
    }
    return FoundStatus(
      status: status, directory: directory, owner: owner, modified: file.modified, isLocked: file.isLocked)
  }

  private static func unavailable(_ path: String, _ error: PrivateFile.Unreadable) -> Unavailable {
    switch error.code {
    case ENOENT:
      Unavailable(
        problem:
          "\(path) does not exist: no konexus-tokend has run there since this host booted, or it was stopped or failed (systemd removes the directory then)",
        remedy: "type: systemctl status konexus-tokend, or name its runtime directory with --directory",
        isMissing: true)
    case EACCES:
      Unavailable(
        problem: "\(path) may not be read by this user",
        remedy: "use sudo, or the group konexus-token, whose members may read the tokens as well")
    case nil:
      Unavailable(
        problem: "\(path) is not read: \(error.reason)",
        remedy: "see who can write there: ls -ld \(FilePath.directory(of: path).shellQuoted) \(path.shellQuoted)")
    default:
      Unavailable(problem: "\(path) cannot be read: \(error.reason)", remedy: "type: systemctl status konexus-tokend")
    }
  }
}
