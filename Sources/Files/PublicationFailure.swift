import Base

/// Why a file could not be put in its place, with what to do about it.
public struct PublicationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// A sentence that names the path, the fault and the remedy.
  public var description: String
  /// Whether another daemon has the directory: it may end soon.
  public var isOccupied = false

  package init(_ description: String) {
    self.description = description
  }

  package init(_ held: DirectoryLocks.Held) {
    description = held.description
    isOccupied = true
  }

  /// The same of a token that stays at `path` meanwhile.
  package func whileKept(in path: String) -> PublicationFailure {
    var failure = self
    failure.description += "; the token stays in \(path) until then"
    return failure
  }

  package static func system(
    _ what: String, _ path: String, _ code: Int32, remedy: String? = nil
  ) -> PublicationFailure {
    PublicationFailure("cannot \(what) \(path): \(SystemError.text(code))" + (remedy.map { "; " + $0 } ?? ""))
  }
}
