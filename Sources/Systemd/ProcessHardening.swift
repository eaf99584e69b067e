internal import CSystemd
internal import Glibc

/// What a process that holds secrets does to itself before it reads the first of them.
public enum ProcessHardening {
  /// Leaves no core dump behind, whatever the system's settings: the limit is set to 0, hard and soft, and the process is marked
  /// undumpable (prctl(2), `PR_SET_DUMPABLE`), which also denies ptrace(2) and /proc/PID/mem to other processes of the same user.
  ///
  /// Swift's runtime, where it finds its `swift-backtrace`, catches crashes and prints registers and what is round them: that is a
  /// small core dump in the journal, and holds up the restart besides. So the kernel's own way is restored for those signals.
  ///
  /// - Throws: `SystemCallFailure` if the kernel refuses either; the other was tried first.
  public static func disableCoreDumps() throws(SystemCallFailure) {
    for crash in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { _ = Glibc.signal(crash, SIG_DFL) }
    guard csystemd_set_dumpable(0) == 0 else { throw SystemCallFailure(call: "prctl(PR_SET_DUMPABLE)", code: errno) }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
      throw SystemCallFailure(call: "setrlimit(RLIMIT_CORE)", code: errno)
    }
  }
}
