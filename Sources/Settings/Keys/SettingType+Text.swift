extension SettingType<String> {
  /// Printable ASCII (RFC 6749, appendix A.1: VSCHAR), not empty.
  static let visibleText = SettingType(name: "a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a string", node, context) }
    try text.mustBeVisible()
    return text
  }

  /// The issuer of an authorization server: https, or http on this very host; no query and no fragment (RFC 8414, section 2).
  static let issuer = SettingType(name: "an https URL, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an https URL, as a string", node, context) }
    if let fault = IssuerSyntax.fault(in: text) {
      throw SettingFault(message: "\(text.isEmpty ? "" : "is \(text.shown), which ")\(fault)")
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

  /// A file to read. A relative path begins at the configuration file's directory.
  static let inputPath = SettingType(name: "a path, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("a path, as a string", node, context) }
    try text.mustBePath()
    return context.resolve(text)
  }

  /// A file to write.
  static let outputPath = SettingType(name: "an absolute path, as a string") { node, context throws(SettingFault) in
    guard let text = node.string else { throw mismatch("an absolute path, as a string", node, context) }
    try text.mustBePath()
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
    // The temporary file beside it has a longer name.
    guard last.utf8.count <= 200, text.utf8.count <= 4000 else {
      throw SettingFault(message: "is longer than a file name may be; give a shorter one")
    }
    return "/" + parts.joined(separator: "/")
  }

  /// A file that node_exporter's textfile collector finds.
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
  func mustBeVisible(range: Range<Int>? = nil) throws(SettingFault) {
    guard !isEmpty else { throw SettingFault(message: "is empty; give it a value", range: range) }
    guard utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else {
      throw SettingFault(
        message: "is \(shown); only printable ASCII characters can be sent (RFC 6749, appendix A)", range: range)
    }
    guard !hasPrefix(" "), !hasSuffix(" ") else {
      throw SettingFault(message: "is \(shown), with a space at its beginning or end; remove it", range: range)
    }
  }

  func mustBePath() throws(SettingFault) {
    guard !isEmpty else { throw SettingFault(message: "is empty; give a path") }
    guard !contains("-----BEGIN") else {
      throw SettingFault(message: "takes the path of a file, not its content", hidesValue: true)
    }
    guard !utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw SettingFault(message: "holds a line break or another control character; give a path", hidesValue: true)
    }
  }
}
