/// Scopes as a server writes them, taken apart and checked.
enum ScopeNames {
  /// The names: each text holds names with spaces between them.
  ///
  /// - Returns: `nil` if a name has characters that RFC 6749, section 3.3 does not allow, or if all of it is longer
  ///   than 64 KiB. The names reach the status file and terminals.
  static func parse(_ texts: [String]) -> [String]? {
    guard texts.reduce(0, { $0 + $1.utf8.count }) <= 65_536 else { return nil }
    let names = texts.flatMap { $0.split(separator: " ").map(String.init) }
    return names.allSatisfy { $0.utf8.allSatisfy(isAllowed) } ? names : nil
  }

  /// The end of a sentence on such a scope. It does not repeat the scope.
  static let fault = "a scope that is too long or has characters that RFC 6749, section 3.3 does not allow"

  /// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
  private static func isAllowed(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21, 0x23...0x5b, 0x5d...0x7e: true
    default: false
    }
  }
}
