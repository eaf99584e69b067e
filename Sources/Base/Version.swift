/// The release, by semantic versioning; `CHANGELOG.md` tells what is in it.
public let konexusTokendVersion = "0.1.0"
