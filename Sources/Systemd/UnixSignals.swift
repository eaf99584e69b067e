public import Dispatch
internal import Glibc

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
