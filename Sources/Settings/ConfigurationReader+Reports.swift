import Base
import TOML

extension ConfigurationReader {
  /// Reports a fault of `entry`, or of a part of its value.
  mutating func report(
    _ message: String, _ entry: TOMLEntry, table: String?, at pointer: ConfigurationSource.Pointer,
    showsValue: Bool = false
  ) {
    add(diagnostic(message, entry, table: table, at: pointer, showsValue: showsValue))
  }

  /// A fault of `entry`, or of a part of its value.
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

  /// Reports a syntax error. Its key is shown only if it is one that there is: what stands at a key's place may be part of a secret.
  mutating func report(_ error: TOMLSyntaxError) {
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

  /// An entry at the top of the file that is neither [daemon] nor [token.NAME].
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

  /// An entry of [token] that is no table.
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
