import Glibc

/// The running boot's id: boot-time readings of another boot mean nothing.
package enum BootID {
  /// 32 hex digits; empty if nobody tells.
  package static let current: String = {
    if let content = try? PrivateFile.read("/proc/sys/kernel/random/boot_id", maximum: 64, owned: false) {
      return digits(content.exposed)
    }
    // With ProcSubset=pid there is no /proc/sys: the unit passes it on (`%b`, systemd.unit(5)).
    return getenv("KONEXUS_TOKEND_BOOT_ID").map { digits(String(cString: $0)) } ?? ""
  }()

  private static func digits(_ text: String) -> String { text.filter(\.isHexDigit).lowercased() }
}
