public import Base
import CLinux
import Files
import Glibc

/// The text of the last good configuration in a sealed file in memory: systemd keeps its descriptor over a restart (`FDSTORE=1`).
///
/// So a restart with a broken configuration goes on with the previous one. A stop forgets it. The text holds secrets: it is in memory
/// only, and of this process's user.
public final class StoredConfiguration: Sendable {
  /// The name of the descriptor in systemd's store.
  public static let name = "configuration"

  /// The file's descriptor, closed with the last reference.
  public let descriptor: Int32

  /// What the first line says: another version of the daemon may read the file.
  private static let header = Array("konexus-tokend configuration 1\n".utf8)

  /// More than ``ConfigurationDraft`` reads.
  private static let sizeLimit = 17 << 20

  /// Stores `text`; `nil` if the kernel refuses.
  public init?(_ text: Secret) {
    let file = linux_memory_file(Self.name)
    guard file >= 0 else { return nil }
    descriptor = file
    do {
      try FileContent.write(Self.header, to: file)
      try text.withBytes { try FileContent.write($0, to: file) }
    } catch {
      return nil
    }
    guard linux_seal(file) == 0 else { return nil }
  }

  /// Takes over a descriptor that systemd kept.
  public init(takingOver descriptor: Int32) {
    self.descriptor = descriptor
  }

  deinit {
    close(descriptor)
  }

  /// The text; `nil` if the file is not one that this version stored.
  public var text: Secret? {
    var status = stat()
    guard linux_is_sealed(descriptor) != 0, fstat(descriptor, &status) == 0, status.st_size <= Self.sizeLimit else {
      return nil
    }
    return FileContent.ofRegularFile(descriptor, limit: Self.sizeLimit).flatMap { content in
      content.withBytes { bytes in
        bytes.starts(with: Self.header) ? Secret(bytes.dropFirst(Self.header.count)) : nil
      }
    }
  }
}
