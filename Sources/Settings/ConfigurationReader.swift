import Base
import Files
import TOML

/// Converts a TOML document to settings and collects the faults.
package struct ConfigurationReader {
  let source: ConfigurationSource
  var environment: RuntimeEnvironment
  /// The directory where relative paths start.
  let directory: String
  private(set) var diagnostics: [Diagnostic] = []
  /// The checks of the files that the tables name.
  var fileChecks: [FileCheck] = []
  /// The files with relative paths.
  var relativeFiles: Set<String> = []
  /// The output files, and the entries that name them.
  var reservedPaths: [String: Reservation] = [:]

  struct Reservation {
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

  /// Reads the settings. They are complete only if there are no diagnostics.
  mutating func read(_ document: TOMLDocument) -> Configuration {
    for error in document.errors { report(error) }
    var configuration = Configuration(path: source.path, tokens: [])
    // The `[daemon]` table comes first, because it has the rules for the files that other tables name.
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
    configuration.relativeFiles = relativeFiles
    checkDaemonFiles(configuration)
    // After a syntax error, a table can be present but unread.
    if configuration.tokens.isEmpty, diagnostics.isEmpty { reportNoToken() }
    diagnostics = Diagnostic.inOrder(diagnostics)
    return configuration
  }

  private mutating func readDaemon(_ map: TOMLMap) -> DaemonSettings {
    var settings = DaemonSettings()
    read(map, keys: ConfigurationKeys.daemon, table: "daemon", into: &settings)
    for (key, path) in [("metrics_file", settings.metricsFile), ("credential_socket", settings.credentialSocket)] {
      if let path, let entry = map[key] { reserve(path, for: "daemon", entry, at: .value(entry.value.range)) }
    }
    return settings
  }

  /// Reads the entries of `map` into `settings` by the declarations of their keys. Other functions read `tables`.
  mutating func read<Settings>(
    _ map: TOMLMap, keys: [ConfigurationKey<Settings>], tables: [String] = [], table: String,
    into settings: inout Settings
  ) {
    for entry in map.entries where !tables.contains(entry.name) {
      if case .invalid = entry.value.content { continue }  // its syntax error is already reported
      guard let key = keys.first(where: { $0.name == entry.name }) else {
        reportUnknown(entry, table: table, known: keys.map(\.name) + tables)
        continue
      }
      do throws(SettingFault) {
        try key.apply(
          entry.value, file: source.path, directory: directory, credentialSources: environment.credentialSources,
          to: &settings)
      } catch {
        let range = error.range ?? entry.value.range
        let place = error.part.map { TOMLParser.place(of: $0, inString: range, of: source.bytes) } ?? range
        report(
          "'\(entry.name)' \(error.message)", entry, table: table, at: .value(place),
          showsValue: !key.isSecret && !error.hidesValue)
      }
    }
  }

  /// Reserves `path` for writing. It must not have another writer, nor be a file that settings are read from.
  mutating func reserve(_ path: String, for table: String, _ entry: TOMLEntry, at pointer: ConfigurationSource.Pointer)
  {
    if path == source.path {
      report(
        "[\(table)] writes to \(path.shown), which is this very configuration; give another path", entry, table: table,
        at: pointer, showsValue: true)
    } else if let other = reservedPaths[path] {
      report(
        "[\(table)] writes to \(path.shown), and so does [\(other.table)] (line \(other.line)); give each a file of "
          + "its own",
        entry, table: table, at: pointer, showsValue: true)
    } else {
      let line = source.position(of: pointer.range(in: entry).lowerBound).line
      reservedPaths[path] = Reservation(table: table, line: line, entry: entry, pointer: pointer)
    }
  }

  /// Reports outputs that would overwrite the daemon's own files.
  private mutating func checkDaemonFiles(_ configuration: Configuration) {
    let directory = environment.tokenDirectory
    var daemonFiles = [
      directory + "/" + DaemonFile.status: "its status", directory + "/" + DaemonFile.control: "its control socket",
      directory + "/" + DaemonFile.rejections: "its socket for rejected tokens",
    ]
    for path in reservedPaths.keys where FilePath.name(of: path) == DaemonFile.lock {
      daemonFiles[path] = "its lock on the directory"
    }
    for token in configuration.tokens where !token.outputs.isEmpty {
      daemonFiles[token.statePath] = "the state of [token.\(token.name)] for a restart"
    }
    for (path, what) in daemonFiles.sorted(by: { $0.key < $1.key }) {
      guard let reservation = reservedPaths[path] else { continue }
      report(
        "[\(reservation.table)] writes to \(path.shown), where the daemon keeps \(what); give another path",
        reservation.entry,
        table: reservation.table, at: reservation.pointer, showsValue: true)
    }
  }

  mutating func add(_ diagnostic: Diagnostic) { diagnostics.append(diagnostic) }
}

extension Diagnostic {
  /// Sorts by position. The sort is stable: diagnostics of one position keep their order.
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

extension ConfigurationReader {
  /// Reports a fault of `entry` or of a part of its value.
  mutating func report(
    _ message: String, _ entry: TOMLEntry, table: String?, at pointer: ConfigurationSource.Pointer,
    showsValue: Bool = false
  ) {
    add(diagnostic(message, entry, table: table, at: pointer, showsValue: showsValue))
  }

  /// The diagnostic for a fault of `entry` or of a part of its value.
  func diagnostic(
    _ message: String, _ entry: TOMLEntry, table: String?, at pointer: ConfigurationSource.Pointer, showsValue: Bool
  ) -> Diagnostic {
    let isTable = if case .header = entry.statement { true } else { false }
    let offset = pointer.range(in: entry).lowerBound
    let isTheTable = isTable && (table == entry.name || table?.hasSuffix(".\(entry.name)") == true)
    let key = [table, isTheTable ? nil : entry.name].compactMap(\.self)
    let tables = table?.split(separator: ".") ?? []
    return Diagnostic(
      file: source.path, position: source.position(of: offset), key: key.joined(separator: ".").printable,
      message: message, token: tables.count > 1 && tables[0] == "token" ? String(tables[1]) : nil,
      excerpt: source.excerpt(entry, at: pointer, showsValue: showsValue))
  }

  /// Reports a syntax error. The excerpt shows known keys only: text in the place of a key can be a part of a secret.
  mutating func report(_ error: TOMLSyntaxError) {
    let error = error.naming(in: source.bytes)
    var excerpt: [String] = []
    if let key = error.key, let name = key.names.last, ConfigurationKeys.all.contains(where: { $0.name == name }) {
      excerpt = source.excerpt(unreadableValueOf: key.range)
    }
    let earlier = error.earlier.map { " (line \(source.position(of: $0).line))" } ?? ""
    add(
      Diagnostic(
        file: source.path, position: source.position(of: error.offset), message: "syntax: \(error.message)\(earlier)",
        excerpt: excerpt))
  }

  mutating func reportUnknown(_ entry: TOMLEntry, table: String, known: [String]) {
    let name = entry.name
    let advice: String
    if let near = NearestName.to(name, among: known), NearestName.distance(name, near) <= 1 {
      advice = "did you mean '\(near)'?"
    } else if let other = ConfigurationKeys.all.first(where: { $0.name == name }) {
      advice = "it belongs in [\(other.table)]"
    } else if let near = NearestName.to(name, among: known) {
      advice = "did you mean '\(near)'?"
    } else {
      advice = "known are \(known.joined(separator: ", "))"
    }
    report("unknown key \(name.shown) in [\(table)]; \(advice)", entry, table: table, at: .name)
  }

  /// Reports an entry at the top of the file that is neither `[daemon]` nor `[token.NAME]`.
  mutating func reportStray(_ entry: TOMLEntry) {
    let name = entry.name.printable
    if entry.name == "daemon" || entry.name == "token" {
      let header = entry.name == "daemon" ? "[daemon]" : "[token.NAME]"
      return report(
        "'\(name)' is a table; write \(header) on a line of its own and its keys below", entry, table: nil, at: .name)
    }
    guard case .table(let map) = entry.value.content else {
      let known = ConfigurationKeys.all
      let advice =
        known.first { $0.name == entry.name }.map { "put it below [\($0.table)]" }
        ?? NearestName.to(entry.name, among: known.map(\.name)).map { "did you mean '\($0)', below a table's header?" }
        ?? "keys stand below [daemon] or [token.NAME]"
      return report("'\(name)' stands outside of the tables; \(advice)", entry, table: nil, at: .name)
    }
    let tokenKeys = Set(ConfigurationKeys.token.map(\.name))
    let advice =
      if let near = NearestName.to(entry.name, among: ["daemon", "token"]) {
        "did you mean \(near == "daemon" ? "[daemon]" : "[token.NAME]")?"
      } else if map.entries.contains(where: { tokenKeys.contains($0.name) }), Self.isTokenName(entry.name) {
        "did you mean [token.\(name)]?"
      } else {
        "known are [daemon] and [token.NAME]"
      }
    report("unknown table [\(name)]; \(advice)", entry, table: nil, at: .name)
  }

  /// Reports an entry of `[token]` that is no table.
  mutating func reportNamelessToken(_ entry: TOMLEntry) {
    let name = entry.name.printable
    switch entry.value.content {
    case .invalid: break
    case .array:
      report("[[token.\(name)]] is one table, not a list; write [token.\(name)]", entry, table: "token", at: .name)
    default:
      report(
        "'\(name)' stands in [token]; give the token a name, as in [token.konexus], and put it there", entry,
        table: "token", at: .name)
    }
  }

  mutating func reportNoToken() {
    let example = [
      "  [token.konexus]",
      "  issuer = \"https://auth.alertsense.com\"",
      "  client_id = \"CLIENT-ID\"",
      "  client_secret = \"SECRET\"",
    ]
    add(
      Diagnostic(
        file: source.path, message: "there is no [token.NAME] table, so there is nothing to do; write one:",
        excerpt: example))
  }
}
