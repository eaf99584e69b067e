import Base

extension SettingType<Bool> {
  static let boolean = SettingType(name: "true or false") { node, context throws(SettingFault) in
    if case .boolean(let value) = node.content { return value }
    throw mismatch("true or false", node, context, hint: node.string == nil ? "" : "; leave out the quotes")
  }
}

extension SettingType<Int> {
  static func integer(_ range: ClosedRange<Int>) -> SettingType {
    let name = "an integer from \(range.lowerBound) to \(range.upperBound)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      guard case .integer(let value) = node.content else { throw mismatch(name, node, context) }
      guard let value = Int(exactly: value), range.contains(value) else {
        throw SettingFault(message: "is \(value); give \(name)")
      }
      return value
    }
  }
}

extension SettingType<Double> {
  static func fraction(_ range: ClosedRange<Double>) -> SettingType {
    let name = "a number from \(range.lowerBound) to \(range.upperBound)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      let value: Double
      switch node.content {
      case .float(let number): value = number
      case .integer(let number): value = Double(number)
      default: throw mismatch(name, node, context)
      }
      guard range.contains(value) else { throw SettingFault(message: "is \(node.plainText ?? ""); give \(name)") }
      return value
    }
  }
}

extension SettingType<UInt32> {
  /// A file mode as an octal string: read as a decimal number, `mode = 640` is `-w---x---` and worse.
  static let fileMode = SettingType(name: "a file mode in octal, as a string such as \"0640\"") {
    node, context throws(SettingFault) in
    let name = "a file mode in octal, as a string such as \"0640\""
    guard let text = node.string else {
      var hint = ""
      if case .integer(let value) = node.content, (0...7777).contains(value) {
        let digits = String(value, radix: node.isOctal ? 8 : 10)
        hint = node.isOctal ? "" : "; TOML's integers are decimal, so this is mode 0\(String(value, radix: 8))"
        hint += "; write mode = \"\(digits.count < 4 ? "0" : "")\(digits)\""
      }
      throw mismatch(name, node, context, hint: hint)
    }
    guard (3...4).contains(text.utf8.count), let mode = UInt32(text, radix: 8), text.utf8.first != UInt8(ascii: "+")
    else {
      throw SettingFault(message: "is \(text.shown); give three or four octal digits, such as \"0640\"")
    }
    guard mode <= 0o777 else {
      throw SettingFault(
        message: "is \(text.shown); set-user-ID, set-group-ID and sticky bits make no sense on a token")
    }
    guard mode & 0o400 != 0 else {
      throw SettingFault(
        message:
          "is \(text.shown); the daemon itself must be able to read the token: set the owner's read bit, as in \"0640\""
      )
    }
    guard mode & 0o002 == 0 else {
      throw SettingFault(
        message:
          "is \(text.shown), with which anybody on this host could replace the token; clear the others' write bit, as in \"0640\""
      )
    }
    guard mode & 0o111 == 0 else {
      throw SettingFault(
        message: "is \(text.shown), with which the token could be executed; clear the execute bits, as in \"0640\"")
    }
    return mode
  }
}

extension SettingType where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
  /// One of the names of `Value`'s cases.
  static func choice() -> SettingType {
    let names = Value.allCases.map(\.rawValue)
    let list = names.dropLast().map { "\"\($0)\"" }.joined(separator: ", ") + " or \"\(names.last ?? "")\""
    return SettingType(name: list) { node, context throws(SettingFault) in
      guard let text = node.string else { throw mismatch(list, node, context) }
      if let value = Value(rawValue: text) { return value }
      let meant = NearestName.to(text, among: names).map { "; did you mean \"\($0)\"?" } ?? "; give \(list)"
      throw SettingFault(message: "is \(text.shown)\(meant)")
    }
  }
}
