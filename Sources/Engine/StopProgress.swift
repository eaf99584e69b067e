import Base

/// What a stop waits for: tokens with `revoke_on_stop` are removed from their files and then revoked (RFC 7009).
struct StopProgress: Sendable {
  /// The limit of one revocation.
  static let timeout = Duration.seconds(1)
  /// The limit of all revocations together: well below systemd's limit for a stop (`TimeoutStopSec=` of the unit).
  static let totalLimit = Duration.seconds(5)

  /// The latest time at which the process ends.
  let end: BootTime
  /// The tokens whose files are being removed.
  private var withdrawing: Set<String>
  /// The tokens whose revocation was not sent yet, or has not ended.
  private var unrevoked: Set<String>
  private var queues: [ServerID: RequestQueue] = [:]

  /// The stop that revokes `tokens`.
  init(revoking tokens: [String], at now: BootTime) {
    end = now + Self.totalLimit
    withdrawing = Set(tokens)
    unrevoked = Set(tokens)
  }

  /// Whether all tokens were revoked.
  var isComplete: Bool { unrevoked.isEmpty }

  /// The tokens that were not revoked in time.
  var left: [String] { unrevoked.sorted() }

  /// Notes that the files of a token were removed. Returns the tokens to revoke now.
  mutating func withdrew(_ token: String, at server: ServerID, limit: Int) -> [String] {
    guard withdrawing.remove(token) != nil else { return [] }
    queues[server, default: RequestQueue(limit: limit)].enqueue(token)
    return next(at: server)
  }

  /// Notes that a revocation has ended. Returns the tokens to revoke now.
  mutating func revoked(_ token: String, at server: ServerID) -> [String] {
    guard unrevoked.remove(token) != nil else { return [] }
    queues[server]?.end(RequestQueue.Permit(token: token, attempt: 0))
    return next(at: server)
  }

  /// The limit of a revocation that begins now; `nil` if no time is left.
  func timeout(at now: BootTime) -> Duration? { now < end ? min(Self.timeout, end - now) : nil }

  private mutating func next(at server: ServerID) -> [String] {
    var names: [String] = []
    while let name = queues[server]?.next() {
      queues[server]?.begin(RequestQueue.Permit(token: name, attempt: 0))
      names.append(name)
    }
    return names
  }
}
