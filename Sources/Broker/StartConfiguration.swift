public import Base
import CLinux
import Glibc
public import Settings

/// What the daemon starts with.
public struct StartConfiguration: Sendable {
  /// The settings in effect.
  public var configuration: Configuration
  /// Why they are not those of the file; `nil` if they are.
  public var problem: ConfigurationProblem?
  /// All that is wrong with the file.
  public var diagnostics: [Diagnostic] = []
  /// The text that the next start uses if its file is broken; `nil` if this one is used in part.
  public var stored: StoredConfiguration?

  /// Decides what a file, or what a former run left, gives to start with.
  ///
  /// - Parameters:
  ///   - draft: the file as it was read.
  ///   - former: the last good text, if a former run left one.
  ///   - isPartAllowed: whether a part of the file will do.
  /// - Throws: all that is wrong, if there is nothing to start with.
  public init(
    _ draft: ConfigurationDraft, former: StoredConfiguration?, environment: RuntimeEnvironment, isPartAllowed: Bool
  ) throws(ConfigurationErrors) {
    diagnostics = draft.diagnostics
    guard let first = diagnostics.first else {
      configuration = draft.configuration
      stored = draft.text.flatMap(StoredConfiguration.init)
      return
    }
    let reason = String(first.description.prefix { $0 != "\n" })
    if let text = former?.text,
      let previous = try? ConfigurationDraft(text, standingFor: draft.path, environment: environment).get()
    {
      configuration = previous
      problem = .previous(reason)
      // A new copy: the pages of the former one count for a process that has ended.
      stored = StoredConfiguration(text)
    } else if isPartAllowed, let usable = draft.usable {
      configuration = usable
      problem = .partial(faults: diagnostics.count, reason)
    } else {
      throw ConfigurationErrors(diagnostics: diagnostics)
    }
  }
}

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
    let isWritten =
      Self.header.withUnsafeBytes { Self.write($0, to: file) } && text.withBytes { Self.write($0, to: file) }
    guard isWritten, linux_seal(file) == 0 else {
      close(file)
      return nil
    }
    descriptor = file
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
    return Secret(readingFrom: descriptor, at: 0, atMost: Self.sizeLimit).flatMap { content in
      content.withBytes { bytes in
        bytes.starts(with: Self.header) ? Secret(bytes.dropFirst(Self.header.count)) : nil
      }
    }
  }

  private static func write(_ bytes: UnsafeRawBufferPointer, to file: Int32) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(file, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
    }
    return true
  }
}
