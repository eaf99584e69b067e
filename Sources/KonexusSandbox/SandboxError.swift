/// Why a sandbox could not start or do what it was told.
public struct SandboxError: Error, Hashable, CustomStringConvertible {
  /// What went wrong, in plain words.
  public var description: String

  init(_ description: String) { self.description = description }
}
