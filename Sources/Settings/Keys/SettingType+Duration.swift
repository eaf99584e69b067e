extension SettingType<Duration> {
  /// Whole seconds as an integer, or a string of numbers with units: "30s", "2m", "1m30s".
  static func duration(_ range: ClosedRange<Duration>) -> SettingType {
    let name = "a duration in seconds, or with a unit as in \"30s\" or \"2m\""
    let limits = "give \(range.lowerBound.inUnits) to \(range.upperBound.inUnits)"
    return SettingType(name: name) { node, context throws(SettingFault) in
      let value: Duration
      switch node.content {
      case .integer(let seconds):
        guard let whole = Int(exactly: seconds), abs(whole) <= 1_000_000_000 else {
          throw SettingFault(message: "is \(seconds) s; \(limits)")
        }
        value = .seconds(whole)
      case .string(let text):
        guard let parsed = Duration(units: text.exposed) else {
          throw SettingFault(
            message: "is \(text.exposed.shown); write a number and a unit (s, m or h), as in \"30s\" or \"2m\"")
        }
        value = parsed
      default:
        throw mismatch(name, node, context)
      }
      guard range.contains(value) else { throw SettingFault(message: "is \(value.inUnits); \(limits)") }
      return value
    }
  }
}

extension Duration {
  /// Reads "90s", "2m", "1m30s", "1h": whole numbers, units from large to small, each at most once.
  init?(units text: String) {
    var seconds = 0
    var rest = text.utf8[...]
    guard !rest.isEmpty else { return nil }
    for (letter, length) in [(UInt8(ascii: "h"), 3600), (UInt8(ascii: "m"), 60), (UInt8(ascii: "s"), 1)] {
      let digits = rest.prefix { $0.isDigit }
      guard !digits.isEmpty, rest.dropFirst(digits.count).first == letter else { continue }
      guard digits.count <= 7, let number = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
      seconds += number * length
      rest = rest.dropFirst(digits.count + 1)
    }
    guard rest.isEmpty else { return nil }
    self = .seconds(seconds)
  }

  /// "30 s", "2 min", "90 s", "1 h": in the largest unit that leaves a whole number.
  var inUnits: String {
    let seconds = components.seconds
    if seconds != 0, seconds.isMultiple(of: 3600) { return "\(seconds / 3600) h" }
    if seconds != 0, seconds.isMultiple(of: 60) { return "\(seconds / 60) min" }
    return "\(seconds) s"
  }
}
