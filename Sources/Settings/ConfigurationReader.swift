import Base
import Files
import TOML

/// Turns a TOML document into settings, and gathers all that is wrong on the way.
package struct ConfigurationReader {
  let source: ConfigurationSource
  var environment: RuntimeEnvironment
  /// Where relative paths begin.
  let directory: String
  private(set) var diagnostics: [Diagnostic] = []
  /// What is to be checked of the files that the tables name.
  var fileChecks: [FileCheck] = []
  /// The files that are named by relative paths.
  var filesBesideIt: Set<String> = []
  /// The files that will be written, and what said so.
  var claims: [String: Claim] = [:]

  struct Claim {
    var table: String
    var line: Int
    var entry: TOMLEntry
    var pointer: ConfigurationSource.Pointer
  }

  package init(source: ConfigurationSource, environment: RuntimeEnvironment, directory: String) {
    self.source = source
    self.environment = environment
    self.directory = directory
  }

  /// The settings; to be used only if there are no diagnostics.
  mutating func read(_ document: TOMLDocument) -> Configuration {
    for error in document.errors { report(error) }
    var configuration = Configuration(path: source.path, tokens: [])
    // First, for it says how the files that the others name may be.
    if case .table(let map)? = document.root["daemon"]?.value.content {
      configuration.daemon = readDaemon(map)
      environment.allowsGroupRead = configuration.daemon.allowGroupRead
    }
    for entry in document.root.entries {
      switch (entry.name, entry.value.content) {
      case (_, .invalid), ("daemon", .table): break
      case ("token", .table(let map)): configuration.tokens = map.entries.compactMap { readToken($0) }
      default: reportStray(entry)
      }
    }
    configuration.filesBesideIt = filesBesideIt
    claimOwnFiles(configuration)
    // With an error before it, a table may be there and merely have gone unread.
    if configuration.tokens.isEmpty, diagnostics.isEmpty { reportNoToken() }
    diagnostics = Diagnostic.inOrder(diagnostics)
    return configuration
  }

  private mutating func readDaemon(_ map: TOMLMap) -> DaemonSettings {
    var settings = DaemonSettings()
    read(map, keys: ConfigurationKeys.daemon, table: "daemon", into: &settings)
    for (key, path) in [("metrics_file", settings.metricsFile), ("credential_socket", settings.credentialSocket)] {
      if let path, let entry = map[key] { claim(path, for: "daemon", entry, at: .value(entry.value.range)) }
    }
    return settings
  }

  /// Reads the entries of `map` into `settings`, each by its key's declaration; `tables` are read elsewhere.
  mutating func read<Settings>(
    _ map: TOMLMap, keys: [ConfigurationKey<Settings>], tables: [String] = [], table: String,
    into settings: inout Settings
  ) {
    for entry in map.entries where !tables.contains(entry.name) {
      if case .invalid = entry.value.content { continue }  // its syntax error is told already
      guard let key = keys.first(where: { $0.name == entry.name }) else {
        reportUnknown(entry, table: table, known: keys.map(\.name) + tables)
        continue
      }
      do throws(SettingFault) {
        try key.apply(
          entry.value, directory: directory, credentialSources: environment.credentialSources, to: &settings)
      } catch {
        report(
          "'\(entry.name)' \(error.message)", entry, table: table, at: .value(error.range ?? entry.value.range),
          showsValue: !key.isSecret && !error.hidesValue)
      }
    }
  }

  /// Notes that `path` will be written; two writers of one file are an error, and so is a file that settings are read from.
  mutating func claim(_ path: String, for table: String, _ entry: TOMLEntry, at pointer: ConfigurationSource.Pointer) {
    if path == source.path {
      report(
        "[\(table)] writes to \(path.shown), which is this very configuration; give another path", entry, table: table,
        at: pointer, showsValue: true)
    } else if let other = claims[path] {
      report(
        "[\(table)] writes to \(path.shown), and so does [\(other.table)] (line \(other.line)); give each a file of its own",
        entry, table: table, at: pointer, showsValue: true)
    } else {
      let line = source.position(of: pointer.range(in: entry).lowerBound).line
      claims[path] = Claim(table: table, line: line, entry: entry, pointer: pointer)
    }
  }

  /// Reports outputs at the paths of the daemon's own files.
  private mutating func claimOwnFiles(_ configuration: Configuration) {
    let directory = environment.tokenDirectory
    var own = [
      directory + "/" + DaemonFile.status: "its status", directory + "/" + DaemonFile.control: "its control socket",
    ]
    for path in claims.keys where FilePath.name(of: path) == DaemonFile.lock {
      own[path] = "its lock on the directory"
    }
    for token in configuration.tokens where !token.outputs.isEmpty {
      own[token.statePath] = "what it needs to take [token.\(token.name)] over after a restart"
    }
    for (path, what) in own.sorted(by: { $0.key < $1.key }) {
      guard let claim = claims[path] else { continue }
      report(
        "[\(claim.table)] writes to \(path.shown), where the daemon keeps \(what); give another path", claim.entry,
        table: claim.table, at: claim.pointer, showsValue: true)
    }
  }

  mutating func add(_ diagnostic: Diagnostic) { diagnostics.append(diagnostic) }
}

extension Diagnostic {
  /// By their places in the file. Stable, so that what is said of one place keeps its order.
  static func inOrder(_ diagnostics: [Diagnostic]) -> [Diagnostic] {
    let order = diagnostics.enumerated().sorted { left, right in
      (left.element.position ?? .start, left.offset) < (right.element.position ?? .start, right.offset)
    }
    return order.map(\.element)
  }
}

extension Diagnostic.Position {
  fileprivate static let start = Diagnostic.Position(line: 0, column: 0)
}
