/// File modes as people write them.
package enum FileMode {
  /// The permission bits in octal: `0640`.
  package static func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}
