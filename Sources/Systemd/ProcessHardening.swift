internal import CSystemd
internal import Glibc

/// What a process that holds secrets does to itself before it reads the first of them.
public enum ProcessHardening {
  /// Leaves no core dump behind, whatever the system's settings: the limit is set to 0, hard and soft, and the process is marked
  /// undumpable (prctl(2), `PR_SET_DUMPABLE`), which also denies ptrace(2) and /proc/PID/mem to other processes of the same user.
  ///
  /// - Throws: `SystemCallFailure` if the kernel refuses either; the other was tried first.
  public static func disableCoreDumps() throws(SystemCallFailure) {
    guard csystemd_set_dumpable(0) == 0 else { throw SystemCallFailure(call: "prctl(PR_SET_DUMPABLE)", code: errno) }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
      throw SystemCallFailure(call: "setrlimit(RLIMIT_CORE)", code: errno)
    }
  }
}
