import Dispatch

/// Runs what is done beside the broker, requests and their verification, on one queue of its own.
///
/// Swift's usual pool would do, but for what it costs at rest: libdispatch wakes once a second, for ever, from the first job in its
/// shared queues on, to see whether they need more threads. For queues of one's own it does not.
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
