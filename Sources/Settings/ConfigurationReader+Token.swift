import Base
import Files
import TOML

extension ConfigurationReader {
  /// The tables within a `[token.NAME]` table.
  private static let tablesOfToken = ["introspection", "output", "signal"]

  /// Reads a `[token.NAME]` table; `nil` if it has a fault.
  mutating func readToken(_ entry: TOMLEntry) -> TokenSettings? {
    let name = entry.name
    guard case .table(let map) = entry.value.content else {
      reportNamelessToken(entry)
      return nil
    }
    guard Self.isTokenName(name) else {
      report(
        "\(name.shown) cannot be a token's name; take 1 to 63 lower-case letters, digits, '_' and '-', a letter or "
          + "digit first",
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
    checkLocations(draft.settings, map, table: table)
    checkFiles(draft, map, table: table)
    draft.settings.introspectionClient = readIntrospection(map, of: draft.settings, table: table)
    readOutputs(&draft, map, entry, table: table)
    draft.settings.signal = readSignal(map, table: table)
    // A statement with a syntax error can change the meaning of the table.
    return diagnostics.count == faultsBefore && !map.isDamaged ? draft.settings : nil
  }

  /// Whether `name` matches `[a-z0-9][a-z0-9_-]{0,62}`. It becomes a file name, a log field and a label of metrics.
  static func isTokenName(_ name: String) -> Bool {
    let bytes = name.utf8
    guard let first = bytes.first, bytes.count <= 63 else { return false }
    return first != UInt8(ascii: "_") && first != UInt8(ascii: "-")
      && bytes.allSatisfy { $0.isBareKeyByte && !(0x41...0x5a).contains($0) }
  }

  /// Adds the checks of the files that the table names. They must exist, and root or the daemon's user must control
  /// them.
  mutating func checkFiles(_ draft: TokenDraft, _ map: TOMLMap, table: String) {
    let rules = environment.fileRules
    noteRelativePaths(draft, map)
    checkSecretFiles(draft.secretFiles, map, table: table)
    let settings = draft.settings
    if let path = settings.caFile {
      check("ca_file", map, table: table, canBeSecret: false) { () throws(FileRefusal) in
        try PEMFile.readAuthorities(path, rules: rules)
      }
    }
    if let path = settings.privateKeyFile {
      check("private_key_file", map, table: table) { () throws(FileRefusal) in
        try PEMFile.readKey(path, rules: rules)
      }
    }
    if let path = settings.assertionCertificateFile {
      let keyFile = settings.privateKeyFile
      check("assertion_certificate_file", map, table: table) { () throws(FileRefusal) in
        try AssertionCertificate.check(path, of: keyFile, rules: rules)
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

  private mutating func noteRelativePaths(_ draft: TokenDraft, _ map: TOMLMap) {
    let settings = draft.settings
    var files = [
      ("ca_file", settings.caFile), ("private_key_file", settings.privateKeyFile),
      ("client_key_file", settings.clientKeyFile), ("client_certificate_file", settings.clientCertificateFile),
      ("assertion_certificate_file", settings.assertionCertificateFile),
    ].map { key, path in (map[key]?.value, path) }
    if let entry = map["client_secret_file"] {
      let nodes = if case .array(let elements) = entry.value.content { elements } else { [entry.value] }
      for (node, file) in zip(nodes, draft.secretFiles) {
        if case .file(let path) = file { files.append((node, path)) }
      }
    }
    for case (let node?, let path?) in files where node.string?.hasPrefix("/") == false { relativeFiles.insert(path) }
  }

  private mutating func checkSecretFiles(_ files: [SecretSource], _ map: TOMLMap, table: String) {
    guard let entry = map["client_secret_file"] else { return }
    let nodes = if case .array(let elements) = entry.value.content { elements } else { [entry.value] }
    let environment = environment
    for (file, node) in zip(files, nodes) {
      check("client_secret_file", entry, node, table: table, canBeSecret: true) { () throws(FileRefusal) in
        _ = try file.read(in: environment)
      }
    }
  }

  private mutating func check(
    _ key: String, _ map: TOMLMap, table: String, canBeSecret: Bool = true,
    _ body: @escaping @Sendable () throws(FileRefusal) -> Void
  ) {
    guard let entry = map[key] else { return }
    check(key, entry, entry.value, table: table, canBeSecret: canBeSecret, body)
  }

  /// Adds the check of a file.
  ///
  /// - Parameter canBeSecret: whether the name of a file that does not exist is hidden, unless it is absolute. It can
  ///   be a secret or key that was written in place of the path.
  private mutating func check(
    _ key: String, _ entry: TOMLEntry, _ node: TOMLNode, table: String, canBeSecret: Bool,
    _ body: @escaping @Sendable () throws(FileRefusal) -> Void
  ) {
    let canBeSecret = canBeSecret && node.string?.hasPrefix("/") != true
    let directory = directory
    func diagnostic(showsValue: Bool) -> Diagnostic {
      self.diagnostic("", entry, table: table, at: .value(node.range), showsValue: showsValue)
    }
    fileChecks.append(
      FileCheck(shown: diagnostic(showsValue: true), hidden: diagnostic(showsValue: false)) {
        do throws(FileRefusal) {
          try body()
          return nil
        } catch {
          let isShown = !(error.isMissing && canBeSecret)
          let reason =
            isShown ? "\(error)" : "there is no such file in '\(directory.printable)'; give an absolute path"
          return FileCheck.Fault(message: "'\(key)': \(reason)", showsValue: isShown)
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
            "[\(signalTable)] has no 'pid_file'; name the file with the process's id, as in pid_file = "
              + "\"/run/reader.pid\"",
            entry, table: signalTable, at: .name)
        }
        return nil
      }
      return ReaderSignal(pidFile: pidFile, name: draft.name)
    default:
      report(
        "'signal' takes a table, as in signal = { pid_file = \"/run/reader.pid\", signal = \"HUP\" }, not "
          + "\(entry.value.kind)",
        entry, table: table, at: .value(entry.value.range), showsValue: true)
      return nil
    }
  }
}

extension ConfigurationReader {
  /// Checks that the table names the server and the client, and that it has what the authentication method needs.
  ///
  /// A key that would have no effect is a fault, because the administrator expects an effect.
  ///
  /// - Parameter isIntrospection: whether the table is that of the client that introspects the token.
  mutating func checkClient(
    _ settings: TokenSettings, _ map: TOMLMap, _ entry: TOMLEntry, table: String, isIntrospection: Bool = false
  ) {
    checkUnused(settings, map, table: table)
    // A key that seems to be missing can be in the statement with a syntax error.
    guard !map.isDamaged else { return }
    let misspelt = misspelt(in: map)
    func missing(_ keys: [String], _ what: String) {
      // The misspelt key has a diagnostic of its own.
      guard misspelt.isDisjoint(with: keys) else { return }
      report("[\(table)] has no \(what)", entry, table: table, at: .name)
    }
    if settings.clientID == Placeholder.sampleClientID, IssuerSyntax.isOfKonexus(settings.issuer),
      let clientID = map["client_id"]
    {
      report(
        "'client_id' is the sample's; \(Placeholder.remedy(in: source.path))", clientID, table: table,
        at: .value(clientID.value.range), showsValue: true)
    }
    let secrets = ["client_secret", "client_secret_file"]
    if map["issuer"] == nil, !isIntrospection {
      missing(["issuer"], "'issuer'; name the authorization server, as in issuer = \"https://auth.alertsense.com\"")
    }
    if map["client_id"] == nil {
      missing(["client_id"], "'client_id'; give the one that the authorization server's operator handed out")
    }
    let method = settings.clientAuthentication
    let (needed, advice): ([String], String) =
      switch method {
      case .post, .basic:
        (secrets, "client secret; give client_secret_file = \"PATH\" or client_secret = \"SECRET\"")
      case .privateKeyJWT:
        (
          ["private_key_file"],
          "'private_key_file', which client_auth = \"\(method.rawValue)\" needs; name the key's file"
        )
      case .tls, .selfSignedTLS:
        (
          ["client_certificate_file"],
          "'client_certificate_file', which client_auth = \"\(method.rawValue)\" needs; name the certificate's file"
        )
      case .auto where isIntrospection:
        (secrets + ["private_key_file"], "client secret or key; give client_secret_file or private_key_file")
      case .auto:
        (
          secrets + ["private_key_file", "client_certificate_file"],
          "client secret, key or certificate; give client_secret_file, private_key_file or client_certificate_file"
        )
      }
    if needed.allSatisfy({ map[$0] == nil }) { missing(needed, advice) }
  }

  /// The keys for which the unknown keys in `map` are probably misspellings.
  private func misspelt(in map: TOMLMap) -> Set<String> {
    let known = ConfigurationKeys.token.map(\.name)
    return Set(map.entries.filter { !known.contains($0.name) }.compactMap { NearestName.to($0.name, among: known) })
  }

  private mutating func checkUnused(_ settings: TokenSettings, _ map: TOMLMap, table: String) {
    func report(_ key: String, _ message: String) {
      guard let entry = map[key] else { return }
      if case .invalid = entry.value.content { return }
      self.report("'\(key)' \(message)", entry, table: table, at: .name)
    }
    if let literal = map["client_secret"], let file = map["client_secret_file"] {
      let (first, second) = literal.nameRange.lowerBound < file.nameRange.lowerBound ? (literal, file) : (file, literal)
      let line = source.position(of: first.nameRange.lowerBound).line
      report(second.name, "comes in addition to '\(first.name)' (line \(line)); keep one of the two")
    }
    let method = settings.clientAuthentication
    if [.privateKeyJWT, .tls, .selfSignedTLS].contains(method) {
      for key in ["client_secret", "client_secret_file"] {
        report(key, "is not used with client_auth = \"\(method.rawValue)\"; remove it")
      }
    }
    if method != .basic, method != .auto {
      report(
        "basic_encoding", "counts with client_auth = \"client_secret_basic\" or \"auto\" alone; set that, or remove it")
    }
    if method != .privateKeyJWT, method != .auto {
      let keys = [
        "private_key_file", "key_id", "assertion_algorithm", "assertion_audience", "assertion_certificate_file",
      ]
      for key in keys {
        report(key, "counts with client_auth = \"private_key_jwt\" or \"auto\" alone; set that, or remove it")
      }
    }
    if map["client_certificate_file"] == nil, !map.isDamaged {
      report("client_key_file", "goes with a 'client_certificate_file', which is missing; add it")
    }
    if map["private_key_file"] == nil, !map.isDamaged {
      report("assertion_certificate_file", "goes with a 'private_key_file', which is missing; add it")
    }
    if settings.requiresAccessTokenType, settings.verification != .jwt {
      report("require_at_jwt", "counts with verify = \"jwt\" alone; remove one of the two")
    }
    // Only the API can check a token again that is not verified.
    if settings.verification == .none, map["api_url"] == nil, !map.isDamaged {
      report("recheck_interval", "has no effect with verify = \"none\" and without 'api_url'; remove it")
    }
  }
}

extension ConfigurationReader {
  /// Combines `file`, `mode` and the `[[token.NAME.output]]` tables.
  mutating func readOutputs(_ draft: inout TokenDraft, _ map: TOMLMap, _ entry: TOMLEntry, table: String) {
    let name = draft.settings.name
    let path = draft.file ?? "\(environment.tokenDirectory)/\(name).token"
    draft.settings.outputs = [TokenOutput(path: path, mode: draft.mode)]
    if let file = map["file"], draft.file != nil {
      reserve(path, by: draft.settings, for: table, file, at: .value(file.value.range))
    } else {
      reserve(path, by: draft.settings, for: table, entry, at: .name)
    }
    guard let list = map["output"] else { return }
    let outputTable = "\(table).output"
    switch list.value.content {
    case .invalid: break
    case .array(let elements):
      for element in elements {
        guard case .table(let fields) = element.content else {
          report(
            "'output' takes tables, not \(element.kind); write [[\(outputTable)]] on a line of its own and its keys "
              + "below",
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
    checkTemplate(of: output, map, entry, table: table)
    let name = draft.settings.name
    let path = output.path ?? "\(environment.tokenDirectory)/\(name).\(output.format.fileExtension)"
    if let given = map["path"], output.path != nil {
      reserve(path, by: draft.settings, for: table, given, at: .value(given.value.range))
    } else if map["path"] == nil, map["format"].isValidOrAbsent {
      reserve(path, by: draft.settings, for: table, entry, at: .name)
    }
    let variable = output.format == .env ? output.variable ?? Self.defaultVariable(name) : nil
    draft.settings.outputs.append(
      TokenOutput(
        path: path, mode: output.mode ?? draft.mode, format: output.format, variable: variable,
        template: output.template))
  }

  private mutating func checkTemplate(of output: OutputDraft, _ map: TOMLMap, _ entry: TOMLEntry, table: String) {
    guard map["format"].isValidOrAbsent, !map.isDamaged else { return }
    if output.format == .template, map["template"] == nil {
      report(
        "[\(table)] has no 'template', which format = \"template\" needs; write one, as in template = "
          + "\"Authorization: Bearer {token}\"",
        entry, table: table, at: .name)
    } else if output.format != .template, let template = map["template"] {
      report(
        "'template' is for format = \"template\" alone; add that, or remove it", template, table: table, at: .name)
    }
  }

  /// The default name of a variable: `KONEXUS_TOKEN` for `konexus`.
  package static func defaultVariable(_ name: String) -> String {
    let word = String(name.uppercased().map { $0 == "-" ? "_" : $0 })
    return (word.utf8.first?.isDigit == true ? "_" : "") + word + "_TOKEN"
  }

  /// Reserves `path` for an output. It must not be a file that the token's settings are read from.
  private mutating func reserve(
    _ path: String, by settings: TokenSettings, for table: String, _ entry: TOMLEntry,
    at pointer: ConfigurationSource.Pointer
  ) {
    guard !settings.inputFiles.contains(path), settings.signal?.pidFile != path else {
      return report(
        "[\(table)] writes to \(path.shown), which it reads its settings from; give another path", entry, table: table,
        at: pointer, showsValue: true)
    }
    reserve(path, for: table, entry, at: pointer)
  }
}

extension TOMLEntry? {
  fileprivate var isValidOrAbsent: Bool {
    if case .invalid? = self?.value.content { false } else { true }
  }
}
