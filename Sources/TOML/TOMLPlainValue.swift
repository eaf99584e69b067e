/// The values that stand without quotes: booleans, numbers, dates and times.
enum TOMLPlainValue {
  /// Nil if `text` is none of them.
  static func content(of text: some BidirectionalCollection<UInt8>) -> TOMLNode.Content? {
    // At most a few dozen characters make sense; a longer text is a secret without its quotes, say.
    guard text.count <= 128 else { return nil }
    let text = String(decoding: text, as: UTF8.self)
    switch text {
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    case "inf", "+inf": return .float(.infinity)
    case "-inf": return .float(-.infinity)
    case "nan", "+nan", "-nan": return .float(.nan)
    default: break
    }
    if let integer = integer(text) { return .integer(integer) }
    if let float = float(text) { return .float(float) }
    return isDateTime(text) ? .dateTime : nil
  }

  /// Whether `text` would be a decimal number, were it not for zeros in front.
  static func hasLeadingZero(_ text: some Collection<UInt8>) -> Bool {
    text.count > 1 && text.first == UInt8(ascii: "0") && text.allSatisfy(\.isDigit)
  }

  private static func integer(_ text: String) -> Int64? {
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where text.hasPrefix(prefix) {
      return digits(text.dropFirst(2), radix: radix).flatMap { Int64($0, radix: radix) }
    }
    let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    guard let digits = digits(unsigned, radix: 10), digits == "0" || digits.first != "0" else { return nil }
    return Int64((text.first == "-" ? "-" : "") + digits)
  }

  private static func float(_ text: String) -> Double? {
    let unsigned = text.first == "-" || text.first == "+" ? text.dropFirst() : text[...]
    let exponentMark = unsigned.firstIndex { $0 == "e" || $0 == "E" }
    let mantissa = unsigned[..<(exponentMark ?? unsigned.endIndex)]
    let parts = mantissa.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2 || exponentMark != nil, let whole = digits(parts[0], radix: 10),
      whole == "0" || whole.first != "0"
    else { return nil }
    var canonical = (text.first == "-" ? "-" : "") + whole
    if parts.count == 2 {
      guard let fraction = digits(parts[1], radix: 10) else { return nil }
      canonical += "." + fraction
    }
    if let exponentMark {
      var exponent = unsigned[unsigned.index(after: exponentMark)...]
      canonical += "e"
      if let sign = exponent.first, sign == "-" || sign == "+" {
        canonical.append(sign)
        exponent = exponent.dropFirst()
      }
      guard let exponent = digits(exponent, radix: 10) else { return nil }
      canonical += exponent
    }
    // TOML leaves numbers beyond a double to the reader; as infinity they would be something that nobody wrote.
    return Double(canonical).flatMap { $0.isFinite ? $0 : nil }
  }

  /// The digits of `text` without the underscores between them; nil if there is anything else.
  private static func digits(_ text: Substring, radix: Int) -> String? {
    var result = ""
    var previous: Character = "_"
    for character in text {
      if character == "_" {
        guard previous != "_" else { return nil }
      } else {
        guard character.isASCII, let value = character.hexDigitValue, value < radix else { return nil }
        result.append(character)
      }
      previous = character
    }
    return previous == "_" ? nil : result
  }

  /// RFC 3339, as TOML narrows it: offset date-time, local date-time, local date or local time.
  private static func isDateTime(_ text: String) -> Bool {
    var rest = Array(text.utf8)[...]
    if rest.count >= 3, rest[rest.startIndex + 2] == UInt8(ascii: ":") { return takeTime(&rest) && rest.isEmpty }
    guard takeDate(&rest) else { return false }
    if rest.isEmpty { return true }
    guard let separator = rest.popFirst(), [UInt8(ascii: "T"), UInt8(ascii: "t"), .space].contains(separator),
      takeTime(&rest)
    else { return false }
    if rest.isEmpty { return true }
    let zone = rest.removeFirst()
    if zone | 0x20 == UInt8(ascii: "z") { return rest.isEmpty }
    guard zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-"), let hour = takeNumber(&rest, 2), hour < 24,
      take(&rest, ":"), let minute = takeNumber(&rest, 2), minute < 60
    else { return false }
    return rest.isEmpty
  }

  private static func takeDate(_ text: inout ArraySlice<UInt8>) -> Bool {
    guard let year = takeNumber(&text, 4), take(&text, "-"), let month = takeNumber(&text, 2), (1...12).contains(month),
      take(&text, "-"), let day = takeNumber(&text, 2)
    else { return false }
    let isLeapYear = year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
    let days = [31, isLeapYear ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return (1...days[month - 1]).contains(day)
  }

  private static func takeTime(_ text: inout ArraySlice<UInt8>) -> Bool {
    guard let hour = takeNumber(&text, 2), hour < 24, take(&text, ":"), let minute = takeNumber(&text, 2), minute < 60,
      take(&text, ":"), let second = takeNumber(&text, 2), second < 60
    else { return false }
    guard take(&text, ".") else { return true }
    guard text.first?.isDigit == true else { return false }
    text = text.drop(while: \.isDigit)
    return true
  }

  private static func takeNumber(_ text: inout ArraySlice<UInt8>, _ count: Int) -> Int? {
    guard text.count >= count, text.prefix(count).allSatisfy(\.isDigit) else { return nil }
    let number = text.prefix(count).reduce(0) { $0 * 10 + Int($1 - 0x30) }
    text.removeFirst(count)
    return number
  }

  private static func take(_ text: inout ArraySlice<UInt8>, _ mark: Unicode.Scalar) -> Bool {
    guard text.first == UInt8(ascii: mark) else { return false }
    text.removeFirst()
    return true
  }
}
