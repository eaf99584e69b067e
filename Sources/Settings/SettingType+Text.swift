import Base
import OAuth
import TOML

extension SettingType<String> {
  /// Printable ASCII (RFC 6749, appendix A.1: VSCHAR), not empty.
  static let visibleText = SettingType(name: "a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a string", node, context) }
    try text.requireVisible()
    return text
  }

  /// A client identifier that is not from an example.
  static let clientID = SettingType(name: "a string") { node, context throws(SettingFault) in
    let text = try visibleText.read(node, context)
    guard !Placeholder.matches(text) else {
      throw SettingFault(message: "is a placeholder; \(Placeholder.remedy(in: context.file))")
    }
    return text
  }

  /// The issuer of an authorization server: an https URL, or http on localhost, without query and fragment (RFC 8414,
  /// section 2).
  static let issuer = SettingType(name: "an https URL, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an https URL, as a string", node, context) }
    if let fault = IssuerSyntax.fault(in: text) {
      throw SettingFault(message: "\(text.isEmpty ? "" : "is \(text.shown), which ")\(fault)")
    }
    guard !IssuerSyntax.isExample(text) else {
      throw SettingFault(
        message: "is \(text.shown), an example; \(Placeholder.remedy(in: context.file))")
    }
    return text
  }

  /// The name of an environment variable (environ(7)).
  static let environmentVariable = SettingType(name: "a variable's name, as a string") {
    node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a variable's name, as a string", node, context) }
    guard let first = text.utf8.first, !first.isDigit,
      text.utf8.allSatisfy({ $0.isBareKeyByte && $0 != UInt8(ascii: "-") })
    else {
      throw SettingFault(message: "is \(text.shown); take letters, digits and '_', no digit first")
    }
    return text
  }

  /// A file to read. A relative path starts at the configuration file's directory.
  static let inputPath = SettingType(name: "a path, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a path, as a string", node, context) }
    try text.requirePath()
    return context.resolve(text)
  }

  /// A file to write.
  static let outputPath = SettingType(name: "an absolute path, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an absolute path, as a string", node, context) }
    try text.requirePath()
    guard text.hasPrefix("/") else {
      throw SettingFault(
        message: "is \(text.shown), which is relative; give an absolute path, one that begins with '/'")
    }
    let parts = text.split(separator: "/").filter { $0 != "." }
    guard let last = parts.last, !text.hasSuffix("/"), !text.hasSuffix("/.") else {
      throw SettingFault(message: "is \(text.shown), a directory; give a file")
    }
    guard !parts.contains("..") else {
      throw SettingFault(message: "is \(text.shown), with '..' in it; give the path without")
    }
    // The temporary file has a longer name.
    guard last.utf8.count <= 200, text.utf8.count <= 4000 else {
      throw SettingFault(message: "is longer than a file name may be; give a shorter one")
    }
    return "/" + parts.joined(separator: "/")
  }

  /// A file that node_exporter's textfile collector reads.
  static let metricsPath = SettingType(name: "an absolute path, as a string") { node, context throws(SettingFault) in
    let path = try outputPath.read(node, context)
    guard path.hasSuffix(".prom") else {
      throw SettingFault(
        message: "is \(path.shown); node_exporter reads files whose names end in '.prom' only: give one that does")
    }
    return path
  }
}

extension String {
  func requireVisible(range: Range<Int>? = nil) throws(SettingFault) {
    guard !isEmpty else { throw SettingFault(message: "is empty; give it a value", range: range) }
    guard utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      if let (place, character) = Lookalike.first(in: utf8) {
        throw SettingFault(message: "contains \(character.name); remove it", range: range, part: place)
      }
      throw SettingFault(
        message: "is \(shown); only printable ASCII characters can be sent (RFC 6749, appendix A)", range: range)
    }
    guard !hasPrefix(" "), !hasSuffix(" ") else {
      throw SettingFault(message: "is \(shown), with a space at its beginning or end; remove it", range: range)
    }
  }

  func requirePath() throws(SettingFault) {
    guard !isEmpty else { throw SettingFault(message: "is empty; give a path") }
    guard !contains("-----BEGIN") else {
      throw SettingFault(message: "takes the path of a file, not its content", hidesValue: true)
    }
    guard !utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw SettingFault(message: "holds a line break or another control character; give a path", hidesValue: true)
    }
  }
}

