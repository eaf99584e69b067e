import Base

extension TokenSettings {
  /// Where what the next run needs is kept: beside the token's first file, for the daemon's own eyes.
  var statePath: String {
    outputs.first.map { Self.statePath(of: name, besides: $0.path) } ?? ""
  }

  /// The same for a token of that name whose first file is at `output`.
  static func statePath(of name: String, besides output: String) -> String {
    FilePath.directory(of: output) + "/\(name).state"
  }
}
