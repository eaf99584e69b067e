/// The release (semantic versioning). `CHANGELOG.md` lists what changed.
public let konexusTokendVersion = "0.1.0"
