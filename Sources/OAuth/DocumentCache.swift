import Base

/// A document of the server's that is being read: every attempt that needs it waits for the same answer.
struct Reading<Value: Sendable> {
  let task: Task<Result<Value, AcquisitionFailure>, Never>
  private let url: String
  private let limit: BootTime

  /// - Parameter limit: by when it is over, on a host that is awake.
  init(of url: String, limit: BootTime, _ task: Task<Result<Value, AcquisitionFailure>, Never>) {
    self.url = url
    self.limit = limit
    self.task = task
  }

  /// Whether it is of that document, and may still bring it: the connection of one that a suspend has interrupted is dead, which it learns only
  /// when the time that it was awake is up.
  func serves(_ url: String, at now: BootTime) -> Bool { self.url == url && now <= limit }

  /// The failure of an attempt that waited for it until its own time was up: the reading has another attempt's limit.
  func overdue(after allowance: Duration) -> AcquisitionFailure {
    AcquisitionFailure(.timeout, "\(url) did not answer within \(Int(allowance.seconds.rounded())) s")
  }
}

/// Lets a few reloads through at once and then one every half minute: a true key rotation is met in the instant it happens, and a server (or somebody in its
/// name) that makes up key ids cannot make a storm of requests.
struct ReloadLimit {
  private static let burst = 3.0
  private static let refill = 1.0 / 30

  private var tokens = Self.burst
  private var counted: BootTime?

  /// Whether a reload may be made now; counts it if so.
  mutating func permits(at now: BootTime) -> Bool {
    if let counted { tokens = min(Self.burst, tokens + (now - counted).seconds * Self.refill) }
    counted = now
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
