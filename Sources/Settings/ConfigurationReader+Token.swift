import Files
import TOML

extension ConfigurationReader {
  /// The tables within a `[token.NAME]` table.
  private static let tablesOfToken = ["output", "signal"]

  /// Reads a `[token.NAME]` table; nil if something is wrong with it.
  mutating func readToken(_ entry: TOMLEntry) -> TokenSettings? {
    let name = entry.name
    guard case .table(let map) = entry.value.content else {
      reportNamelessToken(entry)
      return nil
    }
    guard Self.isTokenName(name) else {
      report(
        "\(name.shown) cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and '-', a letter or digit first",
        entry, table: "token", at: .name)
      return nil
    }
    let table = "token.\(name)"
    let faultsBefore = diagnostics.count
    var draft = TokenDraft(settings: TokenSettings(name: name))
    draft.settings.allowsGroupRead = environment.allowsGroupRead
    read(map, keys: ConfigurationKeys.token, tables: Self.tablesOfToken, table: table, into: &draft)
    draft.settings.secrets = draft.literalSecrets + draft.secretFiles
    checkClient(draft.settings, map, entry, table: table)
    checkFiles(draft, map, table: table)
    readOutputs(&draft, map, entry, table: table)
    draft.settings.signal = readSignal(map, table: table)
    // A statement that could not be read may be the very one that makes the table what it should be.
    return diagnostics.count == faultsBefore && !map.isDamaged ? draft.settings : nil
  }

  /// `[a-z0-9][a-z0-9_-]{0,62}`: it becomes a file's name, a field of the log and a label.
  static func isTokenName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, bytes.count <= 63 else { return false }
    return first != UInt8(ascii: "_") && first != UInt8(ascii: "-")
      && bytes.allSatisfy { $0.isBareKeyByte && !(0x41...0x5a).contains($0) }
  }

  /// Notes what is to be checked of the files that the table names: they must be there, and under the control of root or the daemon's user.
  private mutating func checkFiles(_ draft: TokenDraft, _ map: TOMLMap, table: String) {
    let rules = environment.fileRules
    noteRelative(draft, map)
    checkSecretFiles(draft.secretFiles, map, table: table)
    let settings = draft.settings
    if let path = settings.caFile {
      check("ca_file", map, table: table) { () throws(FileRefusal) in
        try PEMFile.readAuthorities(path, rules: rules)
      }
    }
    if let path = settings.privateKeyFile {
      check("private_key_file", map, table: table) { () throws(FileRefusal) in
        try PEMFile.readKey(path, rules: rules)
      }
    }
    if let path = settings.clientKeyFile {
      check("client_key_file", map, table: table) { () throws(FileRefusal) in
        try PEMFile.readKey(path, rules: rules)
      }
    }
    if let path = settings.clientCertificateFile {
      let needsKey = settings.clientKeyFile == nil
      check("client_certificate_file", map, table: table) { () throws(FileRefusal) in
        try PEMFile.readClientCertificates(path, needsKey: needsKey, rules: rules)
      }
    }
  }

  private mutating func noteRelative(_ draft: TokenDraft, _ map: TOMLMap) {
    let settings = draft.settings
    var files = [
      ("ca_file", settings.caFile), ("private_key_file", settings.privateKeyFile),
      ("client_key_file", settings.clientKeyFile), ("client_certificate_file", settings.clientCertificateFile),
    ].map { key, path in (map[key]?.value, path) }
    if let entry = map["client_secret_file"] {
      let nodes = if case .array(let elements) = entry.value.content { elements } else { [entry.value] }
      for (node, file) in zip(nodes, draft.secretFiles) {
        if case .file(let path) = file { files.append((node, path)) }
      }
    }
    for case (let node?, let path?) in files where node.string?.hasPrefix("/") == false { filesBesideIt.insert(path) }
  }

  private mutating func checkSecretFiles(_ files: [SecretSource], _ map: TOMLMap, table: String) {
    guard let entry = map["client_secret_file"] else { return }
    let nodes = if case .array(let elements) = entry.value.content { elements } else { [entry.value] }
    let environment = environment
    let directory = directory
    for (file, node) in zip(files, nodes) {
      let isAbsolute = node.string?.hasPrefix("/") == true
      func diagnostic(showsValue: Bool) -> Diagnostic {
        self.diagnostic("", entry, table: table, at: .value(node.range), showsValue: showsValue)
      }
      fileChecks.append(
        FileCheck(shown: diagnostic(showsValue: true), hidden: diagnostic(showsValue: false)) {
          do throws(FileRefusal) {
            _ = try file.read(in: environment)
            return nil
          } catch {
            // A name without a directory that leads nowhere may be the secret itself, put down at the wrong key.
            let isShown = !error.isMissing || isAbsolute
            let reason =
              isShown ? "\(error)" : "there is no such file in '\(directory.printable)'; give an absolute path"
            return FileCheck.Fault(message: "'client_secret_file': \(reason)", showsValue: isShown)
          }
        })
    }
  }

  private mutating func check(
    _ key: String, _ map: TOMLMap, table: String, _ body: @escaping @Sendable () throws(FileRefusal) -> Void
  ) {
    guard let entry = map[key] else { return }
    let diagnostic = diagnostic("", entry, table: table, at: .value(entry.value.range), showsValue: true)
    fileChecks.append(
      FileCheck(shown: diagnostic, hidden: diagnostic) {
        do throws(FileRefusal) {
          try body()
          return nil
        } catch {
          return FileCheck.Fault(message: "'\(key)': \(error)", showsValue: true)
        }
      })
  }

  private mutating func readSignal(_ map: TOMLMap, table: String) -> ReaderSignal? {
    guard let entry = map["signal"] else { return nil }
    let signalTable = "\(table).signal"
    switch entry.value.content {
    case .invalid: return nil
    case .table(let fields):
      var draft = SignalDraft()
      read(fields, keys: ConfigurationKeys.signal, table: signalTable, into: &draft)
      guard let pidFile = draft.pidFile else {
        if !fields.isDamaged, fields["pid_file"] == nil {
          report(
            "[\(signalTable)] has no 'pid_file'; name the file with the process's id, as in pid_file = \"/run/reader.pid\"",
            entry, table: signalTable, at: .name)
        }
        return nil
      }
      return ReaderSignal(pidFile: pidFile, name: draft.name)
    default:
      report(
        "'signal' takes a table, as in signal = { pid_file = \"/run/reader.pid\", signal = \"HUP\" }, not \(entry.value.kind)",
        entry, table: table, at: .value(entry.value.range), showsValue: true)
      return nil
    }
  }
}
