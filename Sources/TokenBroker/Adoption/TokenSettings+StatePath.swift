extension TokenSettings {
  /// Where what the next run needs is kept: beside the token's first file, for the daemon's own eyes.
  var statePath: String {
    guard let output = outputs.first else { return "" }
    return FilePath.directory(of: output.path) + "/\(name).state"
  }
}
