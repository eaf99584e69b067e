/// Who may ask one issuer now, and who waits: at most so many requests are under way at once, first come, first served.
///
/// Each issuer has a queue of its own, so that a slow one does not delay another's tokens.
package struct RequestQueue {
  /// One attempt for one token.
  package struct Permit: Hashable {
    var token: String
    /// An identifier that never repeats within a process: the result of an attempt for former settings is never taken for another's.
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

  /// Puts a token into the queue, once.
  package mutating func enqueue(_ token: String) {
    if isWaiting.insert(token).inserted { waiting.append(token) }
  }

  /// The next token whose turn it is, taken off the queue; `nil` while all places are taken.
  package mutating func next() -> String? {
    guard running.count < limit, let first = waiting.first else { return nil }
    waiting.removeFirst()
    isWaiting.remove(first)
    return first
  }

  /// Takes a place for an attempt.
  package mutating func begin(_ permit: Permit) {
    running.insert(permit)
  }

  /// Gives the place back, at the attempt's end or when it is given up for lost.
  package mutating func end(_ permit: Permit) {
    running.remove(permit)
  }

  /// Forgets a token that is no longer kept.
  package mutating func forget(_ token: String) {
    guard isWaiting.remove(token) != nil else { return }
    waiting.removeAll { $0 == token }
  }
}
