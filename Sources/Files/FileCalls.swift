import Dispatch
import Synchronization

/// Calls on files that the configuration names, with a limit on the time to wait. A file system can hang, and no signal
/// ends such a call.
///
/// Each call runs on a thread of its own. If the caller's time limit passes, the call continues until the file system
/// answers. Its result is dropped. Calls of one lane run one after the other, so that a file system that hangs holds
/// one thread for each lane.
///
/// At most ``width`` lanes run at once. A call that hangs beyond its limit no longer counts, so that another lane can
/// run. At most ``maximumHanging`` calls can hang in this way.
public enum FileCalls {
  /// A call that did not end in time.
  public struct Overdue: Error, Hashable, Sendable, CustomStringConvertible {
    /// The last path that the call opened, or that the hanging call before it opened; `nil` if there was none.
    public var path: String?
    /// How long the caller waited.
    public var limit: Duration

    /// What failed, and why.
    public var description: String {
      let path = path.map { "reading \($0)" } ?? "reading its files"
      return "\(path) took longer than \(Int(limit.seconds.rounded())) s: the file system does not answer"
    }
  }

  /// How long the daemon waits for a file. A disk that spins up answers within this time.
  public static let usualLimit = Duration.seconds(5)

  /// How many lanes run at once.
  package static let width = 40

  /// How many more calls can hang. Together with ``width`` this is less than the threads that systemd allows the
  /// service (`TasksMax=`). It is also less than the threads that Dispatch creates (255).
  static let maximumHanging = 120

  /// Runs `body` in `lane` and returns its result.
  ///
  /// - Throws: ``Overdue`` if there is no result within `limit`, the wait for earlier calls of the lane included.
  public static func run<Value: Sendable>(
    _ lane: String, limit: Duration = usualLimit, _ body: @escaping @Sendable () -> Value
  ) async throws(Overdue) -> Value {
    let outcome = await withCheckedContinuation { continuation in
      run(lane, limit: limit, body) { continuation.resume(returning: $0) }
    }
    return try outcome.get()
  }

  /// Runs `body` in `lane`, and passes its result to `completion` once, on any thread.
  ///
  /// The result is ``Overdue`` if there is none within `limit`, the wait for earlier calls of the lane included.
  package static func run<Value: Sendable>(
    _ lane: String, limit: Duration = usualLimit, _ body: @escaping @Sendable () -> Value,
    completion: @escaping @Sendable (Result<Value, Overdue>) -> Void
  ) {
    let progress = Progress()
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    let caller = Caller(completion)
    let timer = LimitTimer()
    timer.start(after: limit) {
      let before = lanes.withLock { $0.giveUp(number, lane) }
      let path = progress.path.withLock { $0 } ?? before?.path.withLock { $0 }
      caller.resume(.failure(Overdue(path: path, limit: limit)))
    }
    let work: @Sendable () -> Void = {
      let value = body()
      timer.cancel()
      caller.resume(.success(value))
    }
    lanes.withLock {
      $0.add(Lanes.Entry(number: number, lane: lane, limit: limit, progress: progress, work: work))
    }
  }

  /// Runs `body` in `lane`. There is no time limit, and no caller waits.
  public static func start(_ lane: String, _ body: @escaping @Sendable () -> Void) {
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    lanes.withLock {
      $0.add(Lanes.Entry(number: number, lane: lane, limit: usualLimit, progress: Progress(), work: body))
    }
  }

  /// Notes that the call on this thread opens `path`. If the call hangs, the report names this path.
  public static func note(_ path: String) {
    Progress.current?.path.withLock { $0 = path }
  }

  private static let lanes = Mutex(Lanes())
  private static let lastNumber = Atomic<UInt64>(0)

  /// The lanes and what waits for them.
  private struct Lanes {
    struct Entry {
      var number: UInt64
      var lane: String
      var limit: Duration
      var progress: Progress
      var work: @Sendable () -> Void
    }

