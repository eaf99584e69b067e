public import Base
import CLinux
import Files
import Glibc
public import Settings

/// The configuration that the daemon starts with.
public struct StartConfiguration: Sendable {
  /// The settings in effect.
  public var configuration: Configuration
  /// Why the settings are not those of the file; `nil` if they are.
  public var problem: ConfigurationProblem?
  /// All errors of the file.
  public var diagnostics: [Diagnostic] = []
  /// The text that the next start uses if its file has errors; `nil` if this one is used only in part.
  public var stored: StoredConfiguration?
  /// The settings with which tokens came last, if they are not those in effect, and their text for the next start.
  public var working: (settings: Configuration, text: StoredConfiguration?)?

  /// Chooses the file, the text of the previous run, or the valid tables of the file.
  ///
  /// - Parameters:
  ///   - draft: the file as it was read.
  ///   - former: the last valid text, if the previous run left one.
  ///   - working: the text with which tokens came last, if the previous run left one.
  ///   - isPartAllowed: whether a part of the file is enough.
  /// - Throws: all errors, if there is no configuration to start with.
  public init(
    _ draft: ConfigurationDraft, former: StoredConfiguration?, working: StoredConfiguration? = nil,
    environment: RuntimeEnvironment, isPartAllowed: Bool
  ) throws(ConfigurationErrors) {
    /// A text of the previous run, and a new copy: the memory of the previous one is accounted to a process that has
    /// ended.
    func read(_ text: Secret?) -> (settings: Configuration, text: StoredConfiguration?)? {
      guard let text,
        let settings = try? ConfigurationDraft(text, standingFor: draft.path, environment: environment).get()
      else { return nil }
      return (settings, StoredConfiguration(text))
    }
    let (former, working) = (former?.text, working?.text)
    diagnostics = draft.diagnostics
    guard let first = diagnostics.first else {
      configuration = draft.configuration
      stored = draft.text.flatMap(StoredConfiguration.init)
      let last = working ?? former
      self.working = last == draft.text ? nil : read(last)
      return
    }
    let reason = String(first.description.prefix { $0 != "\n" })
    if let previous = read(former) {
      configuration = previous.settings
      problem = .previous(reason)
      stored = previous.text
      self.working = working == former ? nil : read(working)
    } else if isPartAllowed, let usable = draft.usable {
      configuration = usable
      problem = .partial(faults: diagnostics.count, reason)
    } else {
      throw ConfigurationErrors(diagnostics: diagnostics)
    }
  }
}

/// The text of the last valid configuration in a sealed file in memory.
///
/// systemd stores its descriptor during a restart (`FDSTORE=1`), so that a restart with a broken configuration
/// continues with the previous one. A stop discards it. The text contains secrets: it is in memory only, and belongs to
/// this process's user.
///
/// Another one is kept while the present configuration has not brought tokens: that which brought the last ones.
public final class StoredConfiguration: Sendable {
  /// The name of the descriptor in systemd's store.
  public static let name = "configuration"

  /// The name of the descriptor of the configuration that brought the last tokens.
  public static let workingName = "working-configuration"

  /// The names of both.
  public static let names = [name, workingName]

  /// The file's descriptor, closed with the last reference.
  public let descriptor: Int32

  /// The first line, with the version: another version of the daemon can read the file.
  private static let header = Array("konexus-tokend configuration 1\n".utf8)

  /// The size limit, larger than that of ``ConfigurationDraft``.
  private static let sizeLimit = 17 << 20

  /// Stores `text`; `nil` if the kernel rejects that.
  public init?(_ text: Secret) {
    let file = SealedFile.make(Self.name) { file in
      try FileContent.write(Self.header, to: file)
      try text.withBytes { try FileContent.write($0, to: file) }
    }
    guard let file else { return nil }
    descriptor = file
  }

  /// Owns a descriptor that systemd stored.
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
