import Dispatch

/// Runs an actor's jobs on one serial Dispatch queue, so that timers and signals delivered there may touch the actor's state directly,
/// and so that an answer from the queue proves that the actor is alive.
final class DispatchExecutor: SerialExecutor {
  let queue: DispatchQueue

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
