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
