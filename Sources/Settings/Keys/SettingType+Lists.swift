import TOML

extension SettingType<[String]> {
  /// A scope (RFC 6749, 3.3): names with spaces between them, or an array of names. May be empty.
  static let scope = SettingType(name: "a string or an array of strings") { node, context throws(SettingFault) in
    var names: [String] = []
    for element in try node.strings("a string or an array of strings", context) {
      for name in element.text.split(separator: " ") {
        // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != .quotationMark && $0 != .backslash }) else {
          throw SettingFault(
            message:
              "holds \(String(name).shown), which is no scope: quotes, backslashes and characters beyond ASCII have no place there (RFC 6749, 3.3)",
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

  /// One string or several, none of them empty.
  static let texts = SettingType(name: "a string or an array of strings") { node, context throws(SettingFault) in
    let elements = try node.strings("a string or an array of strings", context)
    guard !elements.isEmpty else { throw SettingFault(message: "is empty; give at least one, or leave the key out") }
    var texts: [String] = []
    for element in elements {
      guard !element.text.isEmpty else {
        throw SettingFault(message: "holds an empty string; remove it", range: element.range)
      }
      try element.text.mustBeVisible(range: element.range)
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
