import FoundationEssentials
import Glibc
import OAuthClient

/// `status.json` in the runtime directory: what `konexus-tokend status` reads, also after the daemon is gone. Holds no secret.
public struct StatusFile: Sendable {
  /// The file's name in the runtime directory.
  public static let name = "status.json"

  private var file: PublishedFile
  private var written = StatusDocument()

  /// The file in `directory`.
  public init(directory: String, allowsPersistentStorage: Bool) {
    file = PublishedFile(
      path: directory + "/" + Self.name, mode: 0o644, allowsPersistentStorage: allowsPersistentStorage)
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
    guard let content = try? PrivateFile.read(directory + "/" + name, maximum: sizeLimit) else { return nil }
    return try? JSONDecoder().decode(BrokerStatus.self, from: content.withBytes { Data($0) })
  }

  /// Far more than ten thousand tokens take.
  private static let sizeLimit = 1 << 26

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
  /// - Throws: `Unavailable` if there is nothing, it may not be read, or it is of another version.
  public static func read(from directory: String) throws(Unavailable) -> BrokerStatus {
    let path = directory + "/" + name
    let content: Secret
    do throws(PrivateFile.Unreadable) {
      content = try PrivateFile.read(path, maximum: sizeLimit, owned: false)
    } catch {
      throw unavailable(path, error.reason)
    }
    guard let status = try? JSONDecoder().decode(BrokerStatus.self, from: content.withBytes { Data($0) }) else {
      throw Unavailable(
        problem: "\(path) is not of this version of konexus-tokend", remedy: "type: systemctl restart konexus-tokend")
    }
    return status
  }

  private static func unavailable(_ path: String, _ reason: String) -> Unavailable {
    var status = stat()
    if stat(path, &status) != 0, errno == ENOENT {
      return Unavailable(
        problem:
          "\(path) does not exist: no konexus-tokend has run there since this host booted, or it was stopped or failed (systemd removes the directory then)",
        remedy: "type: systemctl status konexus-tokend, or name its runtime directory with --directory",
        isMissing: true)
    }
    if access(path, R_OK) != 0, errno == EACCES {
      return Unavailable(
        problem: "\(path) may not be read by this user",
        remedy: "use sudo, or the group konexus-token, whose members may read the tokens as well")
    }
    return Unavailable(problem: "\(path) cannot be read: \(reason)", remedy: "type: systemctl status konexus-tokend")
  }
}
