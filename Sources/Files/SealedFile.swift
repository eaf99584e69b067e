import CLinux
import Glibc

/// An unnamed file in memory that does not change any more (memfd_create(2), F_ADD_SEALS in fcntl(2)).
package enum SealedFile {
  /// Makes a file, has it written, and seals it.
  ///
  /// - Parameter name: what /proc shows.
  /// - Returns: the descriptor, which the caller closes; `nil` if the kernel refuses the file.
  package static func make(_ name: String, _ write: (Int32) throws -> Void) -> Int32? {
    let file = linux_memory_file(name)
    guard file >= 0 else { return nil }
    do { try write(file) } catch {
      close(file)
      return nil
    }
    guard linux_seal(file) == 0 else {
      close(file)
      return nil
    }
    return file
  }
}
