public import Dispatch

/// The broker's isolation domain. All of its state belongs to one serial Dispatch queue.
///
/// Timers, signals and file events arrive on this queue. Therefore their handlers can use the state directly, through
/// `assumeIsolated`. If the queue runs a block, the broker is alive.
@globalActor public actor BrokerActor {
  /// The only instance.
  public static let shared = BrokerActor()

  /// The queue that runs everything in this domain.
  public static let queue = DispatchQueue(label: "broker")

  /// Runs the work beside the broker: requests, their verification, and waits for files.
  static let requests = RequestExecutor()

  private nonisolated let executor = DispatchExecutor(queue: queue)

  /// Runs the domain's jobs on `queue`.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// Runs `body` at once; traps unless the caller is on `queue`. It is for handlers of Dispatch sources and blocks.
  public static func assumeIsolated<Value: Sendable>(_ body: @BrokerActor () -> Value) -> Value {
    dispatchPrecondition(condition: .onQueue(queue))
    // This is as in MainActor.assumeIsolated of the standard library. The two function types differ only in their
    // isolation.
    return withoutActuallyEscaping(body) { unsafeBitCast($0, to: (() -> Value).self)() }
  }

  /// Runs `body` on `queue` later.
  static func async(_ body: @escaping @Sendable @BrokerActor () -> Void) {
    queue.async { assumeIsolated(body) }
  }

  /// Runs `body` on `queue` at `deadline`.
  static func async(at deadline: DispatchTime, _ body: @escaping @Sendable @BrokerActor () -> Void) {
    queue.asyncAfter(deadline: deadline) { assumeIsolated(body) }
  }
}

/// Runs an actor's jobs on one serial Dispatch queue.
private final class DispatchExecutor: SerialExecutor {
  private let queue: DispatchQueue

  init(queue: DispatchQueue) {
    self.queue = queue
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  func checkIsolated() {
    dispatchPrecondition(condition: .onQueue(queue))
  }
}

/// Runs tasks on a queue of its own.
///
/// Swift's shared pool would do the same, but it costs CPU time at rest. After the first job in its shared queues,
/// libdispatch wakes the process once a second to see whether they need more threads. It does not do so for private
/// queues.
public final class RequestExecutor: TaskExecutor {
  private let queue = DispatchQueue(label: "requests")

  /// An executor with a queue of its own.
  public init() {}

  /// Runs `job` on the queue.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