extension SettingType<[String]> {
  /// A scope (RFC 6749, 3.3): a string of names separated by spaces, or an array of names. It can be empty.
  static let scope = SettingType(name: "a string or an array of strings") { node, context throws(SettingFault) in
    var names: [String] = []
    for element in try node.strings("a string or an array of strings", context) {
      for name in element.text.split(separator: " ") {
        // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != .quotationMark && $0 != .backslash }) else {
          throw SettingFault(
            message:
              "holds \(String(name).shown), which is no scope: quotes, backslashes and characters beyond ASCII have "
              + "no place there (RFC 6749, 3.3)",
            range: element.range)
        }
        guard !names.contains(String(name)) else {
          throw SettingFault(message: "holds \(String(name).shown) twice; remove one", range: element.range)
        }
        names.append(String(name))
      }
    }
    return names
  }

  /// One string or several, or an empty array. No string can be empty.
  static let textsOrNone = SettingType(name: texts.name) { node, context throws(SettingFault) in
    if case .array(let elements) = node.content, elements.isEmpty { return [] }
    return try texts.read(node, context)
  }

  /// Accepted values of `token_type` (RFC 6749, 7.1), beside `Bearer`.
  static let tokenTypes = SettingType(name: texts.name) { node, context throws(SettingFault) in
    let types = try textsOrNone.read(node, context)
    for element in try node.strings(texts.name, context) where TokenType.isUnusable(element.text) {
      throw SettingFault(
        message: "holds \(element.text.shown), a type of tokens that applications cannot use; only Bearer tokens can "
          + "be published", range: element.range)
    }
    return types
  }

  /// One string or several. None can be empty.
  static let texts = SettingType(name: "a string or an array of strings") { node, context throws(SettingFault) in
    let elements = try node.strings("a string or an array of strings", context)
    guard !elements.isEmpty else { throw SettingFault(message: "is empty; give at least one, or leave the key out") }
    var texts: [String] = []
    for element in elements {
      guard !element.text.isEmpty else {
        throw SettingFault(message: "holds an empty string; remove it", range: element.range)
      }
      try element.text.requireVisible(range: element.range)
      guard !texts.contains(element.text) else {
        throw SettingFault(message: "holds \(element.text.shown) twice; remove one", range: element.range)
      }
      texts.append(element.text)
    }
    return texts
  }
}

extension TOMLNode {
  /// A string, or the strings of an array.
  func strings(_ name: String, _ context: SettingContext) throws(SettingFault) -> [(
    text: String, range: Range<Int>
  )] {
    if let string { return [(string, range)] }
    guard case .array(let elements) = content else { throw SettingType<String>.mismatch(name, self, context) }
    var strings: [(String, Range<Int>)] = []
    for element in elements {
      guard let string = element.string else {
        throw SettingType<String>.mismatch("strings in its array", element, context)
      }
      strings.append((string, element.range))
    }
    return strings
  }

  func oneOrTwo(_ name: String, _ context: SettingContext) throws(SettingFault) -> [TOMLNode] {
    switch content {
    case .string: return [self]
    case .array(let elements):
      guard (1...2).contains(elements.count) else {
        throw SettingFault(
          message: "has \(elements.count) elements; give one, or two: the current one and the next", range: range)
      }
      return elements
    default: throw SettingType<String>.mismatch(name, self, context)
    }
  }
}

extension SettingType<[SecretSource]> {
  /// One client secret, or the current and the next one.
  static let secrets = SettingType(name: "a string, or an array of the current secret and the next") {
    node, context throws(SettingFault) in
    let nodes = try node.oneOrTwo("a string, or an array of the current secret and the next", context)
    var secrets: [SecretSource] = []
    for node in nodes {
      guard case .string(let secret) = node.content else { throw mismatch("a string", node, context) }
      if let fault = secret.withBytes({ SecretText.fault(in: $0) }) {
        let remedy =
          fault.isPlaceholder
          ? Placeholder.remedy(in: context.file)
          : fault.remedy ?? "give the secret as the authorization server's operator handed it out"
        throw SettingFault(message: "\(fault.problem); \(remedy)", range: node.range, part: fault.range)
      }
      guard !secrets.contains(.literal(secret)) else {
        throw SettingFault(message: "holds the same secret twice; give the current one and the next", range: node.range)
      }
      secrets.append(.literal(secret))
    }
    return secrets
  }

  /// The file of one client secret, or the files of the current and the next one.
  static let secretFiles = SettingType(name: "a path, or an array of two: the current secret's and the next's") {
    node, context throws(SettingFault) in
    let nodes = try node.oneOrTwo("a path, or an array of two: the current secret's and the next's", context)
    var files: [SecretSource] = []
    for node in nodes {
      let file: SecretSource
      do throws(SettingFault) {
        file = .file(try SettingType<String>.inputPath.read(node, context))
      } catch {
        throw SettingFault(message: error.message, range: node.range)
      }
      guard !files.contains(file) else {
        throw SettingFault(message: "holds the same file twice; remove one", range: node.range)
      }
      files.append(file)
    }
    return files
  }
}
