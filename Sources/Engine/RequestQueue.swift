/// The requests to one issuer: at most `limit` under way, the others in order.
///
/// Each issuer has its own queue, so that a slow issuer does not delay the tokens of another.
package struct RequestQueue: Sendable {
  /// An attempt for one token that is under way.
  package struct Permit: Hashable, Sendable {
    var token: String
    /// An identifier that never repeats within a process, so that a late result does not count for another attempt.
    package var attempt: UInt64

    package init(token: String, attempt: UInt64) {
      self.token = token
      self.attempt = attempt
    }
  }

  package var limit: Int
  private var running: Set<Permit> = []
  private var waiting: [String] = []
  private var isWaiting: Set<String> = []

  package init(limit: Int) {
    self.limit = limit
  }

  /// Whether a token waits for its turn.
  package func isQueued(_ token: String) -> Bool { isWaiting.contains(token) }

  /// Adds a token to the queue, unless it is queued.
  package mutating func enqueue(_ token: String) {
    if isWaiting.insert(token).inserted { waiting.append(token) }
  }

  /// Removes and returns the first token of the queue; `nil` while `limit` requests are under way.
  package mutating func next() -> String? {
    guard running.count < limit, let first = waiting.first else { return nil }
    waiting.removeFirst()
    isWaiting.remove(first)
    return first
  }

  /// Counts an attempt as under way.
  package mutating func begin(_ permit: Permit) {
    running.insert(permit)
  }

  /// Notes that an attempt ended or was abandoned. A second call has no effect.
  package mutating func end(_ permit: Permit) {
    running.remove(permit)
  }

  /// Removes a token that is not managed any more.
  package mutating func forget(_ token: String) {
    guard isWaiting.remove(token) != nil else { return }
    waiting.removeAll { $0 == token }
  }
}
