import Base
package import Files

extension TokenSettings {
  /// Where what the next run needs is kept: beside the token's first file, for the daemon's own eyes.
  package var statePath: String {
    outputs.first.map { Self.statePath(of: name, besides: $0.path) } ?? ""
  }

  /// The same for a token of that name whose first file is at `output`.
  package static func statePath(of name: String, besides output: String) -> String {
    FilePath.directory(of: output) + "/\(name).state"
  }

  /// The files that the daemon writes for the token: those of its outputs, and its state file.
  package func publishedFiles(allowsPersistentStorage: Bool) -> (outputs: [PublishedFile], state: PublishedFile) {
    (
      outputs.map { PublishedFile(path: $0.path, mode: $0.mode, allowsPersistentStorage: allowsPersistentStorage) },
      PublishedFile(path: statePath, mode: 0o600, allowsPersistentStorage: allowsPersistentStorage)
    )
  }

  /// Checks that the files could be written.
  func preparePlaces(allowsPersistentStorage: Bool) throws(PublicationFailure) {
    let (outputs, state) = publishedFiles(allowsPersistentStorage: allowsPersistentStorage)
    for file in outputs + [state] { try file.prepare() }
  }
}
