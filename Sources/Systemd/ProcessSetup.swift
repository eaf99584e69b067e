import CSystemd
public import Dispatch
import Glibc

/// Signals as events on a queue.
///
/// The initializer blocks the signals in its thread, and in every thread that is started afterwards. They cannot
/// interrupt or end the process any more. A signal that arrives before the sources are armed is delivered later. So
/// make this value first, in the main thread.
///
/// On Linux, do not end the main thread in `dispatchMain()`. It unblocks all signals there, and the signals that it
/// receives are lost.
///
/// ```swift
/// let signals = UnixSignals([SIGTERM, SIGHUP], queue: queue) { signal in ... }
/// ```
public final class UnixSignals: Sendable {
  /// Any thread can use a Dispatch source (dispatch_source_create(3)), although its type is not `Sendable`.
  private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

  /// Calls `handler` on `queue` with the number of each signal. Several signals of one number can become one call.
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

  /// Ends the delivery. A handler that is running finishes. The signals stay blocked.
  public func cancel() {
    for source in sources { source.cancel() }
  }

  /// Ignores `signal` in this process: `SIGPIPE`, for a program that writes to sockets and pipes, and `SIGXFSZ`, for
  /// one that writes to files.
  public static func ignore(_ signal: Int32) {
    _ = Glibc.signal(signal, SIG_IGN)
  }
}

/// Protection of a process that holds secrets. Call it before the first of them is read.
public enum ProcessHardening {
  /// Prevents core dumps, with any setting of the system.
  ///
  /// The limit is set to 0, hard and soft. The process is marked undumpable (prctl(2), `PR_SET_DUMPABLE`), which also
  /// denies ptrace(2) and /proc/PID/mem to other processes of the same user.
  ///
  /// Swift's runtime catches crashes if it finds its `swift-backtrace`, and prints registers and memory to the journal.
  /// So the default action is restored for those signals.
  ///
  /// - Throws: `SystemCallFailure` if the kernel refuses either. The other one was tried.
  public static func disableCoreDumps() throws(SystemCallFailure) {
    for crash in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { _ = Glibc.signal(crash, SIG_DFL) }
    guard csystemd_set_dumpable(0) == 0 else { throw SystemCallFailure(call: "prctl(PR_SET_DUMPABLE)", code: errno) }
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    guard setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none) == 0 else {
      throw SystemCallFailure(call: "setrlimit(RLIMIT_CORE)", code: errno)
    }
  }
}

/// Standard input, output and error of this process.
public enum StandardDescriptors {
  /// Opens /dev/null for each of the three that is closed. Call it before the process opens any other file.
  ///
  /// Without this, a file that the process opens gets the number of a closed one, and messages are written into it.
  /// Reading from standard input and writing to standard output still fail with `EBADF`, so that no output gets lost
  /// without an error.
  public static func openClosed() {
    for (descriptor, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDWR)]
    where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
      // The kernel gives the lowest free number, and the numbers below are open.
      _ = open("/dev/null", mode)
    }
  }
}
