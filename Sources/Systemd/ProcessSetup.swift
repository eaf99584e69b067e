import CSystemd
public import Dispatch
import Glibc

/// Signals as events on a queue.
///
/// The signals are blocked in the thread that makes the value, and in every thread that is started by it afterwards: none of them can
/// interrupt or end the process any more, and one that came before the sources were armed is delivered late rather than lost.
/// So make it first, in the main thread.
///
/// On Linux do not end the main thread in `dispatchMain()`: it unblocks every signal there, and one that it takes from the sources is lost.
///
/// ```swift
/// let signals = UnixSignals([SIGTERM, SIGHUP], queue: queue) { signal in ... }
/// ```
public final class UnixSignals: Sendable {
  /// A Dispatch source may be used from any thread (dispatch_source_create(3)); its overlay just does not say so.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  /// Calls `handler` on `queue` with the number of each signal that arrives. Several of the same number that arrive before the handler
  /// ran are one call, as always with signals.
  public init(_ signals: [Int32], queue: DispatchQueue, handler: @escaping @Sendable (Int32) -> Void) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    sources = signals.map { signal in
      let source = DispatchSource.makeSignalSource(signal: signal, queue: queue)
      source.setEventHandler { handler(signal) }
      source.activate()
      return source
    }
  }

  deinit {
    cancel()
  }

  /// Ends the delivery; a handler that is running finishes. The signals stay blocked in the thread that made this value.
  public func cancel() {
    for source in sources { source.cancel() }
  }

  /// Makes `signal` do nothing at all in this process: `SIGPIPE`, above all, for a program that writes to sockets and pipes.
  public static func ignore(_ signal: Int32) {
    _ = Glibc.signal(signal, SIG_IGN)
  }
}

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
