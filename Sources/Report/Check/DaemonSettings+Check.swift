import Base
import Files
import Glibc
public import Settings

extension DaemonSettings {
  /// The steps of a check that look at where the daemon would put its socket and its metrics.
  ///
  /// - Parameters:
  ///   - userID: whom the daemon runs as.
  ///   - toCome: a directory that need not be there yet, for systemd makes it at the service's start.
  public func placeSteps(userID: UInt32, toCome: String?) -> [CheckStep] {
    var steps: [CheckStep] = []
    if let credentialSocket {
      let directory = FilePath.directory(of: credentialSocket)
      if directory != toCome {
        do throws(PublicationFailure) {
          _ = try OutputDirectory(directory, allowsPersistentStorage: true, owner: userID)
          steps.append(CheckStep(.output, .ok, "\(credentialSocket): the socket that systemd gets tokens from"))
        } catch {
          steps.append(CheckStep(.output, .failed, "credential_socket: \(error)"))
        }
      }
    }
    if let metricsFile {
      let directory = FilePath.directory(of: metricsFile)
      var status = stat()
      let isThere = stat(directory, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      let isItsOwn = userID == 0 || (status.st_uid == userID && status.st_mode & 0o300 == 0o300)
      if isThere, isItsOwn || status.st_mode & 0o030 == 0o030 || status.st_mode & 0o003 == 0o003 {
        steps.append(CheckStep(.output, .ok, "\(metricsFile): metrics"))
      } else if directory != toCome {
        steps.append(
          CheckStep(
            .output, .warning,
            "metrics_file: \(directory) \(isThere ? "may not be written to by the daemon" : "does not exist")",
            remedy: isThere
              ? "type: chgrp konexus-token \(directory) && chmod g+rwx \(directory); under systemd see metrics.conf among the examples"
              : "create it, or set metrics_file to another path"))
      }
    }
    return steps
  }
}
