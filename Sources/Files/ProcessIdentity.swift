import Glibc

/// The identifier of the running boot. Boot times of another boot have no meaning.
package enum BootID {
  /// 32 hexadecimal digits; empty if it is unknown.
  package static let current: String = {
    if let content = try? PrivateFile.read("/proc/sys/kernel/random/boot_id", maximum: 64, owned: false) {
      return digits(content.exposed)
    }
    // With ProcSubset=pid there is no /proc/sys. So the unit passes on the identifier (`%b`, systemd.unit(5)).
    return getenv("KONEXUS_TOKEND_BOOT_ID").map { digits(String(cString: $0)) } ?? ""
  }()

  private static func digits(_ text: String) -> String { text.filter(\.isHexDigit).lowercased() }
}

/// When a process started, in clock ticks since boot. Together with the process id, it identifies one process of this
/// boot.
package enum ProcessStart {
  /// The start time of this process.
  package static let own = of(getpid())

  /// The 22nd field of `/proc/PID/stat` (proc_pid_stat(5)); `nil` if there is no such process, or if it is hidden from
  /// this user.
  package static func of(_ pid: Int32) -> Int64? {
    guard let content = try? PrivateFile.read("/proc/\(pid)/stat", maximum: 4096, owned: false) else { return nil }
    // The second field is the command's name in parentheses. It can contain any character, also blanks and parentheses.
    let text = content.exposed
    guard let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 19 ? Int64(fields[19]) : nil
  }
}
