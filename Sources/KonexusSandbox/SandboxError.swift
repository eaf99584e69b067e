/// Why a sandbox could not start, or could not do what was requested.
public struct SandboxError: Error, Hashable, CustomStringConvertible {
  /// The reason, in plain words.
  public var description: String

  init(_ description: String) { self.description = description }
}