    /// A running call.
    private struct Call {
      var limit: ContinuousClock.Instant
      var progress: Progress
    }

    private var running: [String: Call] = [:]
    private var waiting: [Entry] = []
    private var isLookDue = false

    mutating func add(_ entry: Entry) {
      waiting.append(entry)
      startNext()
    }

    /// Removes a call whose caller no longer waits, if it has not started.
    ///
    /// - Returns: the call of the lane that is running.
    mutating func giveUp(_ number: UInt64, _ lane: String) -> Progress? {
      waiting.removeAll { $0.number == number }
      startNext()
      return running[lane]?.progress
    }

    private mutating func end(_ lane: String) {
      running[lane] = nil
      startNext()
    }

    private mutating func startNext() {
      guard !waiting.isEmpty else { return }
      let now = ContinuousClock.now
      let hanging = min(running.values.count { $0.limit <= now }, FileCalls.maximumHanging)
      while let next = waiting.firstIndex(where: { running[$0.lane] == nil }) {
        guard running.count - hanging < FileCalls.width else { return lookAgain() }
        let entry = waiting.remove(at: next)
        running[entry.lane] = Call(limit: now + entry.limit, progress: entry.progress)
        // Each call has a queue of its own, so that a thread that hangs delays no other call.
        DispatchQueue(label: "file").async {
          Progress.$current.withValue(entry.progress) { entry.work() }
          FileCalls.lanes.withLock { $0.end(entry.lane) }
        }
      }
    }

    /// Checks soon whether a call has hung for so long that it leaves its place to another lane.
    private mutating func lookAgain() {
      guard !isLookDue else { return }
      isLookDue = true
      LimitTimer.queue.asyncAfter(deadline: .now() + .milliseconds(200)) {
        FileCalls.lanes.withLock {
          $0.isLookDue = false
          $0.startNext()
        }
      }
    }
  }

  /// The path that a call opened last.
  private final class Progress: Sendable {
    @TaskLocal static var current: Progress?
    let path = Mutex<String?>(nil)
  }
}

/// A time limit.
///
/// It is `Sendable` because the source is created once, and Dispatch lets any thread schedule and cancel it.
final class LimitTimer: @unchecked Sendable {
  static let queue = DispatchQueue(label: "limits")
  private let source = DispatchSource.makeTimerSource(queue: LimitTimer.queue)

  /// Calls `handler` once after `time`, unless it is cancelled before.
  func start(after time: Duration, _ handler: @escaping @Sendable () -> Void) {
    let nanoseconds = Int(clamping: max(.zero, time).nanoseconds)
    source.schedule(deadline: .now() + .nanoseconds(nanoseconds), leeway: .milliseconds(10))
    source.setEventHandler(handler: handler)
    source.activate()
  }

  /// Cancels the limit. `handler` is not called any more, unless it is running.
  func cancel() { source.cancel() }
}

extension Task where Failure == Never {
  /// The task's value if it comes within `limit`, else `nil`. The task continues in both cases.
  package func value(within limit: Duration, executor: (any TaskExecutor)?) async -> Success? {
    await withCheckedContinuation { continuation in
      let caller = Caller<Success?> { continuation.resume(returning: $0) }
      let timer = LimitTimer()
      timer.start(after: limit) { caller.resume(nil) }
      Task<Void, Never>(executorPreference: executor) {
        let value = await self.value
        timer.cancel()
        caller.resume(value)
      }
    }
  }
}

/// A caller that waits for the first of several results. Later ones are dropped.
private final class Caller<Value: Sendable>: Sendable {
  private let completion: Mutex<(@Sendable (Value) -> Void)?>

  init(_ completion: @escaping @Sendable (Value) -> Void) {
    self.completion = Mutex(completion)
  }

  func resume(_ value: Value) {
    let waiting = completion.withLock { completion in
      defer { completion = nil }
      return completion
    }
    waiting?(value)
  }
}
