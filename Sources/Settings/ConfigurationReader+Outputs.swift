import TOML

extension ConfigurationReader {
  /// Brings `file`, `mode` and the `[[token.NAME.output]]` tables together.
  mutating func readOutputs(_ draft: inout TokenDraft, _ map: TOMLMap, _ entry: TOMLEntry, table: String) {
    let name = draft.settings.name
    let path = draft.file ?? "\(environment.tokenDirectory)/\(name).token"
    draft.settings.outputs = [TokenOutput(path: path, mode: draft.mode)]
    if let file = map["file"], draft.file != nil {
      claim(path, by: draft.settings, for: table, file, at: .value(file.value.range))
    } else {
      claim(path, by: draft.settings, for: table, entry, at: .name)
    }
    guard let list = map["output"] else { return }
    let outputTable = "\(table).output"
    switch list.value.content {
    case .invalid: break
    case .array(let elements):
      for element in elements {
        guard case .table(let fields) = element.content else {
          report(
            "'output' takes tables, not \(element.kind); write [[\(outputTable)]] on a line of its own and its keys below",
            list, table: table, at: .name)
          continue
        }
        let place = TOMLEntry(
          name: list.name, nameRange: element.range, statement: .header(element.range), value: element)
        readOutput(fields, place, of: &draft, table: outputTable)
      }
    default:
      report(
        "[\(outputTable)] is a list of tables; write it with two brackets: [[\(outputTable)]]", list, table: table,
        at: .name)
    }
  }

  private mutating func readOutput(_ map: TOMLMap, _ entry: TOMLEntry, of draft: inout TokenDraft, table: String) {
    var output = OutputDraft()
    read(map, keys: ConfigurationKeys.output, table: table, into: &output)
    if let variable = map["variable"], output.format != .env, map["format"].isValidOrAbsent {
      report(
        "'variable' is for format = \"env\" alone; add that, or remove it", variable, table: table, at: .name)
    }
    let name = draft.settings.name
    let path = output.path ?? "\(environment.tokenDirectory)/\(name).\(output.format.fileExtension)"
    if let given = map["path"], output.path != nil {
      claim(path, by: draft.settings, for: table, given, at: .value(given.value.range))
    } else if map["path"] == nil, map["format"].isValidOrAbsent {
      claim(path, by: draft.settings, for: table, entry, at: .name)
    }
    let variable = output.format == .env ? output.variable ?? Self.defaultVariable(name) : nil
    draft.settings.outputs.append(
      TokenOutput(path: path, mode: output.mode ?? draft.mode, format: output.format, variable: variable))
  }

  /// `konexus` becomes `KONEXUS_TOKEN`.
  package static func defaultVariable(_ name: String) -> String {
    let word = String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    return (word.utf8.first?.isDigit == true ? "_" : "") + word + "_TOKEN"
  }

  /// Like `claim`, and the files that the token's own settings are read from are no place for it either.
  private mutating func claim(
    _ path: String, by settings: TokenSettings, for table: String, _ entry: TOMLEntry,
    at pointer: ConfigurationSource.Pointer
  ) {
    let read = [
      settings.caFile, settings.privateKeyFile, settings.clientCertificateFile, settings.clientKeyFile,
      settings.signal?.pidFile,
    ]
    guard !settings.secrets.contains(.file(path)), !read.contains(path) else {
      return report(
        "[\(table)] writes to \(path.shown), which it reads its settings from; give another path", entry, table: table,
        at: pointer, showsValue: true)
    }
    claim(path, for: table, entry, at: pointer)
  }
}

extension TOMLEntry? {
  fileprivate var isValidOrAbsent: Bool {
    if case .invalid? = self?.value.content { false } else { true }
  }
}
