public import Glibc

/// Whether an output of this process goes to the journal: `$JOURNAL_STREAM` in systemd.exec(5).
public enum JournalStream {
  /// Whether `descriptor` is the very stream that the service manager connected to the journal.
  ///
  /// `$JOURNAL_STREAM` alone does not tell: it is inherited by programs whose output was redirected elsewhere.
  public static func isConnected(_ descriptor: Int32 = STDERR_FILENO) -> Bool {
    isConnected(descriptor, journalStream: getenv("JOURNAL_STREAM").map { String(cString: $0) })
  }

  static func isConnected(_ descriptor: Int32, journalStream: String?) -> Bool {
    guard let parts = journalStream?.split(separator: ":", omittingEmptySubsequences: false), parts.count == 2 else {
      return false
    }
    guard let device = UInt(parts[0]), let inode = UInt(parts[1]) else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return status.st_dev == device && status.st_ino == inode
  }
}
