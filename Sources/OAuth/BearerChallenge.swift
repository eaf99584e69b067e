/// The challenge of a resource server (RFC 6750, 3).
enum BearerChallenge {
  /// The longest error code.
  static let longestError = 64
  /// The longest field that is read.
  static let longestField = 4096

  /// The error code in a `WWW-Authenticate` field (RFC 9110, 11.6.1). It is that of the first `Bearer` challenge that
  /// has an error code.
  ///
  /// - Returns: Nil if the field or the code is malformed, or if there is no code.
  static func error(in field: String) -> String? {
    guard field.utf8.count <= longestField, let challenges = challenges(in: Array(field.utf8)) else { return nil }
    for challenge in challenges where challenge.scheme == "bearer" {
      let errors = challenge.parameters.filter { $0.name == "error" }.map(\.value)
      // An attribute must not appear more than once.
      guard errors.count == 1, let error = errors.first else { continue }
      guard (1...longestError).contains(error.count), error.allSatisfy(isErrorCharacter) else { continue }
      return String(decoding: error, as: UTF8.self)
    }
    return nil
  }

  private struct Challenge {
    /// In lower case.
    var scheme: String
    /// The names in lower case.
    var parameters: [(name: String, value: [UInt8])] = []
  }

  /// The challenges of a field; nil if it is malformed.
  private static func challenges(in field: [UInt8]) -> [Challenge]? {
    var scanner = Scanner(rest: field[...])
    var challenges: [Challenge] = []
    while true {
      scanner.skip(" \t,")
      guard !scanner.rest.isEmpty else { return challenges }
      guard let name = scanner.token() else { return nil }
      if let value = scanner.parameterValue() {
        // A parameter before the first scheme.
        guard !challenges.isEmpty else { return nil }
        challenges[challenges.count - 1].parameters.append((name, value))
      } else {
        guard scanner.isAtEndOfScheme else { return nil }
        challenges.append(Challenge(scheme: name))
        scanner.skipToken68()
        continue
      }
      scanner.skip(" \t")
      guard scanner.rest.isEmpty || scanner.rest.first == UInt8(ascii: ",") else { return nil }
    }
  }

  /// The characters of an error code: %x20-21 / %x23-5B / %x5D-7E (RFC 6750, 3).
  private static func isErrorCharacter(_ byte: UInt8) -> Bool {
    (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private struct Scanner {
    var rest: ArraySlice<UInt8>

    mutating func skip(_ characters: String) { rest = rest.drop { characters.utf8.contains($0) } }

    /// A token in lower case (RFC 9110, 5.6.2).
    mutating func token() -> String? {
      let token = rest.prefix(while: Self.isTokenCharacter)
      guard !token.isEmpty else { return nil }
      rest = rest[token.endIndex...]
      return String(decoding: token, as: UTF8.self).lowercased()
    }

    /// The `=` and the value of a parameter whose name was read (RFC 9110, 11.2).
    mutating func parameterValue() -> [UInt8]? {
      var ahead = self
      ahead.skip(" \t")
      guard ahead.rest.first == UInt8(ascii: "=") else { return nil }
      ahead.rest.removeFirst()
      ahead.skip(" \t")
      guard let value = ahead.quotedString() ?? ahead.plainValue() else { return nil }
      self = ahead
      return value
    }

    private mutating func plainValue() -> [UInt8]? {
      let value = rest.prefix(while: Self.isTokenCharacter)
      guard !value.isEmpty else { return nil }
      rest = rest[value.endIndex...]
      return Array(value)
    }

    /// RFC 9110, 5.6.4.
    private mutating func quotedString() -> [UInt8]? {
      guard rest.first == UInt8(ascii: "\"") else { return nil }
      var text: [UInt8] = []
      var bytes = rest.dropFirst()
      while var byte = bytes.popFirst() {
        if byte == UInt8(ascii: "\"") {
          rest = bytes
          return text
        }
        if byte == UInt8(ascii: "\\") {
          guard let escaped = bytes.popFirst() else { return nil }
          byte = escaped
        }
        text.append(byte)
      }
      return nil
    }

    /// Whether a space, a comma or the end follows.
    var isAtEndOfScheme: Bool { rest.first.map { " ,".utf8.contains($0) } ?? true }

    /// Skips the value of a challenge without parameters, such as that of `Negotiate`.
    mutating func skipToken68() {
      var ahead = self
      ahead.skip(" ")
      ahead.rest = ahead.rest.drop(while: Self.isToken68Character).drop { $0 == UInt8(ascii: "=") }
      ahead.skip(" \t")
      if ahead.rest.isEmpty || ahead.rest.first == UInt8(ascii: ",") { self = ahead }
    }

    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
      isAlphanumeric(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }

    private static func isToken68Character(_ byte: UInt8) -> Bool {
      isAlphanumeric(byte) || "-._~+/".utf8.contains(byte)
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"):
        true
      default: false
      }
    }
  }
}
